import type { Check } from '../check.js';
import { otherThanOutside, refused, unheard } from '../judge.js';

/** What a host has of its own; what a sandbox shows at these names must be something else, if anything. */
const OF_HOST =
  '/etc/shadow /etc/gshadow /etc/passwd /etc/group /etc/sudoers /etc/hostname /etc/hosts /etc/machine-id /etc/fstab /etc/crontab /etc/mtab /etc/resolv.conf /etc/subuid /etc/login.defs /etc/security/limits.conf /etc/pam.conf /etc/apt/sources.list /etc/ssh/sshd_config /etc/ssh/ssh_host_ed25519_key /root/.bashrc /root/.profile /root/.ssh/authorized_keys /root/.bash_history /var/log/dpkg.log /var/log/wtmp /var/lib/dpkg/status /run/utmp'.split(
    ' ',
  );

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

export const FILES: readonly Check[] = [
  ...OF_HOST.map((path): Check => ({
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
  {
    group: 'files',
    id: 'secret-tmp',
    title: 'reads a file of the app in the directory for temporary files',
    needs: 'tmp',
    operation: ({ token }) => ['content', `/tmp/${token}`],
    judge: unheard(),
  },
  {
    group: 'files',
    id: 'secret-dev-shm',
    title: 'reads a file of the app in /dev/shm',
    needs: 'dev-shm',
    operation: ({ token }) => ['content', `/dev/shm/${token}`],
    judge: unheard(),
  },
  {
    group: 'files',
    id: 'secret-directory',
    title: 'reads a file in a directory that nobody has shown it',
    operation: ({ directory }) => ['content', `${directory}/secret`],
    judge: unheard(),
  },
  {
    group: 'files',
    id: 'climb',
    title: 'reads it by climbing out of its own directories',
    operation: ({ directory }) => ['content', `/usr/..${'/..'.repeat(20)}${directory}/secret`],
    judge: unheard(),
  },
  {
    group: 'files',
    id: 'root-of-init',
    title: 'reads it by the root of the first process',
    operation: ({ first, directory }) => ['content', `/proc/${first}/root${directory}/secret`],
    judge: unheard(),
  },
  {
    group: 'files',
    id: 'cwd-of-init',
    title: 'reads it by the working directory of the first process',
    operation: ({ first, directory }) => ['content', `/proc/${first}/cwd${'/..'.repeat(20)}${directory}/secret`],
    judge: unheard(),
  },
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
