import type { Check, Judge, Operation } from '../check.js';
import { otherThanOutside, refused } from '../judge.js';

/** `CLONE_NEW*` by the name in /proc/PID/ns. */
const FLAGS: Readonly<Record<string, number>> = {
  mnt: 0x00020000,
  cgroup: 0x02000000,
  uts: 0x04000000,
  ipc: 0x08000000,
  user: 0x10000000,
  pid: 0x20000000,
  net: 0x40000000,
};
const NEW_TIME = 0x80; // of unshare and clone3 only: in clone it is part of the signal
const GARBAGE = 2 ** 40; // cut off by the kernel, after a filter has looked
/** Of those that the initial user namespace's root alone may make, a user namespace of one's own is made first. */
const CLONE_NEWUSER = 0x10000000;

const CLONE_PARENT = 0x8000;
const CLONE_PTRACE = 0x2000;
const CLONE_UNTRACED = 0x800000;

function namespace(id: string, title: string, operation: Operation, judge: Judge = refused): Check {
  return { group: 'namespaces', id, title, operation, judge };
}

export const NAMESPACES: readonly Check[] = [
  ...Object.keys(FLAGS).map((name) =>
    namespace(`own-${name}`, `is in the host's ${name} namespace`, ['link', `/proc/self/ns/${name}`], otherThanOutside),
  ),
  ...Object.entries(FLAGS).flatMap(([name, flag]) => {
    // Without a user namespace of its own only root could: then the control says nothing of ordinary users.
    const flags = name === 'user' ? flag : flag + CLONE_NEWUSER;
    return [
      namespace(`unshare-${name}`, `leaves its ${name} namespace by unshare`, ['call', 'unshare', flags]),
      namespace(`clone-${name}`, `makes a child in another ${name} namespace by clone`, ['clone', flags]),
      namespace(`clone3-${name}`, `makes a child in another ${name} namespace by clone3`, ['clone3', flags]),
    ];
  }),
  namespace('unshare-time', 'leaves its time namespace', ['call', 'unshare', NEW_TIME + CLONE_NEWUSER]),
  namespace('clone3-time', 'makes a child in another time namespace', ['clone3', NEW_TIME + CLONE_NEWUSER]),
  namespace('clone-garbage', 'makes a user namespace, with bits that are cut off', ['clone', GARBAGE + CLONE_NEWUSER]),
  namespace('unshare-plain', 'leaves a mount namespace without a user namespace', ['call', 'unshare', 0x00020000]),
  namespace('clone-parent', 'makes a child of its parent', ['clone', CLONE_PARENT]),
  namespace('clone-ptrace', 'makes a child that is traced along', ['clone', CLONE_PTRACE]),
  namespace('clone-untraced', 'makes a child that cannot be traced', ['clone', CLONE_UNTRACED]),
  namespace('clone3-into-cgroup', 'makes a child in a cgroup of its choice', ['clone3-cgroup']),
  ...['net', 'ipc', 'uts', 'pid', 'cgroup'].map((name) =>
    namespace(`enter-${name}`, `enters the ${name} namespace that it is in`, [
      'call',
      'setns',
      `fd:/proc/self/ns/${name}`,
      0,
    ]),
  ),
  namespace('mount', 'mounts a file system', ['mount']),
  namespace('unmount', 'unmounts what covers a file of /proc', ['unmount', '/proc/kallsyms']),
  namespace('mount-proc', 'mounts a /proc of its own', ['mount-proc']),
  namespace('take-mount', 'takes a mount by descriptor', ['call', 'open_tree', -100, 's:/usr', 0x80000]),
  namespace('make-filesystem', 'makes a tmpfs by descriptor', ['call', 'fsopen', 's:tmpfs', 0]),
  namespace('another-root', 'has /usr as its root', ['call', 'chroot', 's:/usr']),
  namespace('leave-root', 'leaves its root by another root', ['leave-root', '/etc/hostname']),
];
