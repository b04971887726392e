// An ordinary user has 200 keyrings, and each sandbox takes one.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { closeSpawner, createZygote } from 'spawn-sandbox';
import { isRoot } from '../helpers/privileges.js';

/** Takes all that are left, says how many, and gives them back a moment later. */
const HOLDER = `
import ctypes, platform, time
number = {"x86_64": 248, "aarch64": 217}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
taken = 0
def take():
  global taken
  while libc.syscall(number, b"keyring", b"held-%d" % taken, None, 0, -2) >= 0: taken += 1
  return ctypes.get_errno()
print(take(), flush=True)
end = time.monotonic() + 0.4
while time.monotonic() < end: take() # also those that come back meanwhile
`;

void test(
  'a zygote waits for a keyring that others have',
  { skip: isRoot ? 'root has a million' : false },
  async (context) => {
    await closeSpawner(); // what it has ready needs none any more
    const holder = spawn('python3', ['-c', HOLDER], { stdio: ['ignore', 'pipe', 'inherit'] });
    context.after(() => holder.kill('SIGKILL'));
    const [said] = (await once(holder.stdout, 'data')) as [Buffer];
    assert.equal(String(said).trim(), '122', 'the control: EDQUOT');
    let isHeld = true;
    holder.once('exit', () => (isHeld = false));
    const zygote = await createZygote({ runtime: 'python' });
    await zygote.destroy();
    assert.equal(isHeld, false, 'it came after the end of who had them');
  },
);
