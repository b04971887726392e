import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errnoName } from '#src/support/errno-name.js';
import type { Evidence } from '#src/support/evidence.js';
import type { ProblemCode } from '#src/support/problem-codes.js';
import { PROBLEM_CODES } from '#src/support/problem-codes.js';
import { diagnose } from '#src/support/problems/index.js';
import { DOCKER_MOUNTS, evidence, HOST_MOUNTS, ordinary, refused, unavailable } from '../../helpers/evidence.js';

const [EPERM, EROFS, ENOSPC] = [1, 30, 28];
const DOCKER = { container: 'docker', evidence: ['/.dockerenv exists'] } as const;
const KUBERNETES = { container: 'kubernetes', evidence: ['the variable KUBERNETES_SERVICE_HOST is set'] } as const;
/** Configure answered that the spawner could not enter a user namespace. */
const noUser = (errno: string): Pick<Evidence, 'failure' | 'inside' | 'selfTest'> => ({
  failure: { stage: 'layer', errno, path: '', layer: 'user' },
  inside: {},
  selfTest: unavailable('user', EPERM),
});
const FILTERED = refused({
  clone3: 'ENOSYS',
  userNamespace: 'EPERM',
  uidMap: 'EPERM',
  'call:unshare': 'EPERM',
  'call:mount': 'EPERM',
  'call:pivot_root': 'EPERM',
});

interface Case {
  readonly title: string;
  readonly evidence: Evidence;
  /** All problems, in order. */
  readonly codes: readonly ProblemCode[];
  /** In the text of the first problem: reason, evidence and remedy. */
  readonly says?: readonly (string | RegExp)[];
}

