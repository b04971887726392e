// A message to a running step and one back, against the least that two processes can do: a pipe each way, without a sandbox.
import { spawn } from 'node:child_process';
import { createZygote, defineStep } from 'spawn-sandbox';
import { micros, times } from '../format.mjs';
import { median, percentile } from '../statistics.mjs';

const MESSAGE = { value: 1 };
/** What the frames of such a message have, by proto/step.proto. */
const FRAME_BYTES = 27;
const TURN = 50;
const WARM_UP = 200;

export async function messagesOf(runtime, turns) {
  const zygote = await createZygote(runtime.options);
  const talks = { typed: await talkToStep(zygote, runtime), bare: talkToProcess(runtime) };
  const taken = { typed: [], bare: [] };
  try {
    for (const talk of Object.values(talks)) await timesOf(talk, WARM_UP);
    for (let turn = 0; turn < turns; turn++) {
      for (const [name, talk] of Object.entries(talks)) taken[name].push(...(await timesOf(talk, TURN)));
    }
  } finally {
    for (const talk of Object.values(talks)) await talk.end();
    await zygote.destroy();
  }
  return { runtime, taken };
}

async function timesOf({ ask }, count) {
  const taken = [];
  for (let index = 0; index < count; index++) {
    const begun = performance.now();
    await ask();
    taken.push(performance.now() - begun);
  }
  return taken;
}

async function talkToStep(zygote, { echoEach }) {
  const outgoing = channel();
  const call = defineStep({ zygote, code: echoEach, function: 'run', maxMessages: 1e9, limits: { wallTime: '10m' } })(
    outgoing.messages(),
  );
  const answers = call.messages[Symbol.asyncIterator]();
  return {
    ask: () => {
      outgoing.put(MESSAGE);
      return answers.next();
    },
    end: async () => {
      outgoing.end();
      for (let last = await answers.next(); !last.done;) last = await answers.next();
      await call;
    },
  };
}

/** What is put is taken by one who iterates, who is never more than one behind. */
function channel() {
  let waiting;
  let put = [];
  return {
    put: (message) => {
      put.push(message);
      waiting?.();
    },
    end: () => {
      put.push(undefined);
      waiting?.();
    },
    async *messages() {
      for (;;) {
        if (put.length === 0) await new Promise((resolve) => (waiting = resolve));
        const taken = put;
        put = [];
        for (const message of taken) {
          if (message === undefined) return;
          yield message;
        }
      }
    },
  };
}

function talkToProcess({ pingPong: [file, ...args] }) {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const frame = Buffer.alloc(FRAME_BYTES, FRAME_BYTES - 1);
  let have = 0;
  let whole;
  child.stdout.on('data', (chunk) => {
    have += chunk.length;
    if (have < FRAME_BYTES) return;
    have -= FRAME_BYTES;
    whole();
  });
  return {
    ask: () => {
      const answered = new Promise((resolve) => (whole = resolve));
      child.stdin.write(frame);
      return answered;
    },
    end: () => {
      child.stdin.end();
      return new Promise((resolve) => child.once('close', resolve));
    },
  };
}

export function messageTable(measured) {
  const row = (label, values, bare) => [
    label,
    micros(median(values) * 1000),
    micros(percentile(values, 0.99) * 1000),
    times(median(values) / median(bare)),
  ];
  return {
    title: 'A message to a running step, and one back',
    note: `Microseconds, ${TURN} in turns of each. Bare: two pipes between this process and an interpreter that reads and writes by itself, unsandboxed, frames of ${FRAME_BYTES} bytes as well.`,
    heads: ['', 'p50', 'p99', 'to bare'],
    rows: measured.flatMap(({ runtime: { name }, taken: { typed, bare } }) => [
      row(`${name}, typed step`, typed, bare),
      row(`${name}, bare pipes`, bare, bare),
    ]),
  };
}

export function messageGoals(measured) {
  return measured.map(({ runtime: { name }, taken: { typed, bare } }) => {
    const ratio = median(typed) / median(bare);
    return {
      what: `${name}, message to a running step and back, p50, to bare pipes`,
      value: times(ratio),
      measured: ratio,
      atMost: 3,
    };
  });
}
