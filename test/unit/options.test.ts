import assert from 'node:assert/strict';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SandboxError } from '#src/errors.js';
import { keyOf } from '#src/options/key.js';
import { OPTION_NAMES, resolveOptions } from '#src/options/resolve.js';
import { resolveSpawnerOptions } from '#src/options/spawner-options.js';

const MEBIBYTE = 2 ** 20;

const REFUSED: readonly (readonly [title: string, options: unknown, message: RegExp])[] = [
  ['an array', [], /options must be an object, and is an array/],
  ['an unknown name', { limit: {} }, /Unknown option 'limit'\. Did you mean 'limits'\?/],
  ['a name unlike any', { zzzzzzzz: 1 }, /Unknown option 'zzzzzzzz'\. Known are: limits,/],
  ['an unknown limit', { limits: { walltime: 1 } }, /Unknown option 'limits\.walltime'\. Did you mean 'wallTime'\?/],
  ['a limit of nothing', { limits: { memory: 0 } }, /limits\.memory must be at least 1 MiB/],
  ['scratch of nothing', { limits: { scratch: 0 } }, /limits\.scratch must be more than 0/],
  ['half a process', { limits: { processes: 1.5 } }, /limits\.processes must be a whole number from 1/],
  ['no processor', { limits: { cpus: 0 } }, /limits\.cpus must be a number of at least 0\.01/],
  [
    'a mount that is a number',
    { filesystem: { readOnly: [7] } },
    /filesystem\.readOnly\[0\] must be an object, and is 7/,
  ],
  [
    'a mount without a source',
    { filesystem: { readOnly: [{}] } },
    /filesystem\.readOnly\[0\]\.source must be a string/,
  ],
  [
    'a relative target',
    { filesystem: { writable: [{ source: '/a', target: 'b' }] } },
    /filesystem\.writable\[0\]\.target must be an absolute path/,
  ],
  ['a target with ..', { filesystem: { readOnly: [{ source: '/a', target: '/a/../b' }] } }, /must not contain '\.\.'/],
  ['a target in /proc', { filesystem: { readOnly: [{ source: '/a', target: '/proc/x' }] } }, /must not lie in \/proc/],
  ['a source in /dev shown in place', { filesystem: { readOnly: ['/dev/kvm'] } }, /must not lie in \/dev/],
  ['the root as a target', { filesystem: { readOnly: ['/'] } }, /must not be the root/],
  [
    'two mounts at one target',
    { filesystem: { readOnly: ['/a'], writable: [{ source: '/b', target: '/a/' }] } },
    /more than one source at '\/a'/,
  ],
  ['a NUL in a path', { filesystem: { readOnly: ['/a\0b'] } }, /must not contain a NUL/],
  ['a variable with = in its name', { env: { 'A=B': 'x' } }, /env has a name that no variable can have: 'A=B'/],
  ['a variable that is a number', { env: { A: 1 } }, /env\.A must be a string, and is 1/],
  ['a relative cwd', { cwd: 'x' }, /cwd must be an absolute path inside the sandbox/],
  ['root inside', { user: { uid: 0 } }, /user\.uid must be a whole number from 1 to 65533/],
  ['an account name with a colon', { user: { name: 'a:b' } }, /user\.name must be lower-case letters/],
  ['the account root', { user: { name: 'root' } }, /is taken by another account/],
  [
    'a mistyped mode',
    { stdout: 'ignored' },
    /stdout must be one of 'pipe', 'inherit', 'ignore', and is 'ignored'; did you mean 'ignore'\?/,
  ],
  ['collect: true', { collect: true }, /collect must be a number of bytes/],
  ['a terminal without a size', { terminal: {} }, /terminal\.columns must be a whole number from 1 to 65535/],
  ['a terminal of no rows', { terminal: { columns: 80, rows: 0 } }, /terminal\.rows must be a whole number/],
  ['a terminal with its end', { stdin: 'empty', terminal: { columns: 80, rows: 24 } }, /stdin cannot be 'empty'/],
  ['a terminal that is not read', { stdout: 'ignore', terminal: { columns: 80, rows: 24 } }, /stdout cannot be/],
  ['a terminal and stderr', { stderr: 'inherit', terminal: { columns: 80, rows: 24 } }, /stderr has no meaning/],
  [
    'a terminal under system calls that cannot open one',
    { syscalls: 'strict', terminal: { columns: 80, rows: 24 } },
    /opens a terminal with the filter on, and ioctl may be refused/,
  ],
  ['reject: 1', { reject: 1 }, /reject must be true or false/],
  ['the network of the host without a waiver', { network: 'host' }, /allowMissing: \['net'\]/],
  ['a pattern that climbs', { filesystem: { hide: ['../a'] } }, /hide\[0\] must not contain '\.\.'/],
  ['a rule for the directory itself', { filesystem: { protect: ['.'] } }, /protect\[0\] must name something below/],
  ['a pattern that ends anywhere', { filesystem: { hide: ['a/**'] } }, /must not end in '\*\*'/],
  [
    'a layer over what is mounted already',
    { filesystem: { overlay: ['/a'], readOnly: ['/a'] } },
    /more than one source/,
  ],
  ['an unknown layer', { allowMissing: ['network'] }, /allowMissing\[0\] must be one of 'user'/],
  ['a weaker form that does not exist', { allowWeaker: ['seccomp'] }, /has no use for 'seccomp'/],
];