const CASES: readonly Case[] = [
  { title: 'root of an ordinary machine has no problem', evidence: evidence(), codes: [] },
  { title: 'neither has an ordinary user with a range of ids and a delegated cgroup', evidence: ordinary(), codes: [] },
  {
    title: 'Ubuntu refuses the user namespace',
    evidence: ordinary({
      settings: { apparmorRestrictsUserns: 1 },
      app: { apparmor: 'unconfined' },
      outside: refused({ userNamespace: 'EPERM', uidMap: 'EPERM' }),
      ...noUser('EPERM'),
    }),
    codes: ['apparmor-userns'],
    says: [
      'unshare(CLONE_NEWUSER): EPERM',
      'apparmor_restrict_unprivileged_userns is 1',
      'profile spawn-sandbox "/app/node_modules/spawn-sandbox/native/build/spawner" flags=(unconfined) {',
      '  userns,',
      'sudo tee /etc/apparmor.d/spawn-sandbox',
      'sudo apparmor_parser -r /etc/apparmor.d/spawn-sandbox',
      'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
    ],
  },
  {
    title: 'Ubuntu lets the namespace be made and refuses its id map',
    evidence: ordinary({
      settings: { apparmorRestrictsUserns: 1 },
      outside: refused({ uidMap: 'EACCES' }),
      ...noUser('EACCES'),
    }),
    codes: ['apparmor-userns'],
    says: ['writing /proc/self/uid_map: EACCES'],
  },
  {
    title: 'Ubuntu lets the namespace be mapped and takes its capabilities',
    evidence: ordinary({
      settings: { apparmorRestrictsUserns: 1 },
      inside: refused({ mountNamespace: 'EACCES', tmpfsMount: 'EACCES', procMount: 'EACCES', pivotRoot: 'EACCES' }),
      selfTest: unavailable('mount', EPERM),
    }),
    codes: ['apparmor-userns'],
    says: ['mountNamespace in a new user namespace: EACCES', 'apparmor_parser -r'],
  },
  {
    title: 'root is not concerned by the restriction of Ubuntu',
    evidence: evidence({ settings: { apparmorRestrictsUserns: 1 } }),
    codes: [],
  },
  {
    title: "Docker's filter, masked /proc and read-only cgroups are told apart and told together",
    evidence: ordinary({
      environment: DOCKER,
      systemd: false,
      app: { filtered: true },
      mounts: DOCKER_MOUNTS,
      outside: FILTERED,
      hierarchies: [
        {
          version: 2,
          controllers: ['cpu', 'memory', 'pids'],
          directory: '/sys/fs/cgroup',
          readOnly: true,
          mkdir: 'EROFS',
          processes: 3,
        },
      ],
      ...noUser('EPERM'),
    }),
    codes: ['seccomp-filter', 'proc-masked', 'cgroup-read-only'],
    says: [
      'Seccomp: 2',
      'unshare, mount: EPERM',
      'clone3: ENOSYS',
      'https://raw.githubusercontent.com/moby/profiles/main/seccomp/default.json',
      'docker run --security-opt seccomp=spawn-sandbox.json --security-opt systempaths=unconfined IMAGE',
    ],
  },
  {
    title: 'the filter of Kubernetes has a remedy for pods',
    evidence: ordinary({ environment: KUBERNETES, app: { filtered: true }, outside: FILTERED, ...noUser('EPERM') }),
    codes: ['seccomp-filter'],
    says: ['hostUsers: false', 'procMount: Unmasked', 'localhostProfile: spawn-sandbox.json', 'type: Localhost'],
  },
  {
    title: 'a filter over a service of systemd is an affair of its unit',
    evidence: ordinary({ app: { filtered: true }, outside: refused({ 'call:clone': 'EPERM' }), ...noUser('EPERM') }),
    codes: ['seccomp-filter'],
    says: ['systemctl edit', 'RestrictNamespaces=no', 'clone: EPERM'],
  },
  {
    title: 'a filter that plain sandboxes get along with',
    evidence: ordinary({ app: { filtered: true }, outside: refused({ 'call:setns': 'EPERM' }) }),
    codes: ['seccomp-filter'],
    says: ['setns: EPERM', 'filesystem.writable or in sessions'],
  },
  {
    title: 'a filter that touches nothing that sandboxes need is no problem',
    evidence: ordinary({ app: { filtered: true } }),
    codes: [],
  },
  {
    title: 'a refusal that may be for want of rights is not taken for a filter',
    evidence: ordinary({
      app: { filtered: true },
      settings: { unprivilegedUsernsClone: 0 },
      outside: refused({ userNamespace: 'EPERM', uidMap: 'EPERM', 'call:pivot_root': 'EPERM', 'call:fsopen': 'EPERM' }),
      ...noUser('EPERM'),
    }),
    codes: ['userns-sysctl'],
    says: ['unprivileged_userns_clone is 0', 'kernel.unprivileged_userns_clone=1', 'sudo sysctl --system'],
  },
  {
    title: 'user namespaces switched off',
    evidence: ordinary({
      settings: { maxNamespaces: { user: 0 } },
      outside: refused({ userNamespace: 'ENOSPC', uidMap: 'ENOSPC' }),
      ...noUser('ENOSPC'),
    }),
    codes: ['userns-disabled'],
    says: ['max_user_namespaces is 0', 'user.max_user_namespaces=15000'],
  },
  {
    title: 'user namespaces nested too deeply',
    evidence: ordinary({ outside: refused({ userNamespace: 'ENOSPC', uidMap: 'ENOSPC' }), ...noUser('ENOSPC') }),
    codes: ['userns-limit'],
    says: ['32 deep', 'lsns -t user'],
  },
  {
    title: 'only the sandboxes, one deeper than the spawner, meet the limit of nesting',
    evidence: ordinary({ inside: refused({ userNamespace: 'EUSERS' }), selfTest: unavailable('user', ENOSPC) }),
    codes: ['userns-limit'],
    says: ['below the namespace of the spawner: EUSERS'],
  },
  {
    title: 'a kernel without user namespaces',
    evidence: ordinary({ outside: refused({ userNamespace: 'EINVAL', uidMap: 'EINVAL' }), ...noUser('EINVAL') }),
    codes: ['userns-missing'],
    says: ['CONFIG_USER_NS'],
  },
  {
    title: "gVisor's kernel",
    evidence: ordinary({
      environment: { container: 'gvisor', evidence: ['/proc/version: Linux version 4.4.0'] },
      outside: refused({ userNamespace: 'EINVAL', uidMap: 'EINVAL' }),
      ...noUser('EINVAL'),
    }),
    codes: ['userns-missing'],
    says: ["gVisor's kernel does not do"],
  },
  {
    title: 'a chroot',
    evidence: ordinary({
      mounts: HOST_MOUNTS.filter(({ target }) => target === '/proc'),
      outside: refused({ userNamespace: 'EPERM', uidMap: 'EPERM' }),
      ...noUser('EPERM'),
    }),
    codes: ['userns-chroot'],
    says: ['pivot_root . .old'],
  },
  {
    title: 'a user that is not mapped',
    evidence: ordinary({
      app: { euid: 65534, uidMap: [{ start: 0, count: 1 }] },
      outside: refused({ userNamespace: 'EPERM', uidMap: 'EPERM' }),
      ...noUser('EPERM'),
    }),
    codes: ['userns-unmapped'],
    says: ['does not contain 65534'],
  },
  {
    title: 'a security module that says no',
    evidence: ordinary({
      settings: { lsms: ['lockdown', 'selinux'] },
      outside: refused({ userNamespace: 'EACCES', uidMap: 'EACCES' }),
      ...noUser('EACCES'),
    }),
    codes: ['userns-refused'],
    says: ['security modules: lockdown, selinux', 'ausearch'],
  },
  {
    title: 'a masked /proc, once user namespaces work',
    evidence: ordinary({
      environment: DOCKER,
      mounts: DOCKER_MOUNTS,
      inside: refused({ procMount: 'EPERM' }),
      selfTest: unavailable('mount', EPERM),
    }),
    codes: ['proc-masked'],
    says: ['mounted below /proc: /proc/acpi, /proc/bus, /proc/kcore, /proc/sys', 'systempaths=unconfined'],
  },
  {
    title: 'a masked /proc in Kubernetes',
    evidence: ordinary({
      environment: KUBERNETES,
      mounts: DOCKER_MOUNTS,
      inside: refused({ procMount: 'EPERM' }),
      selfTest: unavailable('mount', EPERM),
    }),
    codes: ['proc-masked'],
    says: ['hostUsers: false', 'procMount: Unmasked'],
  },
  {
    title: 'a masked /proc does not concern root of the host',
    evidence: evidence({ environment: DOCKER, mounts: DOCKER_MOUNTS }),
    codes: [],
  },
  {
    title: 'read-only settings do',
    evidence: evidence({ environment: DOCKER, mounts: DOCKER_MOUNTS, selfTest: unavailable('user', EROFS) }),
    codes: ['proc-sys-read-only'],
    says: ['/proc/sys is mounted read-only', 'systempaths=unconfined'],
  },
  {
    title: 'no /proc at all',
    evidence: ordinary({
      mounts: HOST_MOUNTS.filter(({ target }) => !target.startsWith('/proc')),
      inside: refused({ procMount: 'EPERM' }),
      selfTest: unavailable('mount', EPERM),
    }),
    codes: ['proc-not-mounted'],
    says: ['mount -t proc proc /proc'],
  },
  {
    title: "AppArmor's profile for containers",
    evidence: evidence({
      environment: DOCKER,
      app: { apparmor: 'docker-default (enforce)' },
      inside: refused({ mountNamespace: 'EACCES', tmpfsMount: 'EACCES' }),
      selfTest: unavailable('mount', 13),
    }),
    codes: ['apparmor-container'],
    says: ["'docker-default'", '--security-opt apparmor=unconfined'],
  },
  {
    title: 'a kernel that is too old for the mount calls',
    evidence: evidence({
      kernel: '5.4.0',
      outside: refused({ 'call:mount_setattr': 'ENOSYS' }),
      selfTest: unavailable('mount', 38),
    }),
    codes: ['kernel-lacks'],
    says: ['mount_setattr: ENOSYS', '5.15'],
  },
  {
    title: 'a kernel without one kind of namespace',
    evidence: evidence({ inside: refused({ netNamespace: 'EINVAL' }) }),
    codes: ['kernel-lacks'],
    says: ['net namespaces'],
  },
  {
    title: 'one kind of namespace switched off',
    evidence: evidence({
      settings: { maxNamespaces: { user: 1000, net: 0 } },
      inside: refused({ netNamespace: 'ENOSPC' }),
    }),
    codes: ['namespace-limit'],
    says: ['/proc/sys/user/max_net_namespaces is 0', 'sudo sysctl -w user.max_net_namespaces=15000'],
  },
  {
    title: 'a refusal without a known cause is told as it is',
    evidence: evidence({ inside: refused({ tmpfsMount: 'EPERM' }), selfTest: unavailable('mount', EPERM) }),
    codes: ['layer-refused'],
    says: ['tmpfsMount: EPERM', 'doctor --json'],
  },
  {
    title: 'no seccomp',
    evidence: evidence({ inside: refused({ seccompFilter: 'EINVAL', seccompNotify: 'EINVAL' }) }),
    codes: ['seccomp-missing'],
    says: ['CONFIG_SECCOMP_FILTER=y'],
  },
  {
    title: 'a listener of somebody else',
    evidence: evidence({ inside: refused({ seccompNotify: 'EBUSY' }) }),
    codes: ['seccomp-notify-missing'],
    says: ['one listener only'],
  },
  {
    title: 'no Landlock',
    evidence: evidence({ inside: refused({ landlock: 'ENOSYS' }) }),
    codes: ['landlock-missing'],
    says: ['5.13'],
  },
  {
    title: 'Landlock switched off',
    evidence: evidence({ settings: { lsms: ['capability', 'yama'] }, inside: refused({ landlock: 'EOPNOTSUPP' }) }),
    codes: ['landlock-missing'],
    says: ['lsm=landlock,capability,yama'],
  },
  {
    title: 'no core scheduling, and it is asked for',
    evidence: evidence({
      coreScheduling: true,
      settings: { lsms: [], coresAreShared: true },
      inside: refused({ coreScheduling: 'EINVAL' }),
    }),
    codes: ['core-scheduling-missing'],
    says: ['CONFIG_SCHED_CORE=y', 'smt/control', 'smt/active is 1'],
  },
  {
    title: 'no core scheduling, and no core has a second thread',
    evidence: evidence({
      coreScheduling: true,
      settings: { lsms: [], coresAreShared: false },
      inside: refused({ coreScheduling: 'EINVAL' }),
    }),
    codes: [],
  },
  {
    title: 'no core scheduling, and nobody asks for it',
    evidence: evidence({ settings: { lsms: [], coresAreShared: true }, inside: refused({ coreScheduling: 'EINVAL' }) }),
    codes: [],
  },
  {
    title: 'no id-mapped mounts',
    evidence: evidence({ inside: refused({ idmappedMount: 'EINVAL' }) }),
    codes: ['idmapped-mount-missing'],
  },
  {
    title: 'root of a container without CAP_SYS_ADMIN',
    evidence: evidence({
      environment: DOCKER,
      app: { capabilities: ['CAP_SETUID', 'CAP_SETGID', 'CAP_CHOWN', 'CAP_KILL', 'CAP_DAC_OVERRIDE', 'CAP_SETPCAP'] },
      ready: { privileged: false, leasesIdentity: false },
      selfTest: unavailable('uid', 0),
    }),
    codes: ['capabilities-missing'],
    says: ['CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE', '--cap-add SYS_ADMIN', 'allowWeaker'],
  },
  {
    title: 'a container with too few ids',
    evidence: evidence({ app: { uidMap: [{ start: 0, count: 1 }] }, ready: { leasesIdentity: false } }),
    codes: ['uid-lease-impossible'],
    says: ['1 from 0', 'uidRange'],
  },
  {
    title: 'an ordinary user without a range',
    evidence: ordinary({ subordinate: { uids: [], gids: [] }, ready: { leasesIdentity: false } }),
    codes: ['subuid-missing'],
    says: [
      '/etc/subuid has no line for ann',
      'sudo usermod --add-subuids 1000000-1065535 --add-subgids 1000000-1065535 ann',
    ],
  },
  {
    title: 'an ordinary user without newuidmap',
    evidence: ordinary({ subordinate: { programs: false }, ready: { leasesIdentity: false } }),
    codes: ['newuidmap-missing'],
    says: ['sudo apt-get install -y uidmap'],
  },
  {
    title: 'newuidmap under no_new_privs',
    evidence: ordinary({ app: { noNewPrivs: true }, ready: { leasesIdentity: false } }),
    codes: ['newuidmap-failed'],
    says: ['NoNewPrivs: 1', 'NoNewPrivileges=no', 'allowPrivilegeEscalation: true'],
  },
  {
    title: 'newuidmap that does not work',
    evidence: ordinary({ subordinate: { raised: false }, ready: { leasesIdentity: false } }),
    codes: ['newuidmap-failed'],
    says: ['set-user-id bit of newuidmap and newgidmap: no', '--reinstall uidmap'],
  },
  cgroupCase('a read-only cgroup file system in Docker', 'cgroup-read-only', {
    environment: DOCKER,
    hierarchy: { readOnly: true, mkdir: 'EROFS' },
    says: ['mounted read-only', 'making a cgroup there: EROFS', 'writable-cgroups=true'],
  }),
  cgroupCase('a read-only cgroup file system in Kubernetes', 'cgroup-read-only', {
    environment: KUBERNETES,
    hierarchy: { readOnly: true, mkdir: 'EROFS' },
    says: ['cgroup_writable = true', 'io.kubernetes.cri-o.cgroup2-mount-hierarchy-rw'],
  }),
  cgroupCase('a cgroup that belongs to root, under systemd', 'cgroup-undelegated', {
    hierarchy: { mkdir: 'EACCES' },
    reason: '/sys/fs/cgroup/user.slice: Permission denied',
    says: ['Delegate=yes', 'systemd-run --user --scope -p Delegate=yes', 'Delegate=cpu cpuset io memory pids'],
  }),
  cgroupCase('a cgroup that belongs to root, without systemd', 'cgroup-undelegated', {
    systemd: false,
    hierarchy: { mkdir: 'EACCES' },
    says: ['chown -R ann /sys/fs/cgroup/spawn-sandbox', 'cgroupParent'],
  }),
  cgroupCase('a cgroup with other processes in it, of a service', 'cgroup-busy', {
    hierarchy: { mkdir: 'works', processes: 3 },
    reason: '/sys/fs/cgroup/app.service: Resource busy',
    says: ['holds 3', 'DelegateSubgroup=app'],
  }),
  cgroupCase('a cgroup with other processes in it, in a container', 'cgroup-busy', {
    environment: DOCKER,
    hierarchy: { mkdir: 'works', processes: 3, directory: '/sys/fs/cgroup' },
    says: ['mkdir -p /sys/fs/cgroup/app', '/sys/fs/cgroup/app/cgroup.procs'],
  }),
  cgroupCase('cgroup v1 without rights', 'cgroup-v1-undelegated', {
    hierarchy: { version: 1, controllers: ['memory', 'pids', 'cpu', 'cpuacct'], mkdir: 'EACCES' },
    says: ['systemd.unified_cgroup_hierarchy=1', 'for controller in memory pids cpu cpuacct'],
  }),
  cgroupCase('no cgroup file system', 'cgroup-not-mounted', { hierarchy: undefined, says: ['mount -t cgroup2'] }),
  cgroupCase('controllers that are not handed down', 'cgroup-controller-missing', {
    hierarchy: { controllers: ['pids'], mkdir: 'works', processes: 0 },
    says: ['do not hand down memory, cpu', 'user@.service.d'],
  }),
  cgroupCase('a cgroupParent that cannot be used', 'cgroup-parent', {
    hierarchy: {},
    reason: 'cgroupParent /sys/fs/cgroup/mine: No such file or directory',
    says: ['cgroup.controllers'],
  }),
  cgroupCase('a cgroup that fails for no known reason', 'cgroup-unusable', {
    hierarchy: { mkdir: 'ENOSPC', processes: 0 },
    says: ['making a cgroup there: ENOSPC'],
  }),
  {
    title: 'a controller that the kernel was booted without',
    evidence: evidence({ ready: { cgroupControllers: (1 << 15) | (1 << 16) }, disabledControllers: ['memory'] }),
    codes: ['cgroup-controller-disabled'],
    says: ['cgroup_enable=memory', 'Raspberry Pi'],
  },
  {
    title: 'a read-only root file system',
    evidence: evidence({
      failure: { stage: 'configure', errno: 'EROFS', path: '/run/spawn-sandbox' },
      inside: {},
      selfTest: { ok: false, error: { code: 'ERR_SPAWNER_START', message: 'no' } },
    }),
    codes: ['state-directory'],
    says: ['/run/spawn-sandbox', '--tmpfs /run', 'stateDirectory'],
  },
  {
    title: 'a state directory of somebody else',
    evidence: ordinary({
      failure: { stage: 'configure', errno: 'EPERM', path: '/tmp/spawn-sandbox-1000' },
      inside: {},
      hierarchies: [],
      subordinate: { programs: true },
      selfTest: { ok: false, error: { code: 'ERR_SPAWNER_START', message: 'no' } },
    }),
    codes: ['state-directory', 'cgroup-not-mounted'],
    says: ['ls -ld /tmp/spawn-sandbox-1000', 'nobody else may write to it'],
  },
  {
    title: 'native programs that are missing',
    evidence: evidence({
      broken: { code: 'ERR_NATIVE_MISSING', message: 'Cannot find the spawner program.' },
      outside: {},
      inside: {},
    }),
    codes: ['native-missing'],
    says: ['make -C'],
  },
  {
    title: 'a spawner on a file system without execution',
    evidence: evidence({
      broken: { code: 'ERR_SPAWNER_START', message: 'The spawner could not be started: EACCES.' },
      mounts: [...HOST_MOUNTS, { root: '/', target: '/app', type: 'ext4', options: ['rw', 'noexec'] }],
    }),
    codes: ['spawner-not-started'],
    says: ['/app is mounted noexec'],
  },
  {
    title: 'macOS',
    evidence: evidence({ platform: 'darwin-arm64', broken: { code: 'ERR_UNSUPPORTED_PLATFORM', message: 'no' } }),
    codes: ['unsupported-platform'],
    says: ['On macOS no layer at all', 'docker run'],
  },
  {
    title: 'Windows',
    evidence: evidence({ platform: 'win32-x64', broken: { code: 'ERR_UNSUPPORTED_PLATFORM', message: 'no' } }),
    codes: ['unsupported-platform'],
    says: ['On Windows no layer at all', 'wsl --install'],
  },
  {
    title: 'a memory limit that is not kept',
    evidence: evidence({ selfTest: { ok: false, memoryLimit: { cause: 'wallTimeout', detail: 'Ran for 20 s.' } } }),
    codes: ['memory-limit-unproven'],
    says: ['Ran for 20 s.'],
  },
  {
    title: 'a sandbox that fails for a reason of its own',
    evidence: evidence({
      selfTest: {
        ok: false,
        error: { code: 'ERR_MOUNT_SOURCE', message: 'Cannot mount /data: ENOENT.', remedy: 'Make it.' },
      },
    }),
    codes: ['sandbox-refused'],
    says: ['Cannot mount /data', 'Make it.'],
  },
  {
    title: 'supplementary groups that stay',
    evidence: groupsStay(),
    codes: ['subuid-missing', 'groups-kept'],
  },
];

