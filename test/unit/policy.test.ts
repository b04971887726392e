import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LAYERS, type Layer, layerMask } from '#src/layers.js';
import { resolveOptions } from '#src/options/resolve.js';
import type { SandboxOptions } from '#src/options/sandbox-options.js';
import { planStep } from '#src/plan.js';
import { buildPolicy, type Policy } from '#src/policy/policy.js';
import { startSettings } from '#src/policy/start-settings.js';
import { MOUNT_KIND, type MountMessage } from '#src/spawner/messages.js';

const COMMAND = { file: 'true', mounts: [], bins: [], key: '' };

function policyOf(options: SandboxOptions = {}): Policy {
  return buildPolicy(resolveOptions(options), COMMAND);
}

function mountAt(target: string, options: SandboxOptions = {}): MountMessage | undefined {
  return policyOf(options).mounts.findLast((mount) => mount.target.toString() === target);
}

/** The last mount at a target has at least these properties. */
function assertMount(target: string, expected: Partial<MountMessage>): void {
  const mount = mountAt(target);
  assert.deepEqual({ ...mount, ...expected }, mount);
}

function targets(policy: Policy): readonly string[] {
  return policy.mounts.map(({ target }) => target.toString());
}

void describe('the root that a step sees', () => {
  void test('has /usr read-only', () => {
    assertMount('/usr', { kind: MOUNT_KIND.readOnly, source: Buffer.from('/usr') });
  });
  void test('binds nothing but /usr, its aliases, names in /etc and devices', () => {
    const binding: readonly number[] = [MOUNT_KIND.readOnly, MOUNT_KIND.writable, MOUNT_KIND.device];
    const bound = policyOf()
      .mounts.filter(({ kind }) => binding.includes(kind))
      .map(({ source }) => String(source));
    const foreign = bound.filter(
      (source) => !/^\/(usr$|bin$|sbin$|lib\w*$|etc\/|dev\/(null|zero|full|random|urandom|tty)$)/.test(source),
    );
    assert.deepEqual(foreign, []);
  });
  void test('shows no secret of /etc', () => {
    const secrets =
      /shadow|gshadow|sudoers|ssl\/private|pki\/tls\/private|gitconfig|netrc|npmrc|pip\.conf|machine-id|ssh|krb5|fstab/;
    assert.deepEqual(
      targets(policyOf()).filter((target) => secrets.test(target)),
      [],
    );
  });
  void test('has its own accounts, and neither the names nor the ids of the host', () => {
    const passwd = String(mountAt('/etc/passwd', { user: { uid: 1234, gid: 5678, name: 'worker' } })?.content);
    assert.deepEqual(passwd.split('\n'), [
      'root:x:0:0:root:/root:/usr/sbin/nologin',
      'worker:x:1234:5678:worker:/home/worker:/bin/sh',
      'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
      '',
    ]);
  });
  void test('has no name servers without a network', () => {
    assert.deepEqual(mountAt('/etc/resolv.conf')?.content, Buffer.from(''));
  });
  void test('has scratch for /tmp and a home of its own, and /dev/shm that executes nothing', () => {
    assertMount('/tmp', { kind: MOUNT_KIND.scratch, mode: 0o1777 });
    assertMount('/home/sandbox', { kind: MOUNT_KIND.scratch, mode: 0o700 });
    assertMount('/dev/shm', { kind: MOUNT_KIND.scratch, mode: 0o1777, noExec: true });
  });
  void test("lets the app's mounts win, in its order", () => {
    const all = targets(
      policyOf({ filesystem: { readOnly: ['/tmp/a'], writable: [{ source: '/b', target: '/home/sandbox/b' }] } }),
    );
    assert.deepEqual(all.slice(-2), ['/tmp/a', '/home/sandbox/b']);
  });
  void test('never mounts twice at one place', () => {
    const all = targets(policyOf());
    assert.equal(new Set(all).size, all.length);
  });
  void test('hides what of /proc tells about the host', () => {
    const covered = policyOf().cover.map(String);
    for (const path of ['/proc/kallsyms', '/proc/keys', '/proc/cmdline', '/proc/partitions'])
      assert.ok(covered.includes(path), path);
    for (const path of ['/proc/meminfo', '/proc/cpuinfo', '/proc/self', '/proc/sys'])
      assert.ok(!covered.includes(path), path);
    assert.ok(covered.length <= 40);
  });
});

