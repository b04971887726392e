import { SandboxError } from '../errors.js';
import { errnoName } from '../support/errno-name.js';
import { nativeArchitecture } from '../syscalls/architectures.js';
import { type Answer, type Bait, type Check, fullId, type Operation, operationOf, type Verdict } from './check.js';
import { CHECKS, numbered } from './checks/index.js';
import { stayingName } from './checks/staying.js';
import { WRITABLE } from './checks/tampering.js';
import type { PlanLine } from './plan.js';
import { type Answers, Prober } from './probe.js';
import { LaidBait, newToken, Stage } from './stage.js';
import { lookWhoStayed } from './staying.js';
import { OUTSIDE, type Target } from './target.js';

/** What became of one check. */
export interface CheckResult extends Verdict {
  readonly check: Check;
  readonly inside: Answer;
  readonly outside: Answer;
}

export interface RunOptions {
  /** Told before each part, for who waits. */
  readonly onProgress?: (what: string) => void;
}

/** Tries everything in the target, and without it. Takes some ten seconds for a fast sandbox. */
export async function runChecks(
  target: Target,
  { onProgress = () => undefined }: RunOptions = {},
): Promise<CheckResult[]> {
  using stage = new Stage();
  const outside = new Prober(OUTSIDE, stage);
  const inside = new Prober(target, stage);
  const bait = await LaidBait.lay(outside.command, stage.token, stage.directory);
  try {
    onProgress('the control, without a sandbox');
    const control = await tryAll(outside, { bait, neighbour: bait, stage, target: OUTSIDE, first: bait.pid });
    bait.events.clear();
    onProgress(target.name);
    const neighbour = await layNextDoor(inside);
    try {
      const first = await firstProcess(inside, bait);
      const tried = await tryAll(inside, { bait, neighbour, stage, target, first, control });
      if (!bait.stands)
        throw new SandboxError('ERR_RESOURCES', 'The selftest has lost what it had laid to be found: it ended.');
      return CHECKS.map((check) => {
        if (check.group !== 'neighbours') return judged(check, tried, control, bait);
        return neighbour?.stands === false ? lost(check) : judged(check, tried, control, neighbour);
      });
    } finally {
      await neighbour?.takeAway();
    }
  } finally {
    await bait.takeAway();
  }
}

/** In a sandbox like the one from which it will be looked for. */
async function layNextDoor(inside: Prober): Promise<LaidBait | undefined> {
  try {
    return await LaidBait.lay(inside.command, newToken(), '/tmp');
  } catch {
    return undefined;
  }
}

/** Its number is 1, but that of the machine itself may be out of reach even where there is no sandbox around. */
async function firstProcess(inside: Prober, bait: LaidBait): Promise<number> {
  const id = 'pid namespace';
  const answer = (await inside.answers([{ id, operation: ['link', '/proc/self/ns/pid'] }])).get(id);
  return answer?.kind === 'reached' && answer.text === bait.pidNamespace ? bait.pid : 1;
}

interface Setting {
  readonly bait: LaidBait;
  /** Nobody where none could be started. */
  readonly neighbour: LaidBait | undefined;
  readonly stage: Stage;
  readonly target: Target;
  readonly first: number;
  /** What was answered without a sandbox, when that is known. */
  readonly control?: Answers;
}

async function tryAll(prober: Prober, setting: Setting): Promise<Answers> {
  const answers = new Map<string, Answer>();
  const together: PlanLine[] = [];
  const alone: [Check, PlanLine][] = [];
  for (const check of CHECKS) {
    const line = planned(check, setting);
    if ('answer' in line) answers.set(fullId(check), line.answer);
    else if (check.alone === true) alone.push([check, line]);
    else together.push(line);
  }
  setting.stage.clean();
  for (const [id, answer] of await prober.answers(together)) answers.set(id, answer);
  for (const [check, line] of alone) answers.set(line.id, await tryAlone(prober, check, line, setting));
  return answers;
}

function planned(check: Check, setting: Setting): PlanLine | { readonly answer: Answer } {
  if (isLacking(check, setting.control)) return absent('this kernel has no such calls');
  const bait = check.group === 'neighbours' ? setting.neighbour : setting.bait;
  if (bait === undefined) return absent('there could be nobody next door');
  if (check.needs === WRITABLE && !setting.target.givesWritable)
    return absent('the command has no place {writable} for a directory');
  if (check.needs !== undefined && check.needs !== WRITABLE && !bait.laid.has(check.needs))
    return absent(`the bait could not be laid: ${check.needs}`);
  const operation = numbered(operationOf(check, seenFrom(bait, setting.first)), nativeArchitecture());
  if (operation === undefined) return absent('this architecture has no such call');
  return { id: fullId(check), operation: withPlaces(operation, setting.stage.writable) };
}

/** Each of these ends a command, so that it costs a sandbox: not where there is nothing to find out. */
function isLacking(check: Check, control: Answers | undefined): boolean {
  const answer = control?.get(fullId(check));
  return check.group === 'foreign calls' && answer?.kind === 'error' && errnoName(answer.errno) === 'ENOSYS';
}

function seenFrom(bait: LaidBait, first: number): Bait {
  const { token, directory, pid, port, key, laid, session, pidNamespace } = bait;
  return { token, directory, pid, port, key, laid, session, pidNamespace, first };
}

function absent(text: string): { readonly answer: Answer } {
  return { answer: { kind: 'absent', text } };
}

function withPlaces([name, ...parameters]: Operation, writable: string): Operation {
  return [name, ...parameters.map((parameter) => (parameter === `{${WRITABLE}}` ? writable : parameter))];
}

/** Of those that want to stay, the answer is who has stayed. */
async function tryAlone(prober: Prober, check: Check, line: PlanLine, { bait }: Setting): Promise<Answer> {
  const answer = (await prober.answers([line])).get(line.id) ?? { kind: 'ended' };
  return check.group === 'staying' && answer.kind !== 'absent' ? lookWhoStayed(stayingName(bait.token)) : answer;
}

/** Whatever was answered: nobody was there any more to be found. */
function lost(check: Check): CheckResult {
  const reason = 'the bait has ended before all was tried';
  const nobody: Answer = { kind: 'absent', text: reason };
  return { check, inside: nobody, outside: nobody, outcome: 'unproven', reason };
}

function judged(
  check: Check,
  tried: Answers,
  control: Answers,
  bait: Pick<LaidBait, 'token' | 'events'> | undefined,
): CheckResult {
  const [inside, outside] = [tried.get(fullId(check)), control.get(fullId(check))];
  if (inside === undefined || outside === undefined) throw new Error(`nobody has tried ${fullId(check)}`);
  const { token = '', events = new Set<string>() } = bait ?? {};
  return { check, inside, outside, ...check.judge({ inside, outside, token, events }) };
}
