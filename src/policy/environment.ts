import type { ResolvedOptions } from '../options/resolve.js';
import { doesWithoutNamespaces } from './portable.js';

export const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin';

/**
 * The whole environment of a step, as `NAME=VALUE`. Nothing is inherited; the app's `env` wins over what is set here.
 * `bins` holds directories of the command's own interpreter: they come first, or its scripts would find another one.
 */
export function stepEnvironment(
  { user, env, terminal, allowMissing }: Pick<ResolvedOptions, 'user' | 'env' | 'terminal' | 'allowMissing'>,
  bins: readonly string[],
): readonly Buffer[] {
  const variables: Readonly<Record<string, string>> = {
    PATH: [...bins, SYSTEM_PATH].join(':'),
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    LANG: 'C.UTF-8',
    // Where nothing can be mounted at /tmp, the spawner has the variable name another place.
    ...(doesWithoutNamespaces({ allowMissing }) ? { TMPDIR: '/tmp' } : {}),
    ...(terminal === undefined ? {} : { TERM: 'xterm-256color' }),
    ...env,
  };
  return Object.entries(variables).map(([name, value]) => Buffer.from(`${name}=${value}`));
}
