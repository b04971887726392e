import { expectObject } from '../options/check.js';
import { OPTION_NAMES } from '../options/resolve.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import { requireLinux } from '../spawner/locate.js';
import { LivingSandbox } from './living-sandbox.js';
import type { Sandbox } from './types.js';

/**
 * Makes a sandbox that lives until it is destroyed, `limits.wallTime` has passed or the app has ended.
 *
 * @param options `limits` bound the whole of it, and each command that is not given lower ones; without
 *   `limits.wallTime` it lives on. `limits.idleTime` is for how long there may be no command. `input`, `stdin`,
 *   `signal` and `terminal` belong to a command, and are refused
 * @throws SandboxError `ERR_INVALID_OPTION`, `ERR_UNSUPPORTED_PLATFORM`, or why it cannot be made
 */
export async function createSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  requireLinux();
  expectObject(options, 'options', OPTION_NAMES);
  const sandbox = new LivingSandbox(options);
  await sandbox.made();
  return sandbox;
}
