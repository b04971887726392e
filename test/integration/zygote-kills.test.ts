// A zygote that is killed at any moment: no result is lost or wrong, and nothing waits for ever. `ZYGOTE_KILLS` says how often;
// `npm run test:long` does it 200 times.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { createZygote, SandboxError, type StepResult } from 'spawn-sandbox';
import { descendantsOf, spawnersOf } from '../helpers/marked-processes.js';
import { until } from '../helpers/until.js';
import { ANY_FORM } from '../helpers/weaker.js';

const KILLS = Number(process.env['ZYGOTE_KILLS'] ?? 16);
const STEPS = 4;
const LONGEST_MS = 150;

const RUNTIMES = [
  { runtime: 'python', program: '/.zygote/zygote.py', exit: (status: number) => `import sys; sys.exit(${status})` },
  { runtime: 'node', program: '/.zygote/zygote.cjs', exit: (status: number) => `process.exit(${status})` },
] as const;

function statusOf(pid: number): { readonly commandLine: string; readonly depth: number } {
  try {
    const [, ids = ''] = /^NSpid:(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return { commandLine: readFileSync(`/proc/${pid}/cmdline`, 'utf8'), depth: ids.trim().split(/\s+/).length };
  } catch {
    return { commandLine: '', depth: 0 };
  }
}

/** Kills what forks, which is in the first pid namespace below ours; its steps are further down. */
function killZygote(program: string): number {
  const found = spawnersOf(process.pid)
    .flatMap((spawner) => descendantsOf(spawner))
    .filter(({ pid }) => {
      const { commandLine, depth } = statusOf(pid);
      return depth === 2 && commandLine.includes(program);
    });
  let killed = 0;
  for (const { pid } of found) {
    try {
      process.kill(pid, 'SIGKILL');
      killed++;
    } catch {
      // it has just ended
    }
  }
  return killed;
}

/** Those of the zygote itself, of its steps, and of other commands. */
function killMaker(): void {
  const [spawner = 0] = spawnersOf(process.pid);
  const makers = descendantsOf(spawner).filter(({ parent }) => parent === spawner);
  const victim = makers[Math.floor(Math.random() * makers.length)];
  try {
    if (victim !== undefined) process.kill(victim.pid, 'SIGKILL');
  } catch {
    // it has just ended
  }
}

void suite('a maker that is killed at any moment', () => {
  void test('while a zygote’s steps are made loses some at most, and keeps none waiting', async (context) => {
    const zygote = await createZygote({ runtime: 'python', parked: 1, ...ANY_FORM });
    context.after(() => zygote.destroy());
    let isOver = false;
    const others = new Set<string>();
    const run = async (status: number): Promise<boolean> => {
      try {
        const result = await zygote.spawn({ code: `import sys, time; time.sleep(0.02); sys.exit(${status})` });
        assert.deepEqual([result.cause, result.status], ['exit', status]);
        return true;
      } catch (error) {
        if (!(error instanceof SandboxError)) throw error;
        others.add(error.code);
        return false;
      }
    };
    const load = Promise.all(
      [1, 2, 3].map(async (status) => {
        while (!isOver) {
          await run(status);
          await setTimeout(5);
        }
      }),
    );
    for (let killed = 0; killed < KILLS; killed++) {
      killMaker();
      await setTimeout(Math.random() * LONGEST_MS);
      await until('a step succeeds', () => run(7), { within: 30_000 });
    }
    isOver = true;
    await load;
    assert.deepEqual(
      [...others].filter((code) => code !== 'ERR_STEP_LOST'),
      [],
    );
  });
});

void suite('a zygote that is killed at any moment', () => {
  void test('and then, before the next one is warm, its spawner: is made anew with the next step', async (context) => {
    const preloadCode = 'import time; time.sleep(1)';
    const zygote = await createZygote({ runtime: 'python', preloadCode, ...ANY_FORM });
    context.after(() => zygote.destroy());
    assert.equal(killZygote('/.zygote/zygote.py'), 1);
    await setTimeout(300);
    for (const pid of spawnersOf(process.pid)) process.kill(pid, 'SIGKILL');
    await setTimeout(300);
    const { ok, stdout, detail } = await zygote.spawn({ code: 'print("again")' });
    assert.deepEqual([ok, stdout], [true, 'again\n'], detail);
  });

  for (const { runtime, program, exit } of RUNTIMES) {
    void test(`loses no result of ${runtime}, and hangs nothing`, async (context) => {
      const zygote = await createZygote({ runtime, mode: 'fork', parked: 1, ...ANY_FORM });
      context.after(() => zygote.destroy());
      const results: Promise<StepResult>[] = [];
      let killed = 0;
      while (killed < KILLS / 2) {
        for (let status = 0; status < STEPS; status++) results.push(zygote.spawn({ code: exit(status) }).result);
        await setTimeout(Math.random() * LONGEST_MS);
        killed += killZygote(program);
        const next = await zygote.spawn({ code: exit(7) });
        assert.deepEqual([next.cause, next.status], ['exit', 7]);
      }
      for (const [index, { cause, status }] of (await Promise.all(results)).entries()) {
        assert.deepEqual([cause, status], ['exit', index % STEPS]);
      }
    });
  }
});