void describe('options', () => {
  void test('without any, every default is filled in', () => {
    const { syscalls, allowWeaker, ...resolved } = resolveOptions({});
    assert.ok(syscalls);
    assert.equal(allowWeaker.length, process.geteuid?.() === 0 ? 0 : 5);
    assert.deepEqual(resolved, {
      limits: {
        memory: 512 * MEBIBYTE,
        processes: 128,
        cpuTime: Infinity,
        cpus: Infinity,
        wallTime: 60_000,
        idleTime: Infinity,
        output: 64 * MEBIBYTE,
        input: 64 * MEBIBYTE,
        scratch: 64 * MEBIBYTE,
        fileSize: Infinity,
        openFiles: 1024,
      },
      mounts: [],
      rules: [],
      root: undefined,
      scratchOnDisk: false,
      env: {},
      cwd: '/home/sandbox',
      user: { uid: 1000, gid: 1000, name: 'sandbox', home: '/home/sandbox' },
      stdin: 'empty',
      stdout: 'pipe',
      stderr: 'pipe',
      encoding: 'utf8',
      collect: 8 * MEBIBYTE,
      reject: false,
      terminal: undefined,
      network: 'none',
      coreScheduling: false,
      allowMissing: [],
      killGrace: 5000,
    });
  });

  for (const [title, options, message] of REFUSED) {
    void test(`${title} is refused`, () => {
      assert.throws(() => resolveOptions(options), hasCode('ERR_INVALID_OPTION', message));
    });
  }

  void test('scratch on a disk has an end, and so has a file in it', () => {
    const onDisk = { filesystem: { scratchOn: 'disk' } } as const;
    const { limits, scratchOnDisk } = resolveOptions({ ...onDisk, limits: { scratch: '3GiB' } });
    assert.equal(scratchOnDisk, true);
    assert.equal(limits.fileSize, 3 * 1024 * MEBIBYTE);
    assert.equal(resolveOptions({ ...onDisk, limits: { fileSize: '1MiB' } }).limits.fileSize, MEBIBYTE);
    assert.throws(
      () => resolveOptions({ ...onDisk, limits: { scratch: Infinity } }),
      hasCode('ERR_INVALID_OPTION', /^limits\.scratch must be at most 8 TiB on a disk, and is Infinity/),
    );
  });

  void test('scratch is at most half of the memory', () => {
    assert.equal(resolveOptions({ limits: { memory: '100MiB' } }).limits.scratch, 50 * MEBIBYTE);
    assert.equal(resolveOptions({ limits: { memory: '1MiB' } }).limits.scratch, MEBIBYTE / 2);
    assert.equal(resolveOptions({ limits: { memory: Infinity } }).limits.scratch, 64 * MEBIBYTE);
  });

  void test('mounts come outer first, whichever list they stand in, and else as given', () => {
    const filesystem = {
      readOnly: [{ source: '/s', target: '/a/b/c' }, '/d', '/c'],
      writable: [{ source: '/s', target: '/a/b' }],
    };
    const targets = resolveOptions({ filesystem }).mounts.map(({ target }) => target);
    assert.deepEqual(targets, ['/d', '/c', '/a/b', '/a/b/c']);
  });

  void test('sources are paths of the app: home and working directory count', () => {
    const { mounts } = resolveOptions({
      filesystem: { readOnly: ['~/data', 'relative'], writable: [{ source: '/x/', target: '/y', optional: true }] },
    });
    // Their order goes by the depth of the target, which differs from checkout to checkout.
    const byTarget = new Map(mounts.map((mount) => [mount.target, mount]));
    const expected = [
      { source: '/x', target: '/y', access: 'writable', optional: true },
      { source: join(homedir(), 'data'), target: join(homedir(), 'data'), access: 'readOnly', optional: false },
      {
        source: join(process.cwd(), 'relative'),
        target: join(process.cwd(), 'relative'),
        access: 'readOnly',
        optional: false,
      },
    ];
    assert.deepEqual(byTarget, new Map(expected.map((mount) => [mount.target, mount])));
  });

  void test('true passes the value of the app on, and nothing when it has none', () => {
    process.env['SPAWN_SANDBOX_UNIT'] = 'here';
    try {
      assert.deepEqual(resolveOptions({ env: { SPAWN_SANDBOX_UNIT: true, SPAWN_SANDBOX_NO: true, B: '' } }).env, {
        SPAWN_SANDBOX_UNIT: 'here',
        B: '',
      });
    } finally {
      delete process.env['SPAWN_SANDBOX_UNIT'];
    }
  });

  void test('whatever is given, the answer is options or a SandboxError', () => {
    const entry = fc.tuple(fc.constantFrom(...OPTION_NAMES), fc.oneof(fc.anything(), fc.object({ maxDepth: 2 })));
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 3 }), (entries) => {
        try {
          resolveOptions(Object.fromEntries(entries));
        } catch (error) {
          if (error instanceof SandboxError) return;
          throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});

void describe('the key of options', () => {
  void test('differs where a type differs', () => {
    const values = [
      '1',
      1,
      true,
      'true',
      null,
      undefined,
      [],
      {},
      ['a,b'],
      ['a', 'b'],
      { a: 1, b: 2 },
      { a: '1,b:2' },
      Infinity,
      'Infinity',
    ];
    assert.equal(new Set(values.map(keyOf)).size, values.length);
  });
  void test('is the same only for equal data', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        assert.equal(keyOf(a) === keyOf(b), JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});

void describe('options of the spawner', () => {
  void test('have defaults', () => {
    const { stateDirectory, ...rest } = resolveSpawnerOptions({});
    assert.ok(stateDirectory.startsWith('/'));
    assert.deepEqual(rest, {
      uidRange: undefined,
      cgroupParent: '',
      scratchDirectory: '/var/tmp',
      pool: 8,
      maxConcurrent: 1024,
      queueTimeout: 60_000,
    });
  });
  for (const [title, options, message] of [
    ['a typo', { maxConcurent: 1 }, /Did you mean 'maxConcurrent'/],
    ['half a range', { uidRange: { start: 5 } }, /uidRange\.count must be/],
    ['root as a lease', { uidRange: { start: 0, count: 5 } }, /uidRange\.start must be a whole number from 1/],
    ['a relative directory', { stateDirectory: 'x' }, /stateDirectory must be an absolute path/],
  ] as const) {
    void test(`${title} is refused`, () => {
      assert.throws(() => resolveSpawnerOptions(options), hasCode('ERR_INVALID_OPTION', message));
    });
  }
});

function hasCode(code: string, message: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof SandboxError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}
