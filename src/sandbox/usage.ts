import type { CommandUsageMessage, LookedMessage } from '../spawner/messages.js';

/** What one command of a sandbox uses now, with all that it has started. */
export interface CommandUsage {
  /** That of its step. */
  readonly id: string;
  /** Since its release, in milliseconds. */
  readonly wallTimeMs: number;
  /** Processor time outside of the kernel, in milliseconds. Missing when not known. On cgroup v1 the sum of both is exact, and how it divides is not. */
  readonly userCpuMs?: number;
  /** Processor time in the kernel, in milliseconds. Missing when not known. */
  readonly systemCpuMs?: number;
  /** Memory in use, in bytes. Missing when not known. */
  readonly memoryBytes?: number;
  /** Processes and, where a cgroup counts them, threads. Missing when not known. */
  readonly processes?: number;
  /** Its main process has ended; what it has left in the background goes on (`keepBackground`). */
  readonly background: boolean;
}

/** What a sandbox that lives uses now. */
export interface SandboxUsage {
  /** Since it was made, in milliseconds; a pause counts. */
  readonly wallTimeMs: number;
  /** Processor time outside of the kernel, in milliseconds: of all its commands, also of those that have ended. Missing when not known. */
  readonly userCpuMs?: number;
  /** The same in the kernel. Missing when not known. */
  readonly systemCpuMs?: number;
  /** Memory in use, in bytes: of all its commands, with their files in `/tmp` and the home directory. Missing when not known. */
  readonly memoryBytes?: number;
  /** Most memory at once, in bytes. Missing when not known: only a cgroup keeps it. */
  readonly peakMemoryBytes?: number;
  /** Processes of all commands and, where a cgroup counts them, threads. Missing when not known. */
  readonly processes?: number;
  /** Those that run, and those of which something goes on in the background; at most 512. */
  readonly commands: readonly CommandUsage[];
}

/** `idOf`: the id of a step by the number that the spawner knows. */
export function sandboxUsage(looked: LookedMessage, idOf: (stepId: number) => string): SandboxUsage {
  const { peakMemoryBytes, commands } = looked;
  return {
    ...common(looked),
    ...(peakMemoryBytes > 0 ? { peakMemoryBytes } : {}),
    // That there is none is known as soon as anything is.
    ...(commands.length === 0 && looked.memoryBytes > 0 ? { processes: 0 } : {}),
    commands: commands.map((command) => ({
      id: idOf(command.stepId),
      ...common(command),
      background: command.background,
    })),
  };
}

type Common = Pick<CommandUsageMessage, 'wallNs' | 'userCpuNs' | 'systemCpuNs' | 'memoryBytes' | 'processes'>;

function common({ wallNs, userCpuNs, systemCpuNs, memoryBytes, processes }: Common): Omit<SandboxUsage, 'commands'> {
  const isCpuKnown = userCpuNs + systemCpuNs > 0 || memoryBytes > 0;
  return {
    wallTimeMs: wallNs / 1e6,
    ...(isCpuKnown ? { userCpuMs: userCpuNs / 1e6, systemCpuMs: systemCpuNs / 1e6 } : {}),
    ...(memoryBytes > 0 ? { memoryBytes } : {}),
    ...(processes > 0 ? { processes } : {}),
  };
}
