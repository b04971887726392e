import type { ResolvedLimits } from '../options/limits.js';
import type { ResolvedOptions } from '../options/resolve.js';
import { type LimitsMessage, type StartSettings, STDIO } from '../spawner/messages.js';
import type { Command } from './command.js';
import { stepEnvironment } from './environment.js';
import { finite } from './policy.js';

/** What of the options belongs to the step and not to the sandbox that it runs in. */
export function startSettings(options: ResolvedOptions, command: Command, hasInput: boolean): StartSettings {
  return {
    env: stepEnvironment(options.user, options.env, command.bins),
    cwd: Buffer.from(options.cwd),
    stdin: hasInput ? STDIO.pipe : STDIO.nullDevice,
    stdout: options.stdout === 'ignore' ? STDIO.nullDevice : STDIO.pipe,
    stderr: options.stderr === 'ignore' ? STDIO.nullDevice : STDIO.pipe,
    limits: limitsMessage(options.limits),
    // Idle time counts from the release, which the app learns only so.
    announce: options.limits.idleTime !== Infinity,
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
