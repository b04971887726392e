import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '#src/package-root.js';
import { ARCHITECTURES, nativeArchitecture } from '#src/syscalls/architectures.js';
import type { SupportReport } from 'spawn-sandbox';

/** Something that a container engine or an administrator does to the place where an app runs. */
export interface World {
  /** Shell commands of root, in a mount namespace of the app's own. */
  readonly before?: readonly string[];
  /** Rules of `refuse-calls.c`. */
  readonly refused?: readonly string[];
  /** The user that runs the app. @default root */
  readonly uid?: number;
  /** All that root may still do, without `CAP_`. */
  readonly capabilities?: readonly string[];
  /** A user namespace of 65536 ids, in which these shell commands are run as its root. */
  readonly within?: readonly string[];
}

export const ORDINARY_ID = 47_000;

/** What Docker leaves to root of a container. */
export const DOCKER_CAPABILITIES = [
  'chown',
  'dac_override',
  'fsetid',
  'fowner',
  'mknod',
  'net_raw',
  'setgid',
  'setuid',
  'setfcap',
  'setpcap',
  'net_bind_service',
  'sys_chroot',
  'kill',
  'audit_write',
] as const;

/** What Docker does to `/proc`. */
export const DOCKER_PROC = [
  'for path in acpi scsi; do test -d /proc/$path && mount -t tmpfs -o ro tmpfs /proc/$path; done; true',
  'for path in kcore keys timer_list; do test -e /proc/$path && mount --bind /dev/null /proc/$path; done; true',
  'for path in bus fs irq sys sysrq-trigger; do mount --bind /proc/$path /proc/$path && mount -o remount,bind,ro /proc/$path; done',
];

export const READ_ONLY_CGROUPS = [
  "for point in $(grep -E ' - cgroup2? ' /proc/self/mountinfo | cut -d' ' -f5); do mount -o remount,bind,ro $point; done",
];

const { EPERM, ENOSYS } = constants.errno;
const NEW_NAMESPACES = 0x7e020000;

/** What Docker's default filter answers, without CAP_SYS_ADMIN, to calls that sandboxes are made with. */
export function dockerFilter(allowed: readonly string[] = []): readonly string[] {
  const refused = [
    'mount',
    'umount2',
    'pivot_root',
    'setns',
    'unshare',
    'fsopen',
    'fsconfig',
    'fsmount',
    'fspick',
    'move_mount',
    'open_tree',
    'mount_setattr',
    'sethostname',
    'setdomainname',
    'keyctl',
    'add_key',
    'request_key',
    'bpf',
    'perf_event_open',
  ];
  const rules = [
    ...refused.map((name) => [name, `=${EPERM}`] as const),
    ['clone3', `=${ENOSYS}`] as const,
    ['clone', `/${NEW_NAMESPACES.toString(16)}=${EPERM}`] as const,
  ];
  return rules.filter(([name]) => !allowed.includes(name)).map(([name, answer]) => `${numberOf(name)}${answer}`);
}

function numberOf(name: string): number {
  const number = ARCHITECTURES[nativeArchitecture()].table[name];
  if (number === undefined) throw new Error(`no system call ${name}`);
  return number;
}

/** All that Docker does by default. */
export const DOCKER: World = {
  before: [...DOCKER_PROC, ...READ_ONLY_CGROUPS],
  refused: dockerFilter(),
  capabilities: DOCKER_CAPABILITIES,
};

/** What `adduser` does for somebody who may use containers: an account, and a range of ids for `newuidmap` to map. */
export const SUBORDINATE_IDS: World = {
  before: [
    'mount -t tmpfs tmpfs /mnt && cp -a /etc /mnt/etc',
    `echo 'ordinary:x:${ORDINARY_ID}:${ORDINARY_ID}::/nonexistent:/bin/sh' >> /mnt/etc/passwd`,
    `echo 'ordinary:x:${ORDINARY_ID}:' >> /mnt/etc/group`,
    'for file in subuid subgid; do echo ordinary:300000:65536 >> /mnt/etc/$file; done',
    'mount --bind /mnt/etc /etc && umount -l /mnt',
  ],
  uid: ORDINARY_ID,
};