interface CgroupCase {
  readonly environment?: Evidence['environment'];
  readonly systemd?: boolean;
  readonly hierarchy: Partial<Evidence['hierarchies'][number]> | undefined;
  readonly reason?: string;
  readonly says: Case['says'];
}

function cgroupCase(
  title: string,
  code: ProblemCode,
  { hierarchy, reason = '', says = [], ...rest }: CgroupCase,
): Case {
  const [first] = evidence().hierarchies;
  assert.ok(first);
  return {
    title,
    evidence: ordinary({
      ...rest,
      hierarchies: hierarchy === undefined ? [] : [{ ...first, ...hierarchy }],
      ready: { cgroupVersion: 0, cgroupControllers: 0, cgroupReason: reason },
    }),
    codes: [code],
    says,
  };
}

function groupsStay(): Evidence {
  const base = ordinary({
    app: { groups: [27] },
    subordinate: { uids: [], gids: [] },
    ready: { leasesIdentity: false },
  });
  const enforced = { groups: { state: 'weaker', by: 'kept groups' } } as unknown as NonNullable<
    Evidence['selfTest']['enforced']
  >;
  return { ...base, selfTest: { ok: true, enforced } };
}

for (const { title, evidence: seen, codes, says = [] } of CASES) {
  void test(title, () => {
    const problems = diagnose(seen);
    assert.deepEqual(
      problems.map(({ code }) => code),
      codes,
    );
    const [first] = problems;
    const text = first === undefined ? '' : [first.title, first.reason, ...first.evidence, first.remedy].join('\n');
    for (const part of says) {
      if (typeof part === 'string') assert.ok(text.includes(part), `${part}\nis not in\n${text}`);
      else assert.match(text, part);
    }
  });
}

void test('every problem has a case', () => {
  const told = new Set(CASES.flatMap(({ codes }) => codes));
  assert.deepEqual(
    Object.keys(PROBLEM_CODES).filter((code) => !told.has(code as ProblemCode)),
    [],
  );
});

void test('every problem says why, by which facts, and what to do', () => {
  for (const { evidence: seen } of CASES) {
    for (const { code, title, reason, evidence: facts, remedy } of diagnose(seen)) {
      assert.equal(title, PROBLEM_CODES[code]);
      assert.ok(reason.length > 20 && facts.length > 0 && remedy !== '', code);
    }
  }
});

void test('error numbers have names, those too that Node does not know', () => {
  assert.deepEqual([1, 13, 28, 87, 125, 4000].map(errnoName), [
    'EPERM',
    'EACCES',
    'ENOSPC',
    'EUSERS',
    'ECANCELED',
    'error 4000',
  ]);
});
