// Where the time of a step goes that is forked on demand, by the marks that its system calls leave (native/zygote/fork.c).
import { setTimeout as sleep } from 'node:timers/promises';
import { createZygote } from 'spawn-sandbox';
import { ms } from '../format.mjs';
import { descendants } from '../observe/processes.mjs';
import { openTrace } from '../observe/trace.mjs';
import { median } from '../statistics.mjs';
import { firstByteOfStep, PAUSE_MS } from './zygote-latency.mjs';

const BOTH = ['setns', 'recvmsg'].flatMap((call) => [`sys_enter_${call}`, `sys_exit_${call}`]);
const EVENTS = [
  ...[...BOTH, 'sys_enter_clone', 'sys_exit_clone', 'sys_enter_sendmsg', 'sys_enter_write', 'sys_enter_exit_group'].map(
    (name) => `syscalls/${name}`,
  ),
  'sched/sched_process_fork',
  'signal/signal_generate',
];
const OPTIONAL_EVENTS = ['vfork', 'fork', 'clone3'].map((call) => `syscalls/sys_enter_${call}`);
/** Steps in which what only the first ones have to do is done. */
const WARM_UP = 5;
const FORKS = new Set(['enter vfork', 'enter fork', 'enter clone', 'enter clone3']);

/** One after the other; each begins where the one before ends. */
const PHASES = [
  ['request: app, spawner, until the zygote forks', 'called', 'asked'],
  ['fork: two processes that share its memory', 'asked', 'copying'],
  ['fork: the step, with a copy of its page tables', 'copying', 'forked'],
  ['begin: cgroups, what the language does after a fork', 'forked', 'entering'],
  ['enter: namespaces', 'entering', 'entered'],
  ['confine, until it reports that it waits', 'entered', 'parked'],
  ['renew: what the language does before it asks for the job', 'parked', 'asking'],
  ['wait for the job, as far as the spawner’s look takes longer', 'asking', 'started'],
  ['run, until it writes its first byte', 'started', 'written'],
  ['run, from there to exit_group', 'written', 'exiting'],
  ['tear down: the memory of the step', 'exiting', 'ended'],
  ['tear down: its sandbox, until init is gone', 'ended', 'gone'],
];
const TOTALS = [
  ['in all, from the call to the first byte in the app', 'called', 'received'],
  ['in all, from the call to the known end in the app', 'called', 'known'],
];

/** What the marks say of each runtime's steps, or `{ reason }` where nothing can be traced. */
export async function costsOf(runtimes, rounds, ageMs) {
  const zygotes = await Promise.all(runtimes.map(({ options }) => createZygote(options)));
  const each = (measure) => inTurns(runtimes, zygotes, rounds, measure);
  try {
    await sleep(ageMs);
    await inTurns(runtimes, zygotes, WARM_UP, firstByteOfStep);
    const untraced = await each(async (...job) => (await firstByteOfStep(...job)).taken);
    const trace = open();
    if (trace.reason !== undefined) return trace;
    try {
      return { runtimes, rounds, untraced, traced: await each((...job) => marksOfStep(trace, ...job)) };
    } finally {
      trace.close();
    }
  } finally {
    await Promise.all(zygotes.map((zygote) => zygote.destroy()));
  }
}

function open() {
  try {
    if (process.geteuid() !== 0) throw new Error('it needs root');
    return openTrace(EVENTS, OPTIONAL_EVENTS);
  } catch (error) {
    return { reason: error.message };
  }
}

/** A list for each runtime. */
async function inTurns(runtimes, zygotes, rounds, measure) {
  const measured = runtimes.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { code }] of runtimes.entries()) {
      measured[index].push(await measure(zygotes[index], code));
      await sleep(PAUSE_MS);
    }
  }
  return measured;
}

async function marksOfStep(trace, zygote, code) {
  trace.clear();
  const called = now();
  const { taken } = await firstByteOfStep(zygote, code);
  const known = now();
  const ours = new Set(descendants().map(({ pid }) => pid));
  await sleep(PAUSE_MS); // its sandbox may end after the app knows
  return { called, received: called + taken, known, ...marksOf(trace.events(), ours) };
}

/** By the clock of the trace. */
function now() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** When the one step of this trace passed from one phase to the next. What left no mark is not a number. */
function marksOf(events, ours) {
  const parents = new Map(events.filter(({ name }) => name === 'sched_process_fork').map(forked));
  const step = [...parents.keys()].find((pid) => ours.has(zygoteOf(pid, parents)));
  const second = parents.get(step);
  const zygote = zygoteOf(step, parents);
  const of = (pid) => events.filter((event) => event.pid === pid);
  const ofStep = of(step);
  const at = (list, wanted, after = -Infinity) => list.find((event) => event.at >= after && wanted(event))?.at ?? NaN;
  const named = (name) => (event) => event.name === name;
  const childEnded = ({ name, rest }) => name === 'signal_generate' && rest.includes(' sig=17 ');
  const entered = ofStep.findLast(named('exit setns'))?.at ?? NaN;
  const parked = at(ofStep, named('enter sendmsg'), entered);
  const asking = at(ofStep, named('enter recvmsg'), parked);
  const started = at(ofStep, named('exit recvmsg'), parked);
  const exiting = at(ofStep, named('enter exit_group'), started);
  const isStep = (pid) => pid === step || parents.get(pid) === step; // its last thread tells init
  const farewell = events.find((event) => event.at >= exiting && childEnded(event) && isStep(event.pid));
  const init = Number(/ pid=(\d+) /.exec(farewell?.rest ?? '')?.[1]);
  return {
    asked: at(of(zygote), ({ name }) => FORKS.has(name)),
    copying: at(of(second), ({ name }) => FORKS.has(name)),
    forked: ofStep[0]?.at ?? NaN,
    entering: at(ofStep, named('enter setns')),
    entered,
    parked,
    asking,
    started,
    written: at(ofStep, ({ name, rest }) => name === 'enter write' && /^\(fd: (0x)?1,/.test(rest), started),
    exiting,
    ended: farewell?.at ?? NaN,
    gone: at(of(init), childEnded, exiting),
  };
}

/** Of a step, by the two processes in between. Others on this machine may fork theirs. */
function zygoteOf(pid, parents) {
  return parents.get(parents.get(parents.get(pid)));
}

function forked({ rest }) {
  const { parent, child } = / pid=(?<parent>\d+) .*child_pid=(?<child>\d+)/.exec(rest).groups;
  return [Number(child), Number(parent)];
}

export function costTable({ reason, runtimes, rounds, untraced, traced }) {
  const title = 'Where the time of a step forked on demand goes';
  if (reason !== undefined)
    return { title, note: `Not measured, as nothing can be traced: ${reason}.`, heads: [''], rows: [] };
  const row = ([label, from, to]) => [
    label,
    ...traced.map((steps) => ms(median(steps.map((step) => step[to] - step[from])))),
  ];
  return {
    title,
    note: `Milliseconds, medians of ${rounds} steps each, in turns, from the kernel's trace of their system calls and ends. Tracing makes a step somewhat slower: the last line is without.`,
    heads: ['', ...runtimes.map(({ name }) => name)],
    rows: [
      ...[...PHASES, ...TOTALS].map(row),
      ['not traced, from the call to the first byte in the app', ...untraced.map((taken) => ms(median(taken)))],
    ],
  };
}
