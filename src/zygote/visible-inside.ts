import { SandboxError } from '../errors.js';
import type { ResolvedMount } from '../options/filesystem.js';
import { locateCommand } from '../policy/command.js';
import type { BoundPath } from '../policy/interpreter.js';

/** Nothing can be mounted in a sandbox that lives: why an interpreter of the app's cannot be run there, if it cannot. */
export function notVisibleInside(interpreter: string, mounts: readonly ResolvedMount[]): SandboxError | undefined {
  const missing = locateCommand(interpreter, mounts).mounts.filter((path) => !isVisible(path, mounts));
  if (missing.length === 0) return undefined;
  const paths = missing.map(({ target }) => target);
  return new SandboxError(
    'ERR_COMMAND_NOT_FOUND',
    `Cannot start ${interpreter} in the sandbox: ${paths.join(' and ')} cannot be seen there.`,
    {
      path: paths[0],
      remedy: `Make the sandbox with createSandbox({ filesystem: { readOnly: ${JSON.stringify(paths)} } }): nothing can be mounted later.`,
    },
  );
}

function isVisible({ source, target }: BoundPath, mounts: readonly ResolvedMount[]): boolean {
  // The inner ones come last, and hide what the outer ones show.
  const mount = mounts.findLast((one) => target === one.target || target.startsWith(`${one.target}/`));
  return mount !== undefined && source === mount.source + target.slice(mount.target.length);
}
