import { randomBytes } from 'node:crypto';
import type { ResolvedSpawnerOptions } from '../options/spawner-options.js';
import { ownNames, subordinateRanges } from './id-files.js';
import type { ConfigureMessage, IdRange } from './messages.js';
import { chooseUidRange } from './uid-range.js';

/** An app that has used many policies keeps processes for the latest few of those that it does not use any more. */
const IDLE = { idleMs: 60_000, idleMakers: 16 };

/** The first message to a spawner. */
export function configureMessage(options: ResolvedSpawnerOptions): ConfigureMessage {
  const range = process.geteuid?.() === 0 ? (options.uidRange ?? chooseUidRange()) : undefined;
  return {
    stateDirectory: Buffer.from(options.stateDirectory),
    uidStart: range?.start ?? 0,
    uidCount: range?.count ?? 0,
    cgroupParent: Buffer.from(options.cgroupParent),
    pool: options.pool,
    maxConcurrent: options.maxConcurrent,
    queueTimeoutMs: options.queueTimeout === Infinity ? 0 : Math.min(options.queueTimeout, 2 ** 32 - 1),
    subordinateUids: ownRanges('/etc/subuid'),
    subordinateGids: ownRanges('/etc/subgid'),
    instance: randomInstance(),
    scratchDirectory: Buffer.from(options.scratchDirectory),
    portable: true,
    ...IDLE,
  };
}

function ownRanges(path: string): readonly IdRange[] {
  const mappable = ({ start, count }: IdRange): boolean => start + count <= 2 ** 32;
  return subordinateRanges(path, ownNames()).filter(mappable);
}

/** 53 random bits: what a number of JavaScript holds exactly. */
function randomInstance(): number {
  const bytes = randomBytes(8);
  return bytes.readUIntBE(0, 6) * 32 + (bytes.readUInt8(6) & 31);
}
