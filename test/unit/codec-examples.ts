import type {
  ConfigureMessage,
  DefineMessage,
  KillMessage,
  StartCommand,
  StartSettings,
} from '#src/spawner/messages.js';

/** Messages that use every field, for the vectors in proto/vectors. */
export const REQUESTS: {
  readonly configure: ConfigureMessage;
  readonly define: DefineMessage;
  readonly start: StartCommand;
  readonly kill: KillMessage;
} = {
  configure: {
    stateDirectory: Buffer.from('/run/spawn-sandbox'),
    uidStart: 0x70000000,
    uidCount: 65536,
    cgroupParent: Buffer.from('/sys/fs/cgroup/app'),
    pool: 8,
    maxConcurrent: 1024,
    queueTimeoutMs: 60_000,
    subordinateUids: [
      { start: 100_000, count: 65536 },
      { start: 300_000, count: 1 },
    ],
    subordinateGids: [{ start: 200_000, count: 65536 }],
    portable: true,
    instance: 2 ** 53 - 1,
    idleMs: 60_000,
    idleMakers: 300,
    scratchDirectory: Buffer.from('/var/tmp'),
  },
  define: {
    policyId: 3,
    mounts: [
      { kind: 0, source: Buffer.from('/usr'), target: Buffer.from('/usr'), asOwner: true },
      { kind: 1, source: Buffer.from('/data'), target: Buffer.from('/data'), optional: true },
      { kind: 2, target: Buffer.from('/etc'), mode: 0o755 },
      { kind: 3, target: Buffer.from('/etc/hostname'), content: Buffer.from('sandbox\n'), mode: 0o444 },
      { kind: 4, target: Buffer.from('/bin'), content: Buffer.from('usr/bin') },
      { kind: 5, target: Buffer.from('/dev/shm'), mode: 0o1777, noExec: true },
      { kind: 6, source: Buffer.from('/dev/null'), target: Buffer.from('/dev/null') },
      { kind: 7, target: Buffer.from('/proc') },
    ],
    uid: 1000,
    gid: 1001,
    hostname: Buffer.from('sandbox'),
    baseFilter: Buffer.from('0600000000000000', 'hex'),
    stepFilter: Buffer.from('06000000ffff0000', 'hex'),
    stepFilterNotifies: true,
    scratchBytes: 64 * 2 ** 20,
    scratchInodes: 16384,
    scratchOnDisk: true,
    hostNetwork: true,
    require: 0x1dfff,
    allowWeaker: 0x1cc00,
    allowMissing: 0x2008,
    cover: [Buffer.from('/proc/kallsyms'), Buffer.from('/proc/keys')],
    reuseNet: true,
    reuseUser: true,
    keyless: true,
    terminal: true,
    coreScheduling: true,
    zygote: true,
    below: 2 ** 40,
    parked: 4,
    replaces: 2,
    boot: Buffer.from('08011a046e6f646522046e6f646532012f3801', 'hex'),
    bootInput: Buffer.from('{}'),
  },
  start: {
    stepId: 2 ** 40,
    policyId: 3,
    file: Buffer.from('sh'),
    argv: [Buffer.from('sh'), Buffer.from('-c'), Buffer.from('exit 0')],
    further: [0, 1, 2, 0],
  },
  kill: { stepId: 2 ** 40, cause: 10, signal: 15, graceMs: 5000 },
};

export const SETTINGS: StartSettings = {
  env: [Buffer.from('PATH=/usr/bin'), Buffer.from('EMPTY=')],
  cwd: Buffer.from('/home/sandbox'),
  stdin: 0,
  stdout: 1,
  stderr: 1,
  limits: {
    memoryBytes: 2 ** 29,
    processes: 128,
    cpuTimeMs: 5000,
    milliCpus: 1500,
    wallTimeMs: 60_000,
    fileSizeBytes: 2 ** 34,
    openFiles: 1024,
  },
  announce: true,
  builtin: 1,
  terminal: { columns: 132, rows: 50 },
};

/** In the words of the schema. */
export const REPLIES: Readonly<Record<string, object>> = {
  ready: {
    ready: {
      privileged: true,
      leasesIdentity: true,
      cgroupVersion: 1,
      cgroupReason: 'cpu is not delegated',
      cgroupControllers: 0xc000,
      pid: 4242,
    },
  },
  started: { started: { stepId: 2 ** 40 } },
  looked: {
    looked: {
      lookId: 5,
      found: true,
      wallNs: 9,
      userCpuNs: 8,
      systemCpuNs: 7,
      memoryBytes: 2 ** 26,
      peakMemoryBytes: 2 ** 27,
      processes: 6,
      commands: [
        { stepId: 2 ** 40, wallNs: 5, userCpuNs: 4, systemCpuNs: 3, memoryBytes: 2 ** 20, processes: 2 },
        { stepId: 3, background: true },
      ],
    },
  },
  froze: { froze: { freezeId: 6, found: true, errno: 110, bySignals: true } },
  ended: {
    ended: {
      stepId: 2 ** 40,
      signal: 9,
      cause: 'OOM',
      scope: 'STEP',
      evidence: {
        oomKills: 1,
        memoryLimitBytes: 2 ** 26,
        processLimitHits: 2,
        memoryLimitHits: 300,
        killedProcesses: 4,
        seccompSyscall: 101,
        seccompArch: 0xc000003e,
        mainExitedFirst: true,
        killSignal: 15,
        limitMs: 1000,
        memoryWatched: true,
        scratchFull: true,
      },
      usage: {
        queueNs: 1_000_000,
        wallNs: 12_345_678_901_234,
        userCpuNs: 1000,
        systemCpuNs: 2000,
        peakMemoryBytes: 2 ** 26,
        peakProcesses: 3,
      },
      enforced: Buffer.from(Array.from({ length: 17 }, (_, index) => [index === 13 ? 3 : 1, index % 9]).flat()),
    },
  },
  'ended-minimal': { ended: { stepId: 1 } },
  failed: { failed: { stepId: 5, stage: 'MOUNT_SOURCE', errno: 2, path: Buffer.from('/nope') } },
  forgotten: { forgotten: { policyId: 7 } },
  warm: { warm: { stepId: 2 ** 40, words: Buffer.from('{"mode":"fork"}'), rssBytes: 2 ** 27 } },
  probed: {
    probed: {
      probeId: 7,
      results: [
        { what: 'LANDLOCK', works: true, value: 7 },
        { what: 'PROC_MOUNT', errno: 1 },
      ],
    },
  },
};
