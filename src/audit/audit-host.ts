import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { packageRoot } from '../package-root.js';
import { spawnerPath } from '../spawner/locate.js';
import type { AuditEvidence } from './evidence.js';
import { findingsOf } from './findings.js';
import { listeners, reachableMetadata } from './network.js';
import type { AuditReport } from './report.js';
import { readableSecrets, writableSockets } from './secrets.js';
import { writableByAll } from './writable.js';

const VULNERABILITIES = '/sys/devices/system/cpu/vulnerabilities';
const SETTINGS = [
  'kernel/yama/ptrace_scope',
  'kernel/unprivileged_bpf_disabled',
  'kernel/core_pattern',
  'kernel/randomize_va_space',
  'kernel/kptr_restrict',
  'kernel/dmesg_restrict',
  'fs/protected_symlinks',
  'fs/protected_hardlinks',
  'fs/protected_fifos',
  'fs/protected_regular',
];

/**
 * Looks for what makes sandboxes on this host worth less: holes of the processor, secrets and programs with careless modes,
 * services within reach, settings of the kernel. Reads files and tries to connect to three addresses; changes nothing.
 *
 * @param directory the app's own, which is searched for secrets, five directories deep
 */
export async function auditHost(directory = process.cwd()): Promise<AuditReport> {
  const programs = (process.env['PATH'] ?? '').split(delimiter).filter((path) => path.startsWith('/'));
  const run = [...programs, process.execPath, packageRoot, spawnerPath(), directory];
  const evidence: AuditEvidence = {
    isRoot: process.getuid?.() === 0,
    smtActive: smt(),
    processors: availableParallelism(),
    vulnerabilities: vulnerabilities(),
    settings: settings(),
    readableSecrets: readableSecrets(directory),
    writableSockets: writableSockets(),
    writablePaths: writableByAll(run),
    metadata: await reachableMetadata(),
    listeners: listeners(),
  };
  return { findings: findingsOf(evidence), looked: looked(evidence, run.length, directory) };
}

function looked(
  { vulnerabilities: known, settings: set, smtActive }: AuditEvidence,
  paths: number,
  directory: string,
): readonly string[] {
  return [
    smtActive === undefined ? 'threads of cores: the kernel does not say' : 'threads of cores',
    `${known.size} kinds of holes in the processor`,
    `${set.size} of ${SETTINGS.length} settings of the kernel`,
    `secrets in the usual places and below ${directory}`,
    `${paths} paths that the app runs from, with all directories above`,
    'metadata of clouds, and what listens here',
  ];
}

function smt(): boolean | undefined {
  const active = textOf('/sys/devices/system/cpu/smt/active');
  return active === undefined ? undefined : active === '1';
}

function vulnerabilities(): ReadonlyMap<string, string> {
  return pairs(namesIn(VULNERABILITIES), (name) => join(VULNERABILITIES, name));
}

function settings(): ReadonlyMap<string, string> {
  return pairs(SETTINGS, (path) => join('/proc/sys', path));
}

function pairs(names: readonly string[], place: (name: string) => string): ReadonlyMap<string, string> {
  return new Map(
    names.flatMap((name): [string, string][] => {
      const text = textOf(place(name));
      return text === undefined ? [] : [[name, text]];
    }),
  );
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
