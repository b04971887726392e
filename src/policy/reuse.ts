import type { ResolvedOptions } from '../options/resolve.js';
import { alwaysRefuses, decideAlike, type ResolvedSyscallPolicy, resolveSyscalls } from '../syscalls/index.js';

/** Which namespaces may serve another sandbox after this one, because nothing can have been left in them. */
export interface Reuse {
  readonly reuseNet: boolean;
  readonly reuseUser: boolean;
  /** No step can use a keyring: one for all of them, an empty one, is as good as one each, of which a user may have but 200. */
  readonly keyless: boolean;
}

/** What can be stored in a user namespace by a process that has no capability in it. */
const KEYRING_CALLS = ['add_key', 'keyctl', 'request_key'];

/**
 * A net namespace is used again only when the kernel's own counters say that nothing happened in it (native/sandbox/net.c).
 * They do not tell who else holds a descriptor of it, so no descriptor may be able to leave the step: through a socket in
 * a directory of the app's it could; what it is given besides its streams is no socket (native/spawner/further.c). And they were chosen for the protocols that the presets permit.
 */
export function reuse({ mounts, network, syscalls, allowMissing }: ResolvedOptions): Reuse {
  const isFiltered = !allowMissing.includes('seccomp');
  const keyless = isFiltered && alwaysRefuses(syscalls, KEYRING_CALLS);
  return {
    reuseNet: isFiltered && mounts.length === 0 && network === 'none' && hasOrdinarySockets(syscalls),
    reuseUser: keyless,
    keyless,
  };
}

function hasOrdinarySockets(policy: ResolvedSyscallPolicy): boolean {
  if (alwaysRefuses(policy, ['socket'])) return true;
  return decideAlike(policy, resolveSyscalls('default', policy.architecture), 'socket');
}
