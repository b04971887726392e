// An app that stands still: the spawner keeps its deadlines for it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { suite, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { processesWith, uniqueMarker } from '../helpers/marked-processes.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';
import { readProc } from '../helpers/zygote-processes.js';

const PROGRAM = fileURLToPath(new URL('./programs/stoppable.js', import.meta.url));
/** So many of them carry the marker, besides the app itself. */
const STEPS = 4;
/** The last deadline is 2 s; a machine that is busy takes longer to see to it. */
const STOPPED_MS = 4000;

interface End {
  readonly cause: string;
  readonly scope: string;
  readonly wallTimeMs: number;
  readonly last: string;
}

void suite('an app that is stopped while deadlines run', { timeout: 90_000 }, () => {
  void test('has its steps ended in time all the same, and is told so when it goes on', async (context) => {
    const marker = uniqueMarker();
    const state = join(temporaryDirectory(context), 'state');
    const app = spawn(process.execPath, [PROGRAM, state, marker], { stdio: ['ignore', 'pipe', 'inherit'] });
    context.after(() => app.kill('SIGKILL'));
    const lines = createInterface({ input: app.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, 'running');
    const running = (): number => processesWith(marker).filter((pid) => pid !== app.pid).length;
    app.kill('SIGSTOP');
    const stoppedAt = performance.now();
    assert.ok(running() > 0 && running() <= STEPS, 'the control: steps are running');
    await until('no step runs any more, though the app stands', () => running() === 0, { within: 30_000 });
    await pause(Math.max(0, STOPPED_MS - (performance.now() - stoppedAt)));
    assert.match(readProc(app.pid ?? 0, 'status'), /^State:\tT/m, 'the control: the app stands');
    const stoodMs = performance.now() - stoppedAt;
    app.kill('SIGCONT');
    const answer = JSON.parse(String((await lines.next()).value)) as Readonly<Record<string, End>> & {
      readonly next: string;
    };
    const { wall, cpu, flooding, talking, inSandbox, sandbox, next } = answer;
    assert.deepEqual([wall?.cause, wall?.scope], ['wallTimeout', 'step']);
    assert.equal(flooding?.cause, 'wallTimeout');
    assert.equal(cpu?.cause, 'cpuTimeout');
    assert.deepEqual([inSandbox?.cause, inSandbox?.scope, sandbox?.cause], ['wallTimeout', 'sandbox', 'wallTimeout']);
    for (const step of [wall, flooding, cpu, inSandbox]) {
      assert.ok(step !== undefined && step.wallTimeMs < stoodMs, `lasted ${step?.wallTimeMs} of ${stoodMs} ms`);
    }
    assert.deepEqual([talking?.cause, talking?.last], ['exit', '12'], 'nobody was silent');
    assert.equal(next, 'next\n');
    if (app.exitCode === null) await once(app, 'close');
    assert.equal(app.exitCode, 0);
  });
});
