import type { SandboxOptions } from './sandbox-options.js';

/** What concerns only the streams and the moment of one step; all else is how it is confined. */
const OF_ONE_STEP: readonly string[] = [
  ...(['input', 'stdin', 'stdout', 'stderr', 'encoding', 'collect', 'reject', 'terminal'] as const),
  ...(['signal', 'killGrace', 'keepBackground'] as const),
] satisfies readonly (keyof SandboxOptions)[];

export function withoutOneStep(options: SandboxOptions): SandboxOptions {
  return without(options, OF_ONE_STEP);
}

export function without<T extends object>(options: T, names: readonly string[]): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name))) as Partial<T>;
}
