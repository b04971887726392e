import type { SandboxOptions } from './sandbox-options.js';

/** What one step is given replaces what holds for all of them, but for limits and variables, which are replaced one by one. */
export function mergeOptions(common: SandboxOptions, own: SandboxOptions): SandboxOptions {
  return {
    ...common,
    ...own,
    ...(common.limits === undefined && own.limits === undefined ? {} : { limits: { ...common.limits, ...own.limits } }),
    ...(common.env === undefined && own.env === undefined ? {} : { env: { ...common.env, ...own.env } }),
  };
}
