import type { ResolvedLimits } from '../options/limits.js';
import type { ResolvedOptions } from '../options/resolve.js';
import { type LimitsMessage, type StartSettings, STDIO } from '../spawner/messages.js';
import type { Command } from './command.js';
import { stepEnvironment } from './environment.js';
import { finite } from './policy.js';

/** What of the options belongs to the step and not to the sandbox that it runs in. */
export function startSettings(options: ResolvedOptions, command: Command, hasInput: boolean): StartSettings {
  return {
    env: stepEnvironment(options, command.bins),
    cwd: Buffer.from(options.cwd),
    ...streams(options, hasInput),
    limits: limitsMessage(options.limits),
    // Idle time counts from the release, which the app learns only so.
    announce: options.limits.idleTime !== Infinity,
  };
}

function streams(
  { terminal, stdout, stderr }: ResolvedOptions,
  hasInput: boolean,
): Pick<StartSettings, 'stdin' | 'stdout' | 'stderr' | 'terminal'> {
  const { nullDevice, pipe } = STDIO;
  if (terminal !== undefined) return { stdin: nullDevice, stdout: nullDevice, stderr: nullDevice, terminal };
  return {
    stdin: hasInput ? pipe : nullDevice,
    stdout: stdout === 'ignore' ? nullDevice : pipe,
    stderr: stderr === 'ignore' ? nullDevice : pipe,
  };
}

function limitsMessage(limits: ResolvedLimits): LimitsMessage {
  return {
    memoryBytes: finite(limits.memory),
    processes: finite(limits.processes),
    cpuTimeMs: finite(limits.cpuTime),
    milliCpus: Math.round(finite(limits.cpus) * 1000),
    wallTimeMs: finite(limits.wallTime),
    fileSizeBytes: finite(limits.fileSize),
    openFiles: finite(limits.openFiles),
  };
}
