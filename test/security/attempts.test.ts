import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { suite, test } from 'node:test';
import { closeSpawner, spawnSandbox } from 'spawn-sandbox';
import { isRoot } from '../helpers/privileges.js';
import { compileProbe, runOutside } from '../helpers/probe.js';
import { run } from '../helpers/run.js';

const EPERM = 1;
const EINVAL = 22;
const ENOTTY = 25;
const EDQUOT = 122;
const ENOSYS = 38;

/** What the attempt is, and what answers it outside when that is not success. */
const ATTEMPTS: Readonly<Record<string, string>> = {
  'unshare-user': 'a user namespace by unshare',
  'clone-user': 'a user namespace by clone',
  'clone-user-garbage': 'a user namespace by clone, with bits that the kernel cuts off',
  'clone3-user': 'a user namespace by clone3, whose flags no filter sees',
  'clone-parent': 'a child of its parent',
  'clone-untraced': 'a child that cannot be traced',
  mount: 'a mount',
  umount: 'an unmount of what covers /proc',
  open_tree: 'a mount by descriptor',
  listmount: 'the list of mounts',
  setns: 'another namespace',
  chroot: 'another root',
  'file-handle': 'files by number',
  ptrace: 'tracing',
  process_vm_readv: 'memory of another process',
  pidfd_getfd: 'descriptors of another process',
  'prlimit-other': 'limits of another process',
  bpf: 'a program in the kernel',
  perf: 'performance counters',
  keyctl: 'the session keyring',
  add_key: 'a key',
  userfaultfd: 'page faults',
  io_uring: 'a ring of calls that no filter sees',
  io_setup: 'asynchronous requests, counted for the whole host',
  openat2: 'openat2, whose mode no filter sees',
  fanotify: 'events of whole file systems',
  vmsplice: 'own pages in a pipe',
  modify_ldt: 'descriptor tables of the processor',
  ioperm: 'ports of the hardware',
  listener: 'a listener of its own for system calls',
  adjtimex: 'the clock of the host',
  'syscall-dispatch': 'a handler in place of system calls',
  'merge-all': 'merged pages, of all its memory',
  personality: 'addresses that are not random',
  'personality-garbage': 'the same, with bits that the kernel cuts off',
  'real-time': 'a real-time class',
  'higher-priority': 'a higher priority',
  'io-priority': 'a priority for the disk',
  'memory-policy': 'memory of another node',
  'set-id': 'a set-uid bit by fchmod',
  'set-id-garbage': 'a set-gid bit by fchmod, with bits that the kernel cuts off',
  'set-id-path': 'set-id bits by fchmodat',
  'set-id-newer': 'set-id bits by fchmodat2',
  'set-id-open': 'set-id bits by open',
  'set-id-unnamed': 'set-id bits by open of a file without a name',
  'set-id-node': 'set-id bits by mknod',
  device: 'a device node',
  whiteout: 'a device node by rename',
  'read-lease': 'a lease that holds back who writes',
  'write-lease': 'a lease that holds back who reads',
  'hidden-blocks': 'blocks beyond the end of a file, which no limit of sizes counts',
  dnotify: 'notes of what happens in a directory',
  syncfs: 'a file system written back',
  'capability-xattr': 'capabilities of a file',
  'huge-pages': 'huge pages',
  'huge-memfd': 'a file of huge pages',
  merge: 'merged pages',
  mlock: 'more locked memory than it may have',
  'uevent-socket': 'a socket for events of devices',
  'diagnosis-socket': 'a socket that lists sockets',
  'packet-socket': 'a packet socket',
  'raw-socket': 'a raw socket',
  'socket-filter': 'a program at a socket',
  'port-filter': 'a program for a group of sockets',
  'tcp-signature': 'a cipher of the kernel, for signatures of TCP',
  'type-into-terminal': 'letters typed into the terminal',
  'type-garbage': 'letters typed into the terminal, with bits that the kernel cuts off',
  'console-paste': 'the clipboard of the console',
  'line-discipline': 'a line discipline',
};
/** There is no terminal outside either: that the answer is another one tells who gives it. */
const TERMINAL = ['type-into-terminal', 'type-garbage', 'console-paste', 'line-discipline'];
/** A kernel that lacks them takes them for a wrong argument. */
const OPERATIONS = ['syscall-dispatch', 'merge-all'];
/** The kernel refuses them to an ordinary user itself: then only root's run proves that we refuse them. */
const OF_ROOT = 'setns chroot bpf real-time higher-priority capability-xattr mlock packet-socket raw-socket'.split(' ');

