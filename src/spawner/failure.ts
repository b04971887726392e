import { constants } from 'node:os';
import { type ErrorCode, SandboxError } from '../errors.js';
import { ALL_LAYERS, type AnyLayer, isOptional } from '../layers.js';
import { systemReason } from '../system-reason.js';
import { byReason } from '../result/enforced.js';
import { BY, type By, type FailedMessage, type ReadyMessage, STAGES, type Stage } from './messages.js';

/** What Node has no name for. */
const EMEDIUMTYPE = 124;

/** In place of a path: what the spawner could not keep was the policy itself (`native/spawner/spawner.h`). */
const LOST_POLICY = 'policies';

interface Told {
  readonly path: string;
  readonly reason: string;
  readonly layer: AnyLayer;
  readonly by: By;
  readonly errno: number;
  readonly cgroupReason: string;
}

interface Sentence {
  readonly code: ErrorCode;
  readonly says: (told: Told) => string;
  readonly remedy?: (told: Told) => string;
}

/** What each stage means to the app. */
const SENTENCES: Readonly<Record<Stage, Sentence>> = {
  protocol: {
    code: 'ERR_PROTOCOL',
    says: () => 'The spawner could not understand a message.',
    remedy: () => 'App and spawner must come from the same build: build both again.',
  },
  configure: {
    code: 'ERR_SPAWNER_START',
    says: ({ path, reason }) => `The spawner could not set itself up${at(path)}: ${reason}.`,
    remedy: () => 'Check stateDirectory, cgroupParent and uidRange of configureSpawner().',
  },
  queueTimeout: {
    code: 'ERR_QUEUE_TIMEOUT',
    says: () => 'The step waited for a free sandbox for longer than queueTimeout.',
    remedy: () => 'Start fewer steps at once, or raise maxConcurrent or queueTimeout of configureSpawner().',
  },
  resources: {
    code: 'ERR_RESOURCES',
    says: ({ path, reason }) => `Cannot make a sandbox${at(path)}: ${reason}.`,
    remedy: () =>
      'Descriptors, processes, memory or identities ran out: start fewer steps at once, or raise the limits of the app.',
  },
  watch: {
    code: 'ERR_RESOURCES',
    says: ({ reason }) =>
      `The step was ended because the spawner could not look any longer at the memory and processor time that it uses: ${reason}.`,
    remedy: () => 'Start fewer steps at once, or give the app a cgroup: then the kernel counts.',
  },
  maker: {
    code: 'ERR_SPAWNER_DIED',
    says: ({ reason }) => `The process that makes the sandboxes of this policy ended twice in a row: ${reason}.`,
    remedy: () => 'The next step starts another one.',
  },
  mountSource: {
    code: 'ERR_MOUNT_SOURCE',
    says: ({ path, reason }) => `Cannot mount ${path}: ${reason}.`,
    remedy: ({ errno }) =>
      errno === constants.errno.EOPNOTSUPP
        ? "Its file system cannot show the owner's files as the step's (idmapped mounts): name a directory on another one, as ext4, xfs, btrfs, or tmpfs since Linux 6.3."
        : 'Make sure that it exists and that the app may read it, or pass { source, optional: true }.',
  },
  mountTarget: {
    code: 'ERR_MOUNT_TARGET',
    says: ({ path, reason }) => `Cannot mount something at ${path} inside the sandbox: ${reason}.`,
    remedy: () => 'Choose a target outside of read-only mounts, or one that exists in them.',
  },
  layer: {
    code: 'ERR_LAYER_UNAVAILABLE',
    says: ({ layer, reason, by, cgroupReason }) =>
      `Cannot apply the layer '${layer}': ${whyLayer(by, reason, cgroupReason)}.`,
    remedy: ({ layer, by }) =>
      by === 'needs namespaces'
        ? 'Leave that option out, or let the app have namespaces: spawn-sandbox doctor tells how.'
        : layer === 'coreScheduling'
          ? "Switch the second threads of cores off (/sys/devices/system/cpu/smt/control), use a kernel of 5.14 or later with CONFIG_SCHED_CORE=y, or, to do without it, pass { allowMissing: ['coreScheduling'] }."
          : isAbsence(by)
            ? `To do without it, pass { allowMissing: ['${layer}'] }.`
            : `To accept that form, pass { allowWeaker: ['${layer}'] }.`,
  },
  workDirectory: {
    code: 'ERR_WORK_DIRECTORY',
    says: ({ path, reason }) => `Cannot enter the working directory ${path} inside the sandbox: ${reason}.`,
    remedy: () => 'Mount it by filesystem.readOnly or filesystem.writable, or choose another cwd.',
  },
  commandNotFound: {
    code: 'ERR_COMMAND_NOT_FOUND',
    says: ({ path }) => `Cannot find the command ${path} inside the sandbox.`,
    remedy: () =>
      'A sandbox shows /usr and the interpreter that was asked for; mount anything else by filesystem.readOnly.',
  },
  commandNotExecutable: {
    code: 'ERR_COMMAND_NOT_EXECUTABLE',
    says: ({ path, reason }) => `Cannot execute ${path} inside the sandbox: ${reason}.`,
    remedy: () =>
      'It must be an executable file that others than its owner may read and execute, and so must be its interpreter.',
  },
  execLimits: {
    code: 'ERR_LIMIT',
    says: ({ reason }) => `Cannot set the limits of the step: ${reason}.`,
    remedy: () =>
      'An app without root cannot raise a limit above its own hard limit (ulimit -H): lower limits.openFiles.',
  },
  lost: {
    code: 'ERR_STEP_LOST',
    says: () => 'The sandbox ended before it could report what became of its step.',
    remedy: () =>
      'Something else ended it, most often the system when it ran out of memory, or another command of its sandbox.',
  },
  cgroupLimit: {
    code: 'ERR_LIMIT',
    says: ({ path, reason }) => `Cannot write a limit${at(path)}: ${reason}.`,
    remedy: () =>
      'Check that the controllers are delegated to the app and that a limit is not below what the system accepts.',
  },
  zygote: {
    code: 'ERR_ZYGOTE',
    says: ({ reason, errno }) =>
      errno === constants.errno.ECHILD
        ? 'What the zygote forked ended again and again before it was confined.'
        : `The zygote could not fork the step: ${reason}.`,
    remedy: ({ errno }) =>
      errno === constants.errno.ECHILD
        ? 'Look at what a preload does in a forked process: handlers of os.register_at_fork() or pthread_atfork().'
        : 'Most often its memory or its number of processes ran out: raise limits.memory of createZygote().',
  },
  session: {
    code: 'ERR_SANDBOX_CLOSED',
    says: () => 'The sandbox was over before the command could start in it.',
    remedy: () => 'Make another by createSandbox().',
  },
  rule: {
    code: 'ERR_MOUNT_RULE',
    says: ({ path, reason }) => `Cannot hide or protect ${path} inside the sandbox: ${reason}.`,
    remedy: () =>
      'What is to be protected must exist, and no symbolic link may lie on the way to it; patterns must not name more than some thousand files.',
  },
  scratch: {
    code: 'ERR_SCRATCH',
    says: ({ path, reason, errno }) => `Cannot put scratch space on a disk: ${whyNotOnDisk(path, reason, errno)}.`,
    remedy: ({ path }) => diskRemedy(path),
  },
  notTaken: {
    code: 'ERR_ZYGOTE',
    says: () => 'The process that was to run the step ended before it had taken its job.',
    remedy: () =>
      'What it preloads does not always succeed, or not under the limits, variables and files of this step: look at preload and preloadCode.',
  },
  further: {
    code: 'ERR_TABLE',
    says: ({ path, reason }) => `The step cannot be given a file${path === '' ? '' : `, ${path}`}: ${reason}.`,
    remedy: () => 'It must be a regular file that stays where it is until the step has been started.',
  },
  unknownPolicy: { code: 'ERR_PROTOCOL', says: () => 'The spawner does not know the policy of the step.' },
  observation: {
    code: 'ERR_LAYER_NOT_OBSERVED',
    says: ({ layer }) =>
      `The layer '${layer}' was applied, and looking at the process showed something else; the step was not run.`,
  },
};

