import type { ResolvedOptions } from '../options/resolve.js';
import { alwaysRefuses, decideAlike, type ResolvedSyscallPolicy, resolveSyscalls } from '../syscalls/index.js';

/** Which namespaces may serve another sandbox after this one, because nothing can have been left in them. */
export interface Reuse {
  readonly reuseNet: boolean;
  readonly reuseUser: boolean;
}

/** What can be stored in a user namespace by a process that has no capability in it. */
const KEYRING_CALLS = ['add_key', 'keyctl', 'request_key'];

/**
 * A net namespace is used again only when the kernel's own counters say that nothing happened in it (native/sandbox/net.c).
 * They do not tell who else holds a descriptor of it, so no descriptor may be able to leave the step: through a socket in
 * a directory of the app's it could; what it is given besides its streams is no socket (native/spawner/further.c). And they were chosen for the protocols that the presets permit.
 */
export function reuse({ mounts, network, syscalls }: ResolvedOptions): Reuse {
  return {
    reuseNet: mounts.length === 0 && network === 'none' && hasOrdinarySockets(syscalls),
    reuseUser: alwaysRefuses(syscalls, KEYRING_CALLS),
  };
}

function hasOrdinarySockets(policy: ResolvedSyscallPolicy): boolean {
  if (alwaysRefuses(policy, ['socket'])) return true;
  return decideAlike(policy, resolveSyscalls('default', policy.architecture), 'socket');
}
