// What a command leaves in the background is as hostile as the command was, and nobody waits for it.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startApp } from '../helpers/app.js';
import { living, python, sh, stdoutOf } from '../helpers/living.js';
import {
  countDescriptors,
  processesWith,
  spawnersOf,
  uniqueMarker,
  untilGone,
  untilRunning,
} from '../helpers/marked-processes.js';
import { until } from '../helpers/until.js';

const KEEP = { keepBackground: true };

/** Sends everybody what the spawner sends the keeper of a command that leaves something: as itself, and as if it were the kernel. */
const TELLS_KEEPERS = `
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
said = b""
print("begun", flush=True)
while True:
  for name in os.listdir("/proc"):
    if not name.isdigit() or int(name) == os.getpid(): continue
    try: os.kill(int(name), 10)
    except OSError: pass
    for code in (0, -1, 0x80):
      info = struct.pack("iiiiII", 10, 0, code, 0, 0, 0).ljust(128, b"\\0")
      libc.syscall(129 if os.uname().machine == "x86_64" else 138, int(name), 10, info)
`;

void suite('what is left in the background', () => {
  void test('cannot be had by telling the keepers of others', async (context) => {
    const sandbox = await living(context);
    const [ended, kept] = [uniqueMarker(), uniqueMarker()];
    // It sends for as long as the others run, and what it starts itself is not ended by its own signals.
    const teller = python(sandbox, `import signal\nsignal.signal(10, signal.SIG_IGN)\n${TELLS_KEEPERS}`);
    for await (const line of teller) {
      assert.equal(line, 'begun');
      break;
    }
    const leave = (marker: string) =>
      `trap "" USR1; sh -c 'trap "" USR1; while :; do sleep 1; done' ${marker} & sleep 0.3`;
    await stdoutOf(sh(sandbox, leave(ended)));
    assert.deepEqual(processesWith(ended), []);
    await stdoutOf(sh(sandbox, leave(kept), KEEP));
    assert.equal(processesWith(kept).length, 1, 'control');
    teller.kill();
    await teller;
  });

  void test('takes few descriptors of the spawner, and leaves commands room', async (context) => {
    const sandbox = await living(context, { ...KEEP, limits: { processes: 64 } });
    const [spawner = 0] = spawnersOf(process.pid);
    await stdoutOf(sh(sandbox, 'true'));
    const before = countDescriptors(spawner);
    for (let round = 0; round < 40; round++) await stdoutOf(sh(sandbox, 'sleep 1000 > /dev/null 2>&1 &'));
    const each = (countDescriptors(spawner) - before) / 40;
    assert.ok(each <= 16, `${each} descriptors`);
    assert.equal((await sandbox.usage()).commands.length, 40);
    assert.equal(await stdoutOf(sh(sandbox, 'echo well')), 'well');
    await sandbox.destroy();
    await until('they are given back', () => countDescriptors(spawner) <= before);
  });

  void test('is gone with the app, also when all stands still', async (context) => {
    for (const end of ['app', 'spawner'] as const) {
      const marker = uniqueMarker();
      const code = `
import { createSandbox } from 'spawn-sandbox';
const sandbox = await createSandbox({ keepBackground: true });
await sandbox.spawn('sh', ['-c', "setsid sh -c 'touch /tmp/up; while :; do sleep 1; done' ${marker} & until test -e /tmp/up; do sleep 0.02; done"]);
await sandbox.pause();
console.log(sandbox.paused);
setInterval(() => undefined, 1000);`;
      const app = startApp(context, code);
      assert.match(await app.line(), /^(frozen|stopped)$/);
      await untilRunning(marker);
      const [spawner = 0] = spawnersOf(app.pid);
      process.kill(end === 'app' ? app.pid : spawner, 'SIGKILL');
      await untilGone(marker, 2000);
    }
  });

  void test('ends when it breaks a rule that kills, and the sandbox goes on', async (context) => {
    const sandbox = await living(context, {
      syscalls: { extends: 'default', rules: [{ name: 'personality', verdict: 'kill', reason: 'a test' }] },
      ...KEEP,
    });
    const breaks =
      'import ctypes, os, time\nif os.fork(): os._exit(0)\ntime.sleep(0.3)\nctypes.CDLL(None).personality(8)\ntime.sleep(1000)';
    await stdoutOf(python(sandbox, breaks));
    assert.equal((await sandbox.usage()).commands.length, 1, 'it waits');
    await until('it is ended', async () => (await sandbox.usage()).commands.length === 0);
    await delay(50);
    assert.equal(await stdoutOf(sh(sandbox, 'echo well')), 'well');
  });
});