/** By what is missing: a program, or else a place. */
function diskRemedy(path: string): string {
  if (path === 'mke2fs') return 'Install e2fsprogs.';
  if (!path.startsWith('/dev/')) return 'Name another directory: configureSpawner({ scratchDirectory }).';
  return 'It takes an app with root, and a container that is given loop devices: run it so; or leave out filesystem.scratchOn, and raise limits.memory with limits.scratch; or let the step write to a directory of filesystem.writable.';
}

function whyNotOnDisk(path: string, reason: string, errno: number): string {
  if (path === 'mke2fs') return 'mke2fs of e2fsprogs is not there, or could not make a file system';
  if (errno === EMEDIUMTYPE) return `${path} lies in memory`;
  if (errno === constants.errno.EOPNOTSUPP)
    return `the file system of ${path} has no files without a name, no room that is reserved, or no direct I/O`;
  if (errno === constants.errno.ENOSPC) return `${path} has no room for limits.scratch`;
  return `${path}: ${reason}`;
}

/** The sentence for what the spawner could not do. */
export function failureOf(failed: FailedMessage, ready: ReadyMessage | undefined): SandboxError {
  const stage = STAGES[failed.stage] ?? 'protocol';
  const told: Told = {
    path: Buffer.from(failed.path).toString(),
    reason: failed.errno === 0 ? 'the system gave no reason' : systemReason(failed.errno),
    layer: ALL_LAYERS[failed.layer] ?? 'user',
    by: BY[failed.by] ?? 'unspecified',
    errno: failed.errno,
    cgroupReason: ready?.cgroupReason ?? '',
  };
  const { code, says, remedy } = SENTENCES[stage];
  const concernsLayer = stage === 'layer' || stage === 'observation';
  return new SandboxError(code, says(told), {
    layer: concernsLayer && !isOptional(told.layer) ? told.layer : undefined,
    path: told.path === '' ? undefined : told.path,
    errno: failed.errno === 0 ? undefined : failed.errno,
    remedy: remedy?.(told),
  });
}

export function isForLostPolicy({ stage, path }: FailedMessage): boolean {
  return STAGES[stage] === 'resources' && Buffer.from(path).toString() === LOST_POLICY;
}

function at(path: string): string {
  return path === '' ? '' : ` at ${path}`;
}

/** `by` names what is missing, and not a form that would be possible. */
function isAbsence(by: By): boolean {
  return by === 'unspecified' || by === 'kernel lacks it' || by === 'no writable cgroup';
}

function whyLayer(by: By, reason: string, cgroupReason: string): string {
  const why = byReason(by, cgroupReason);
  if (by === 'needs namespaces') return why ?? reason;
  if (isAbsence(by)) return [reason, ...(why === undefined ? [] : [why])].join('; ');
  return `only a weaker form is possible here (${by}${why === undefined ? '' : `: ${why}`})`;
}
