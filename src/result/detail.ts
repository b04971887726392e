import type { ResolvedLimits } from '../options/limits.js';
import type { Cause } from '../result.js';
import type { EvidenceMessage } from '../spawner/messages.js';
import { signalName } from '../step/signals.js';
import { formatDuration, formatSize } from '../units.js';
import { syscallName } from './syscall-name.js';

/** What is known about the end of a step. */
export interface Ending {
  readonly cause: Cause;
  readonly scope: 'step' | 'sandbox' | 'host';
  readonly status: number;
  readonly evidence: EvidenceMessage;
  readonly limits: ResolvedLimits;
  readonly notStarted: boolean;
}

/** One sentence that says why a step ended, with the evidence. */
export function describeEnding(ending: Ending): string {
  return `${SENTENCES[ending.cause](ending)}${afterwards(ending)}${leftovers(ending)}.`;
}

const SENTENCES: Readonly<Record<Cause, (ending: Ending) => string>> = {
  exit: ({ status }) => (status < 0 ? `Ended by ${signalName(-status)}` : `Exited with status ${status}`),
  signal: ({ status }) => `Ended by ${signalName(-status)}, which was not sent by the library`,
  oom: describeOom,
  wallTimeout: ({ evidence, limits, scope, notStarted }) => {
    if (notStarted) return 'The deadline of its sandbox passed before it was started';
    const limit = `limits.wallTime (${formatDuration(evidence.limitMs || limits.wallTime)})`;
    return scope === 'sandbox' ? `Its sandbox lived for longer than its ${limit}` : `Ran for longer than ${limit}`;
  },
  cpuTimeout: ({ evidence, limits, scope, notStarted }) => {
    if (notStarted) return 'Its sandbox used up its processor time before it was started';
    const limit = `limits.cpuTime (${formatDuration(evidence.limitMs || limits.cpuTime)})`;
    const all =
      scope === 'sandbox' ? 'All in its sandbox used more processor time than its' : 'Used more processor time than';
    return `${all} ${limit}`;
  },
  idleTimeout: ({ limits }) => `Wrote nothing for longer than limits.idleTime (${formatDuration(limits.idleTime)})`,
  outputLimit: ({ limits }) => `Wrote more than limits.output (${formatSize(limits.output)}) to stdout and stderr`,
  invalidOutput: () => 'Wrote something that is not valid output of a step',
  seccomp: ({ evidence }) =>
    `Made the system call ${syscallName(evidence.seccompSyscall, evidence.seccompArch)}, for which its policy has the verdict kill`,
  aborted: ({ notStarted }) => (notStarted ? 'Aborted by its signal before it was started' : 'Aborted by its signal'),
  killed: ({ evidence, notStarted }) => {
    if (notStarted) return 'Killed by kill() before it was started';
    return `Killed by kill(${evidence.killSignal === 0 ? '' : `'${signalName(evidence.killSignal)}'`})`;
  },
  destroyed: ({ notStarted }) =>
    notStarted ? 'Destroyed before it was started' : 'Destroyed with its sandbox or spawner',
};

function describeOom({ scope, evidence, limits }: Ending): string {
  if (scope === 'host')
    return `The host or its container ran out of memory and the kernel ended a process of the step (oom_kill ${evidence.oomKills})`;
  const limit = formatSize(evidence.memoryLimitBytes || limits.memory);
  const who = scope === 'sandbox' ? "All in its sandbox used more than the sandbox's" : 'Used more than';
  if (evidence.memoryWatched && evidence.scratchFull)
    return `Wrote more than limits.scratch (${formatSize(limits.scratch)}), seen by the spawner, which watches it where no file system bounds it`;
  if (evidence.memoryWatched) return `${who} limits.memory (${limit}), seen by the spawner, which watches it`;
  return `${who} limits.memory (${limit}), and the kernel ended ${processes(evidence.oomKills)} (oom_kill ${evidence.oomKills})`;
}

function afterwards({ cause, evidence }: Ending): string {
  if (!evidence.mainExitedFirst || (cause !== 'exit' && cause !== 'signal')) return '';
  return '; afterwards what it left behind exceeded the memory limit';
}

function leftovers({ cause, evidence }: Ending): string {
  if (cause !== 'exit' || evidence.killedProcesses === 0) return '';
  return `; ${processes(evidence.killedProcesses)} that it left behind ${evidence.killedProcesses === 1 ? 'was' : 'were'} ended`;
}

function processes(count: number): string {
  return count === 1 ? '1 process' : `${count} processes`;
}