void describe('layers', () => {
  const bits = (mask: number): readonly Layer[] => LAYERS.filter((layer) => (mask & layerMask([layer])) !== 0);

  void test('are all required but Landlock and the limits of which nothing is asked', () => {
    const missing = LAYERS.filter((layer) => !bits(policyOf().require).includes(layer));
    assert.deepEqual(missing, ['landlock', 'cpu']);
  });
  void test('of limits are required as soon as there is one', () => {
    assert.ok(bits(policyOf({ limits: { cpuTime: '1s' } }).require).includes('cpu'));
    assert.ok(!bits(policyOf({ limits: { memory: Infinity } }).require).includes('memory'));
  });
  void test('that the app waives are not required and may be missing', () => {
    const policy = policyOf({ allowMissing: ['net'], network: 'host' });
    assert.ok(!bits(policy.require).includes('net'));
    assert.ok(bits(policy.allowMissing).includes('net'));
    assert.equal(policy.hostNetwork, true);
  });
  void test('are never required and waived at once', () => {
    const { require, allowMissing } = policyOf({ allowMissing: ['seccomp', 'cpu'] });
    assert.equal(require & allowMissing, 0);
  });
  void test('may be weaker only by name', () => {
    assert.deepEqual(bits(policyOf({ allowWeaker: ['memory', 'cpu'] }).allowWeaker), ['memory', 'cpu']);
    assert.equal(policyOf({ allowWeaker: [] }).allowWeaker, 0);
  });
});

void describe('the settings of a start', () => {
  void test('hold an environment that is not inherited', () => {
    process.env['SPAWN_SANDBOX_SECRET'] = 'x';
    try {
      const { env } = startSettings(resolveOptions({ env: { LANG: 'de', A: 'b' } }), COMMAND, false);
      assert.deepEqual(env.map(String), [
        'PATH=/usr/local/bin:/usr/bin:/bin',
        'HOME=/home/sandbox',
        'USER=sandbox',
        'LOGNAME=sandbox',
        'LANG=de',
        'A=b',
      ]);
    } finally {
      delete process.env['SPAWN_SANDBOX_SECRET'];
    }
  });
  void test("have the interpreter's own directory first in PATH", () => {
    const { env } = startSettings(resolveOptions({}), { ...COMMAND, bins: ['/opt/x/bin'] }, false);
    assert.equal(String(env[0]), 'PATH=/opt/x/bin:/usr/local/bin:/usr/bin:/bin');
  });
  void test('say no limit by 0', () => {
    const { limits } = startSettings(
      resolveOptions({ limits: { memory: Infinity, wallTime: Infinity, cpus: 0.5 } }),
      COMMAND,
      false,
    );
    assert.deepEqual([limits.memoryBytes, limits.wallTimeMs, limits.milliCpus, limits.cpuTimeMs], [0, 0, 500, 0]);
  });
  void test('ask to be told of the start only for idle time', () => {
    assert.equal(startSettings(resolveOptions({}), COMMAND, false).announce, false);
    assert.equal(startSettings(resolveOptions({ limits: { idleTime: '1s' } }), COMMAND, false).announce, true);
  });
});