export const NO_USER_NAMESPACES: World = { within: ['echo 0 > /proc/sys/user/max_user_namespaces'] };

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const EXPORTS = [
  'spawnSandbox',
  'createSandbox',
  'createZygote',
  'configureSpawner',
  'closeSpawner',
  'NAMESPACES',
  'SandboxError',
];

/** Builds worlds in a directory of its own and runs the doctor in them. Needs root. */
export class Worlds implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'worlds-'));

  constructor() {
    chmodSync(this.#directory, 0o755);
    mkdirSync(this.#app);
    const source = join(packageRoot, 'test/helpers/refuse-calls.c');
    execFileSync('cc', ['-std=gnu17', '-O2', '-o', this.#refuser, source]);
  }

  get #app(): string {
    return join(this.#directory, 'app');
  }

  get #refuser(): string {
    return join(this.#directory, 'refuse-calls');
  }

  /** Where a file of the checkout is found in every world. */
  reachable(path: string): string {
    return join(this.#app, path);
  }

  /** What `spawn-sandbox doctor --json` prints there, and its exit status. */
  doctor(world: World): {
    readonly status: number;
    readonly report: SupportReport;
  } {
    const { status, stdout, stderr } = this.cli(world, ['doctor', '--json']);
    try {
      return { status, report: JSON.parse(stdout) as SupportReport };
    } catch {
      throw new Error(`doctor exited with ${status}:\n${stderr}${stdout}`);
    }
  }

  /** What `spawn-sandbox doctor` prints for people. */
  doctorText(world: World): string {
    return this.cli(world, ['doctor']).stdout;
  }

  /** What `spawn-sandbox` with these arguments does there. */
  cli(world: World, args: readonly string[], timeout?: number): Ran {
    return this.#run(world, [join(this.#app, 'dist/cli/main.js'), ...args], timeout);
  }

  /** What an app prints there that has the library's exports as variables. */
  app(world: World, code: string): Ran {
    const imports = `import * as library from ${JSON.stringify(join(this.#app, 'dist/index.js'))};`;
    const names = `const LIBRARY = ${JSON.stringify(join(this.#app, 'dist/index.js'))}, { ${EXPORTS.join(', ')} } = library;`;
    return this.#run(world, ['--input-type=module', '--eval', `${imports}\n${names}\n${code}`]);
  }

  #run(world: World, args: readonly string[], timeout = 120_000): Ran {
    const command = [...asUser(world), process.execPath, ...args];
    const confined = world.refused === undefined ? command : [this.#refuser, ...world.refused, '--', ...command];
    const app = world.within === undefined ? `exec ${quote(confined)}` : this.#inUserNamespace(world.within, confined);
    // The checkout may lie where others cannot reach it: a mount of it can be reached.
    const script = ['set -e', `mount --bind ${quote([packageRoot, this.#app])}`, ...(world.before ?? []), app].join(
      '\n',
    );
    const { status, stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', script], {
      encoding: 'utf8',
      timeout,
      env: { PATH: process.env['PATH'] ?? '' },
      maxBuffer: 2 ** 24,
    });
    return { status: status ?? -1, stdout, stderr };
  }

  /** Root of the new namespace has its rights only after an `execve` that finds the ids mapped. */
  #inUserNamespace(within: readonly string[], command: readonly string[]): string {
    const fifo = join(this.#directory, `go-${process.hrtime.bigint()}`);
    const inner = [...within, `exec ${quote(command)}`].join('\n');
    const waiting = `read go < ${fifo}; exec sh -ec ${quote([inner])}`;
    return [
      `mkfifo -m 666 ${fifo}`,
      `unshare --user sh -c ${quote([waiting])} &`,
      'while [ "$(readlink /proc/$!/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done',
      'echo 0 0 65536 > /proc/$!/uid_map',
      'echo 0 0 65536 > /proc/$!/gid_map',
      `echo go > ${fifo}`,
      'wait $!',
    ].join('\n');
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function asUser({ uid, capabilities }: World): readonly string[] {
  if (uid !== undefined) return ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups'];
  if (capabilities === undefined) return [];
  const kept = capabilities.map((name) => `+${name}`).join(',');
  return ['setpriv', '--inh-caps', '-all', '--bounding-set', `-all,${kept}`];
}

function quote(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
}
