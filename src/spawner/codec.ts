import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Root, Type } from 'protobufjs';
import { SandboxError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import type {
  ConfigureMessage,
  DefineMessage,
  EndedMessage,
  EvidenceMessage,
  FailedMessage,
  FrozeMessage,
  KillMessage,
  LookedMessage,
  ProbedMessage,
  ReadyMessage,
  Reply,
  StartCommand,
  StartSettings,
  UsageMessage,
} from './messages.js';

/** The field number of `Request.start` and, being length-delimited, its tag. */
const START_TAG = (3 << 3) | 2;

interface Schema {
  readonly request: Type;
  readonly reply: Type;
  readonly start: Type;
  readonly define: Type;
}

let loaded: Schema | undefined;

/** Read at first use, not at import: a program that imports the library and makes no step pays nothing. */
function schema(): Schema {
  loaded ??= load();
  return loaded;
}

function load(): Schema {
  const protobuf = createRequire(import.meta.url)('protobufjs') as typeof import('protobufjs');
  const text = readFileSync(join(packageRoot, 'proto', 'control.proto'), 'utf8');
  const root: Root = protobuf.parse(text).root;
  const type = (name: string): Type => root.lookupType(`spawn_sandbox.control.${name}`).setup();
  return { request: type('Request'), reply: type('Reply'), start: type('Start'), define: type('Define') };
}

function request(kind: string, message: object): Uint8Array {
  const { request } = schema();
  return request.encode({ [kind]: message }).finish();
}

export function encodeConfigure(message: ConfigureMessage): Uint8Array {
  return request('configure', message);
}

export function encodeDefine(message: DefineMessage): Uint8Array {
  return request('define', message);
}

/** What can be a part of another. */
export function encodeDefinition(message: DefineMessage): Uint8Array {
  return schema().define.encode(message).finish();
}

export function encodeKill(message: KillMessage): Uint8Array {
  return request('kill', message);
}

export function encodeProbe(probeId: number): Uint8Array {
  return request('probe', { probeId });
}

export function encodeForget(policyId: number): Uint8Array {
  return request('forget', { policyId });
}

export function encodeLook(lookId: number, stepId: number): Uint8Array {
  return request('look', { lookId, stepId });
}

export function encodeFreeze(freezeId: number, stepId: number, frozen: boolean): Uint8Array {
  return request('freeze', { freezeId, stepId, frozen });
}

/** Encodes once what is the same for many steps; `encodeStart` appends it. To settings that were encoded before, more can be appended, too. */
export function encodeStartSettings(settings: Partial<StartSettings>): Uint8Array {
  return schema().start.encode(settings).finish();
}

/** What a step begins with before it has its job: a `Start` that nobody asks the number of. */
export function encodeBoot(command: Pick<StartCommand, 'file' | 'argv'>, settings: Uint8Array): Uint8Array {
  const head = schema()
    .start.encode({ ...command, stepId: 1 })
    .finish();
  return Buffer.concat([head, settings]);
}

/**
 * A whole `Request { start }`. Fields of a message may come in any order, so the settings, encoded before, simply
 * follow the command.
 */
export function encodeStart(command: StartCommand, settings: Uint8Array): Uint8Array {
  const head = schema().start.encode(command).finish();
  const length = head.length + settings.length;
  const packet = Buffer.allocUnsafe(1 + 5 + length);
  packet[0] = START_TAG;
  const start = writeVarint(packet, 1, length);
  packet.set(head, start);
  packet.set(settings, start + head.length);
  return packet.subarray(0, start + length);
}

/** Returns the offset behind it. */
function writeVarint(into: Buffer, offset: number, value: number): number {
  let rest = value;
  let at = offset;
  while (rest >= 0x80) {
    into[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  into[at++] = rest;
  return at;
}

/** Throws `ERR_PROTOCOL` for what is not a reply, and for numbers beyond 2^53. */
export function decodeReply(packet: Uint8Array): Reply {
  try {
    const { reply } = schema();
    return toReply(reply.toObject(reply.decode(packet), TO_OBJECT) as DecodedReply);
  } catch (cause) {
    throw new SandboxError(
      'ERR_PROTOCOL',
      'Cannot understand a message of the spawner. App and spawner must come from the same build.',
      { cause },
    );
  }
}

/** With `oneofs`, `kind` names the member that is there. */
interface DecodedReply {
  readonly kind?: string;
  readonly ready: ReadyMessage;
  readonly started: { readonly stepId: number };
  readonly ended: EndedMessage;
  readonly failed: FailedMessage;
  readonly probed: ProbedMessage;
  readonly forgotten: { readonly policyId: number };
  readonly looked: LookedMessage;
  readonly froze: FrozeMessage;
  readonly warm: { readonly stepId: number; readonly words: Uint8Array; readonly rssBytes: number };
}

function toReply({ kind, ready, started, ended, failed, probed, forgotten, warm, looked, froze }: DecodedReply): Reply {
  switch (kind) {
    case 'ready':
      return { kind, ready };
    case 'started':
      checkNumbers(started);
      return { kind, stepId: started.stepId };
    case 'ended':
      return { kind, ended: withNested(ended) };
    case 'failed':
      return { kind, failed };
    case 'probed':
      return { kind, probed };
    case 'forgotten':
      return { kind, policyId: forgotten.policyId };
    case 'warm':
      checkNumbers(warm);
      return { kind, ...warm };
    case 'looked':
      for (const part of [looked, ...looked.commands]) checkNumbers(part);
      return { kind, looked };
    case 'froze':
      return { kind, froze };
    default:
      throw new Error(`reply of unknown kind ${String(kind)}`);
  }
}

const TO_OBJECT = { longs: Number, defaults: true, oneofs: true } as const;

/** An absent sub-message means that each of its fields has its default. */
function withNested(ended: EndedMessage): EndedMessage {
  const evidence = (ended.evidence as EvidenceMessage | null) ?? NO_EVIDENCE;
  const usage = (ended.usage as UsageMessage | null) ?? NO_USAGE;
  for (const part of [ended, evidence, usage]) checkNumbers(part);
  return { ...ended, evidence, usage };
}

/** What does not fit into a number was rounded, and is then at least 2^53: no honest reply has such a number. */
function checkNumbers(message: object): void {
  for (const value of Object.values(message)) {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new Error(`number out of range: ${value}`);
  }
}

export const NO_EVIDENCE: EvidenceMessage = {
  oomKills: 0,
  memoryLimitBytes: 0,
  processLimitHits: 0,
  memoryLimitHits: 0,
  killedProcesses: 0,
  seccompSyscall: 0,
  seccompArch: 0,
  mainExitedFirst: false,
  killSignal: 0,
  limitMs: 0,
  memoryWatched: false,
  scratchFull: false,
};
export const NO_USAGE: UsageMessage = {
  queueNs: 0,
  wallNs: 0,
  userCpuNs: 0,
  systemCpuNs: 0,
  peakMemoryBytes: 0,
  peakProcesses: 0,
};