void describe('plans', () => {
  void test('of equal options share everything', () => {
    const one = planStep('true', [], { limits: { memory: '1GiB' } });
    const other = planStep('true', ['x'], { limits: { memory: '1GiB' } });
    assert.equal(one.policy, other.policy);
    assert.equal(one.settings, other.settings);
  });
  void test('that differ in what concerns only the step share the policy, and so its sandboxes', () => {
    const one = planStep('true', [], { env: { A: '1' } });
    const other = planStep('true', [], { env: { A: '2' }, limits: { wallTime: '1s' }, encoding: 'buffer' });
    assert.equal(one.policy, other.policy);
    assert.notEqual(one.settings, other.settings);
  });
  void test('that differ in what a sandbox is made of do not', () => {
    const base = planStep('true', [], {}).policy;
    for (const options of [
      { filesystem: { readOnly: ['/opt'] } },
      { user: { uid: 5 } },
      { syscalls: 'strict' },
      { allowMissing: ['cpu'] },
      { limits: { scratch: '1MiB' } },
    ] as const satisfies readonly SandboxOptions[]) {
      assert.notEqual(planStep('true', [], options).policy, base, JSON.stringify(options));
    }
  });
  void test('see a change of a variable that is passed on', () => {
    process.env['SPAWN_SANDBOX_UNIT'] = 'one';
    const one = planStep('true', [], { env: { SPAWN_SANDBOX_UNIT: true } });
    process.env['SPAWN_SANDBOX_UNIT'] = 'two';
    const two = planStep('true', [], { env: { SPAWN_SANDBOX_UNIT: true } });
    delete process.env['SPAWN_SANDBOX_UNIT'];
    assert.deepEqual(
      [one, two].map(({ options }) => options.env['SPAWN_SANDBOX_UNIT']),
      ['one', 'two'],
    );
  });
  void test('refuse arguments that no program can get', () => {
    assert.throws(() => planStep('', [], {}), { code: 'ERR_INVALID_OPTION' });
    assert.throws(() => planStep('a', ['b\0c'], {}), /args\[0\] must not contain a NUL/);
    assert.throws(() => planStep('a', [7 as unknown as string], {}), /args\[0\] must be a string/);
  });
});

void describe('what of a sandbox may serve the next one', () => {
  const reuse = (options: SandboxOptions): readonly boolean[] => {
    const { reuseNet, reuseUser } = policyOf(options);
    return [reuseNet, reuseUser];
  };
  const allowing = (name: string): SandboxOptions => ({
    syscalls: { extends: 'default', rules: [{ name, verdict: 'allow', reason: 'a test' }] },
  });
  void test('net and user namespace, under every preset', () => {
    for (const syscalls of ['default', 'strict', 'build'] as const) assert.deepEqual(reuse({ syscalls }), [true, true]);
  });
  void test('no net namespace where a descriptor could leave the step, or that is the host itself', () => {
    assert.deepEqual(reuse({ filesystem: { readOnly: ['/srv'] } }), [false, true]);
    assert.deepEqual(reuse({ filesystem: { writable: ['/srv'] } }), [false, true]);
    assert.deepEqual(reuse({ network: 'host', allowMissing: ['net'] }), [false, true]);
  });
  void test('no net namespace under a policy with sockets of its own', () => {
    assert.deepEqual(reuse(allowing('socket')), [false, true]);
    assert.deepEqual(reuse(allowing('getpid')), [true, true]);
  });
  void test('no user namespace where keyrings are permitted', () => {
    for (const name of ['add_key', 'keyctl', 'request_key']) assert.deepEqual(reuse(allowing(name)), [true, false]);
  });
  void test('nothing where it is accepted that no filter is installed', () => {
    assert.deepEqual(reuse({ allowMissing: ['seccomp'] }), [false, false]);
    assert.deepEqual(reuse({ allowMissing: ['landlock'] }), [true, true]);
  });
  void test('one keyring serves all where none can be used', () => {
    assert.equal(policyOf({}).keyless, true);
    assert.equal(policyOf({ allowMissing: ['seccomp'] }).keyless, false);
    for (const name of ['add_key', 'keyctl', 'request_key']) assert.equal(policyOf(allowing(name)).keyless, false);
  });
});