type Answers = ReadonlyMap<string, number>;

void suite('attempts by system calls', () => {
  const program = compileProbe('attempts');
  const skip = program === undefined ? 'gcc not found: apt-get install -y gcc libc6-dev' : false;
  const inside = program === undefined ? undefined : run(program).then(({ stdout }) => answersIn(stdout));
  inside?.catch(() => undefined);
  const outside = program === undefined ? undefined : answersIn(runOutside(program));

  for (const [name, what] of Object.entries(ATTEMPTS)) {
    void test(`a step does not get ${what}`, { skip, timeout: 60_000 }, async (context) => {
      const [control, answer] = [outside?.get(name), (await inside)?.get(name)];
      assert.notEqual(control, undefined, 'the control ran');
      assert.ok(answer !== undefined && answer > 0, `inside: ${String(answer)}`);
      if (control === ENOSYS || (control === EINVAL && OPERATIONS.includes(name)))
        context.diagnostic('this kernel lacks it');
      else if (TERMINAL.includes(name)) assert.deepEqual([control, answer], [ENOTTY, EPERM]);
      // The user's quota of keys, used up by the keyrings of earlier sandboxes until the kernel collects them: it was reached.
      else if (name === 'add_key' && control === EDQUOT) context.diagnostic('no key is left to this user');
      else if (isRoot || !OF_ROOT.includes(name)) assert.equal(control, 0, 'outside it must succeed');
    });
  }

  void test('every attempt of the program has a test', { skip }, () => {
    assert.deepEqual([...(outside?.keys() ?? [])].sort(), Object.keys(ATTEMPTS).sort());
  });

  for (const [abi, what] of Object.entries({ i386: 'int 0x80', x32: 'the x32 bit' })) {
    void test(`a call by ${what} ends the step, and the kernel tells so`, { skip, timeout: 60_000 }, async () => {
      if (program === undefined || process.arch !== 'x64') return;
      const result = await spawnSandbox(program, [abi]);
      assert.equal(result.cause, 'seccomp', result.detail);
      // The control: the same program with a call of its own ABI.
      assert.equal((await run(program)).ok, true);
    });
  }

  void test('the sandbox closes and leaves no file of the attempts', { skip }, async () => {
    await inside;
    await closeSpawner();
    assert.equal(execFileSync('sh', ['-c', 'ls /tmp | grep -c "^attempt-" || true'], { encoding: 'utf8' }).trim(), '0');
  });
});

function answersIn(output: string): Answers {
  const lines = output.trim().split('\n');
  return new Map(lines.map((line) => [line.split(' ')[0] ?? '', Number(line.split(' ')[1])]));
}

void test("the limit that keeps the host's core dump handler asleep cannot be changed", async () => {
  // Outside the limit is lowered: the control. Inside the same seems to succeed, and does nothing.
  const script = 'ulimit -S -c 0; echo $?; ulimit -H -c 0; grep "core file" /proc/self/limits';
  const blanks = / +/g;
  const outside = execFileSync('sh', ['-c', script], { encoding: 'utf8' }).replace(blanks, ' ');
  assert.match(outside, /^0\nMax core file size 0 0 bytes/);
  for (const syscalls of ['default', 'build'] as const) {
    const inside = await run('sh', ['-c', script], { syscalls });
    assert.match(inside.stdout.replace(blanks, ' '), /^0\nMax core file size 1 1 bytes/);
  }
});
