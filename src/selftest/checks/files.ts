import { join } from 'node:path';
import type { Bait, Check } from '../check.js';
import { otherThanOutside, refused, unheard } from '../judge.js';

/** What a host has of its own, by directory; what a sandbox shows at these names must be something else, if anything. */
const OF_HOST: Readonly<Record<string, string>> = {
  '/etc':
    'shadow gshadow passwd group sudoers hostname hosts machine-id fstab crontab mtab resolv.conf subuid login.defs security/limits.conf pam.conf apt/sources.list ssh/sshd_config ssh/ssh_host_ed25519_key',
  '/root': '.bashrc .profile .ssh/authorized_keys .bash_history',
  '/var': 'log/dpkg.log log/wtmp lib/dpkg/status',
  '/run': 'utmp',
};

/** Directories of the host itself. */
const DIRECTORIES =
  '/root /home /tmp /var /var/tmp /var/log /var/lib /var/cache /var/spool /run /run/lock /srv /mnt /media /opt /boot /sys /sys/fs/cgroup /sys/kernel /sys/class /sys/devices /dev/shm /dev/pts /dev/mqueue /lost+found /etc'.split(
    ' ',
  );

/** Where a program would be left for others. */
const PLACES =
  '/ /usr /usr/bin /usr/local/bin /usr/lib /etc /etc/cron.d /etc/ld.so.conf.d /lib /bin /sbin /opt /srv /boot /proc /sys /var/spool/cron /dev'.split(
    ' ',
  );

/** Above every root. */
const UP = '/..'.repeat(20);

/** What holds the token: nobody but the selftest has written it. */
function bait(id: string, title: string, path: (bait: Bait) => string, needs?: string): Check {
  const check: Check = {
    group: 'files',
    id,
    title,
    operation: (laid) => ['content', path(laid)],
    judge: unheard(),
  };
  return needs === undefined ? check : { ...check, needs };
}

export const FILES: readonly Check[] = [
  ...Object.entries(OF_HOST)
    .flatMap(([directory, names]) => names.split(' ').map((name) => join(directory, name)))
    .map((path): Check => ({
      group: 'files',
      id: `read${path}`,
      title: `reads the host's ${path}`,
      operation: ['read', path],
      judge: otherThanOutside,
    })),
  ...DIRECTORIES.map((path): Check => ({
    group: 'files',
    id: `is${path}`,
    title: `sees the host's ${path}`,
    operation: ['look', path],
    judge: otherThanOutside,
  })),
  ...PLACES.map((path): Check => ({
    group: 'files',
    id: `create${path}`,
    title: `makes a file in ${path}`,
    operation: ['create', `${path === '/' ? '' : path}/selftest-created`],
    judge: refused,
  })),
  bait(
    'secret-tmp',
    'reads a file of the app in the directory for temporary files',
    ({ token }) => `/tmp/${token}`,
    'tmp',
  ),
  bait('secret-dev-shm', 'reads a file of the app in /dev/shm', ({ token }) => `/dev/shm/${token}`, 'dev-shm'),
  bait(
    'secret-directory',
    'reads a file in a directory that nobody has shown it',
    ({ directory }) => `${directory}/secret`,
  ),
  bait(
    'climb',
    'reads it by climbing out of its own directories',
    ({ directory }) => `/usr/..${UP}${directory}/secret`,
  ),
  bait(
    'root-of-init',
    'reads it by the root of the first process',
    ({ first, directory }) => `/proc/${first}/root${directory}/secret`,
  ),
  bait(
    'cwd-of-init',
    'reads it by the working directory of the first process',
    ({ first, directory }) => `/proc/${first}/cwd${UP}${directory}/secret`,
  ),
  {
    group: 'files',
    id: 'overwrite-init',
    title: 'overwrites the program of its first process',
    operation: ({ first }) => ['overwrite', first],
    judge: refused,
  },
  {
    group: 'files',
    id: 'overwrite-own',
    title: 'overwrites its own program',
    operation: ['overwrite', 'self'],
    judge: refused,
  },
];
