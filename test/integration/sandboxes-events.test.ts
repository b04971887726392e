import assert from 'node:assert/strict';
import { once } from 'node:events';
import { suite, test } from 'node:test';
import { createSandbox, type Sandbox, type SandboxEvents } from 'spawn-sandbox';
import { living, sh, speaking, stdoutOf } from '../helpers/living.js';
import { until } from '../helpers/until.js';

type AnyEvent = SandboxEvents[keyof SandboxEvents];

function recorded(sandbox: Sandbox): AnyEvent[] {
  const events: AnyEvent[] = [];
  for (const name of ['start', 'end', 'over'] as const) sandbox.on(name, (event: AnyEvent) => events.push(event));
  return events;
}

const shown = (event: AnyEvent) => (event.type === 'over' ? `over ${event.cause}` : `${event.type} ${event.id}`);

void suite('the events of a sandbox', () => {
  void test('tell of each command when it begins and how it ended', async (context) => {
    const sandbox = await living(context);
    const events = recorded(sandbox);
    const begun = Date.now();
    const { step } = await speaking(sh(sandbox, 'echo x; sleep 0.2; exit 7'));
    await until('its start is told, which comes by another way than what it writes', () => events.length > 0);
    const [start] = events;
    assert.ok(start?.type === 'start', 'before it has ended');
    assert.deepEqual([start.id, start.file, start.args], [step.id, 'sh', ['-c', 'echo x; sleep 0.2; exit 7']]);
    const result = await step;
    const end = events[1];
    assert.ok(end?.type === 'end' && events.length === 2);
    assert.equal(end.result, result);
    assert.deepEqual([end.id, end.file, end.args, end.error], [start.id, start.file, start.args, undefined]);
    assert.ok(begun <= start.at && start.at + 150 <= end.at && end.at <= Date.now());
  });

  void test('are one start and one end, for however many commands', async (context) => {
    const sandbox = await living(context);
    const events = recorded(sandbox);
    const steps = Array.from({ length: 20 }, (_, index) => sh(sandbox, `sleep 0.0${index % 10}`));
    await Promise.all(steps);
    for (const { id } of steps) {
      const own = events.filter((event) => event.type !== 'over' && event.id === id);
      assert.deepEqual(own.map(shown), [`start ${id}`, `end ${id}`]);
    }
    assert.equal(events.length, 40);
  });

  void test('have no start of a command that never began', async (context) => {
    const sandbox = await living(context);
    const events = recorded(sandbox);
    await sandbox.pause();
    const withdrawn = sh(sandbox, 'true');
    withdrawn.kill();
    await withdrawn;
    const aborted = sh(sandbox, 'true', { signal: AbortSignal.abort() });
    await aborted;
    assert.deepEqual(events.map(shown), [`end ${withdrawn.id}`, `end ${aborted.id}`]);
  });

  void test('tell of errors of the library, too', async (context) => {
    const sandbox = await living(context);
    const events = recorded(sandbox);
    const step = sandbox.spawn('no-such-program');
    await assert.rejects(step.result, { code: 'ERR_COMMAND_NOT_FOUND' });
    const end = events.at(-1);
    assert.ok(end?.type === 'end' && end.result === undefined);
    assert.equal(end.error?.code, 'ERR_COMMAND_NOT_FOUND');
  });

  void test('end with that of the sandbox, once', async () => {
    const sandbox = await createSandbox();
    const events = recorded(sandbox);
    const { step } = await speaking(sh(sandbox, 'echo x; sleep 1000'));
    await sandbox.destroy();
    await step;
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(events.map(shown), [`start ${step.id}`, `end ${step.id}`, 'over destroyed']);
  });

  void test('of a listener that throws are a warning, and nothing else', async (context) => {
    const sandbox = await living(context);
    const warned = once(process, 'warning') as Promise<[Error]>;
    const broken = () => {
      throw new Error('a mistake of the listener');
    };
    sandbox.on('start', broken).on('end', broken);
    const events = recorded(sandbox);
    assert.equal(await stdoutOf(sh(sandbox, 'echo well')), 'well');
    assert.equal((await warned)[0].message, 'a mistake of the listener');
    assert.equal(events.length, 2);
    sandbox.off('start', broken).off('end', broken);
  });

  void test('can be listened to later: a command that runs is then told of when it ends', async (context) => {
    const sandbox = await living(context);
    const { step } = await speaking(sh(sandbox, 'echo x; sleep 0.2'));
    const events = recorded(sandbox);
    await step;
    assert.deepEqual(events.map(shown), [`start ${step.id}`, `end ${step.id}`]);
  });
});
