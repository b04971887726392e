import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { createSandbox, type FilesystemOptions, type SandboxOptions, spawnSandbox } from 'spawn-sandbox';
import { isRanged, isRoot } from '../helpers/privileges.js';
import { run, stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const SECRETS = {
  '.env': 'SECRET',
  'key.pem': 'SECRET',
  '.hidden.pem': 'SECRET',
  'src/.env': 'deep',
  'src/deep/key.pem': 'deep',
  'private/a': 'SECRET',
  'private/b/c': 'SECRET',
  open: 'open',
};
const ACCESSES = ['readOnly', 'writable', 'overlay'] as const;

function at(directory: string, access: (typeof ACCESSES)[number], rules: FilesystemOptions = {}): SandboxOptions {
  return { filesystem: { [access]: [{ source: directory, target: '/project' }], ...rules }, cwd: '/project' };
}

function listing(directory: string): string {
  return execFileSync('find', [directory, '-printf', '%P %y %m %U:%G %s %l %T@\\n'], { encoding: 'latin1' });
}

/** What a script can read of all that there is, and what of it is said to be there. */
const READ = 'find . -type f -exec cat {} + 2>/dev/null | tr -d "\\n"; ls -RA | tr "\\n" " "';

void suite('hidden paths', () => {
  for (const access of ACCESSES) {
    void test(`cannot be read in a directory that is ${access}`, async (context) => {
      const directory = temporaryDirectory(context, SECRETS);
      const before = listing(directory);
      const hide = ['.env', '*.pem', 'private'];
      assert.doesNotMatch(await stdoutOf('sh', ['-c', READ], at(directory, access, { hide })), /SECRET/);
      assert.match(await stdoutOf('sh', ['-c', READ], at(directory, access, { hide })), /open.*deep|deep.*open/);
      assert.match(await stdoutOf('sh', ['-c', READ], at(directory, access)), /SECRET/, 'the control: without rules');
      assert.equal(listing(directory), before);
    });

    void test(`cannot be got at by other ways in a directory that is ${access}`, async (context) => {
      const directory = temporaryDirectory(context, SECRETS);
      const hide = ['.env', '*.pem', 'private', '**/key.pem'];
      const script = `
        ln .env hard 2>/dev/null; cat hard 2>/dev/null
        mv .env moved 2>/dev/null; cat moved 2>/dev/null; rm -f .env 2>/dev/null; cat .env 2>/dev/null
        ln -s private link 2>/dev/null; cat link/a 2>/dev/null; cat private/../private/b/c 2>/dev/null
        mv private p2 2>/dev/null; cat p2/a 2>/dev/null; cp -r . /tmp/copy 2>/dev/null; cat /tmp/copy/.env /tmp/copy/private/a 2>/dev/null
        mv src s2 2>/dev/null; cat s2/deep/key.pem 2>/dev/null; cat /proc/self/cwd/.env /proc/1/root/project/.env 2>/dev/null
        umount .env 2>/dev/null; cat .env; cat /.covers/*/.env /.root/.env /.covers/*/* 2>/dev/null
        unshare -Urm cat .env 2>/dev/null; chmod 777 .env 2>/dev/null; echo done`;
      const options = at(directory, access, { hide });
      const { stdout } = await run('sh', ['-c', script], options);
      assert.doesNotMatch(stdout, /SECRET/);
      assert.match(stdout, /done/);
    });
  }

  void test('with ** are found at every depth, and links to them lead to nothing', async (context) => {
    const directory = temporaryDirectory(context, SECRETS);
    symlinkSync('../.env', join(directory, 'src/link'));
    const output = await stdoutOf(
      'sh',
      ['-c', READ + '; cat src/link'],
      at(directory, 'readOnly', { hide: ['**/.env', '**/*.pem', 'private'] }),
    );
    assert.doesNotMatch(output, /SECRET|deep[^/]*open|deepdeep/);
    assert.match(output, /open/);
  });

  void test('are looked for at every start, and not before', async (context) => {
    const directory = temporaryDirectory(context, SECRETS);
    const options = at(directory, 'overlay', { hide: ['*.pem', '**/*.key'] });
    for (let index = 0; index < 4; index++) {
      writeFileSync(join(directory, `new-${index}.pem`), 'SECRET');
      writeFileSync(join(directory, `src/new-${index}.key`), 'SECRET');
      const step = await run('sh', ['-c', 'cat *.pem src/*.key; ls *.pem src/*.key | wc -l'], options);
      assert.equal(step.stdout.trim(), String(1 + 2 * (index + 1)), 'they are there, and empty');
    }
  });

  void test('are the same for all commands of a sandbox, and for what is given as an absolute path', async (context) => {
    const directory = temporaryDirectory(context, SECRETS);
    const sandbox = await createSandbox(
      at(directory, 'overlay', { hide: ['/project/.env', '/project/p?iv*', '/usr/share/doc'] }),
    );
    try {
      for (let round = 0; round < 2; round++) {
        const { stdout } = await sandbox.spawn('sh', [
          '-c',
          'cat .env; ls -A private /usr/share/doc; echo x >> open; echo -n end',
        ]);
        assert.equal(stdout, '/usr/share/doc:\n\nprivate:\nend');
      }
      assert.deepEqual(
        (await sandbox.changes()).map(({ path }) => path),
        ['/project/open'],
      );
    } finally {
      await sandbox.destroy();
    }
  });

  void test('that are not there hide nothing, and nothing is made', async (context) => {
    const directory = temporaryDirectory(context, SECRETS);
    const before = listing(directory);
    await run('true', [], at(directory, 'writable', { hide: ['nothing', 'no/thing', '*.none', '**/none'] }));
    assert.equal(listing(directory), before);
  });

  void test('follow the links of a hostile directory only within the sandbox', async (context) => {
    const secret = temporaryDirectory(context, { file: 'untouched' });
    const directory = temporaryDirectory(context, { open: 'x' });
    for (const [name, to] of Object.entries({
      '.env': '/',
      a: '/',
      // Where it leads, only root and the step itself may see; then it is an error that says so.
      ...(isRanged ? {} : { b: '/proc/1/root' }),
      c: '/proc/self/fd',
      d: secret,
      e: 'e',
      f: '/etc/passwd',
    }))
      symlinkSync(to, join(directory, name));
    const { stdout } = await run(
      'sh',
      ['-c', 'echo works; cat open'],
      at(directory, 'readOnly', { hide: ['.env', '?', '**/x'] }),
    );
    assert.equal(stdout, 'works\nx');
    assert.equal(readFileSync(join(secret, 'file'), 'utf8'), 'untouched');
  });

  void test('of a tree that never ends are an error that comes soon', { timeout: 60_000 }, async (context) => {
    const directory = temporaryDirectory(context);
    let path = directory;
    for (let depth = 0; depth < 200; depth++) mkdirSync((path = join(path, 'd')));
    await assert.rejects(spawnSandbox('true', [], at(directory, 'readOnly', { hide: ['**/x'] })).result, {
      code: 'ERR_MOUNT_RULE',
    });
    await run('true', [], at(directory, 'readOnly', { hide: ['*/x'] }));
  });

  void test('are still found by the next sandbox: what they lie in cannot be moved away', async (context) => {
    const directory = temporaryDirectory(context, SECRETS);
    const options = at(directory, 'writable', { hide: ['src/.env', 'src/*/key.pem'] });
    for (const script of ['mv src gone', 'mv src/deep gone', 'mkdir x; mv -T --exchange src x || mv src x']) {
      await spawnSandbox('sh', ['-c', `(${script}) 2>/dev/null`], options);
      assert.doesNotMatch(await stdoutOf('sh', ['-c', READ], options), /deep[^ /:]*deep|deep(open|SECRET)/, script);
    }
    assert.ok(existsSync(join(directory, 'src/deep/key.pem')));
    await run('sh', ['-c', 'mv src away'], at(directory, 'writable', { hide: ['open'] }));
    assert.match(await stdoutOf('cat', ['away/.env'], options), /deep/, 'the control: what was moved is found');
  });

  void test('are hidden below an optional overlay that is missing', async (context) => {
    const directory = temporaryDirectory(context, { file: 'open\n', '.env': 'SECRET' });
    const filesystem = {
      overlay: [{ source: join(directory, 'nothing'), target: '/project', optional: true }],
      readOnly: [{ source: directory, target: '/project/d' }],
    };
    const script = 'cat /project/d/file /project/d/.env /.covers/*/.env 2>/dev/null; true';
    const hidden = await stdoutOf('sh', ['-c', script], { filesystem: { ...filesystem, hide: ['.env'] } });
    assert.equal(hidden, 'open');
    assert.equal(await stdoutOf('sh', ['-c', script], { filesystem }), 'open\nSECRET', 'the control: without the rule');
  });

  if (isRoot) {
    void test('are hidden or refused where a step may go and root without rights may not', async (context) => {
      const directory = temporaryDirectory(context, { 'p/.env': 'SECRET' });
      for (const name of ['', 'p/.env']) chownSync(join(directory, name), 1000, 1000);
      chownSync(join(directory, 'p'), 1000, 44); // a group that the step has not
      chmodSync(join(directory, 'p'), 0o700);
      const cat = async (hide: readonly string[]): Promise<string> =>
        await stdoutOf('sh', ['-c', 'cat p/.env 2>&1; true'], at(directory, 'writable', { hide }));
      await assert.rejects(cat(['p/.env']), { code: 'ERR_MOUNT_RULE' });
      await assert.rejects(cat(['*/.env']), { code: 'ERR_MOUNT_RULE' });
      assert.equal(await cat([]), 'SECRET', 'the control: the step may go there');
      chownSync(join(directory, 'p'), 1001, 44);
      assert.doesNotMatch(await cat(['*/.env']), /SECRET/, 'nor where the step may not go');
    });
  }
});

/** The same directory, one in it and one around it, by mounts of their own. */
function mountsOf(parent: string): readonly { source: string; target: string }[] {
  const inner = join(parent, 'inner');
  return [
    { source: inner, target: '/project' },
    { source: join(inner, 'src'), target: '/src' },
    { source: parent, target: '/all' },
    { source: inner, target: '/again' },
  ];
}
const TWICE = {
  'inner/src/.env': 'SECRET',
  'inner/src/deep/.env': 'SECRET',
  'inner/src/open': 'open',
  'inner/other': 'x',
};
const PLACES = '/project/src /src /all/inner/src /again/src';

void suite('what is seen at several places', () => {
  void test('is hidden at all of them', async (context) => {
    const mounts = mountsOf(temporaryDirectory(context, TWICE));
    const script = `for d in ${PLACES}; do cat $d/.env $d/deep/.env $d/open; done`;
    for (const access of ACCESSES) {
      for (const hide of [
        ['src/.env', 'src/deep/.env'],
        ['/project/src/.env', '/project/src/deep/.env'],
        ['s*/**/.env'],
        ['/src/.env', '/src/deep/.*'],
        ['/all/**/.env'],
      ]) {
        const output = await stdoutOf('sh', ['-c', script], { filesystem: { [access]: mounts, hide } });
        assert.equal(output, 'open'.repeat(4), `${access} ${hide.join()}`);
      }
      const all = await stdoutOf('sh', ['-c', script], { filesystem: { [access]: mounts, hide: ['other'] } });
      assert.equal(all, 'SECRETSECRETopen'.repeat(4), 'the control: another rule');
    }
  });

  void test('is protected at all of them', async (context) => {
    for (const protect of [['s?c/open'], ['/project/src/open'], ['/src/o*'], ['/all/*/src/op*'], []]) {
      const directory = temporaryDirectory(context, TWICE);
      const script = `for d in ${PLACES}; do echo bad > $d/open; rm -f $d/open; done 2>/dev/null; true`;
      await run('sh', ['-c', script], { filesystem: { writable: mountsOf(directory), protect } });
      const good = existsSync(join(directory, 'inner/src/open'));
      assert.equal(good, protect.length > 0, `${protect.join()} (the control: without a rule)`);
      if (good) assert.equal(readFileSync(join(directory, 'inner/src/open'), 'utf8'), 'open');
    }
  });
});

const HOOK = { '.git/hooks/pre-commit': 'good', '.git/config': 'good', file: 'x' };
/** Ways to have other hooks. The good one must be all that is left where git looks for it. */
const ATTACKS = [
  'echo bad > .git/hooks/pre-commit',
  'echo bad > .git/hooks/post-commit',
  'rm -rf .git; mkdir -p .git/hooks; echo bad > .git/hooks/pre-commit',
  'mv .git .gone; mkdir -p .git/hooks; echo bad > .git/hooks/pre-commit',
  'mv .git/hooks .git/gone; mkdir .git/hooks; echo bad > .git/hooks/pre-commit',
  'cp -r .git .copy; rm -rf .git; mv .copy .git; echo bad > .git/hooks/pre-commit',
  'ln -s /tmp .new; mv -T .new .git/hooks; echo bad > .git/hooks/pre-commit',
  'chmod 777 .git/hooks/pre-commit; touch -d @0 .git/hooks/pre-commit',
  'ln .git/hooks/pre-commit hard && echo bad > hard',
  'mount -o remount,rw .git/hooks; umount .git/hooks; echo bad > .git/hooks/pre-commit',
  "python3 -c \"import os; os.rename('.git/hooks', 'x')\"; exec 3>.git/hooks/pre-commit; echo bad >&3",
];

void suite('protected paths', () => {
  for (const access of ['writable', 'overlay'] as const) {
    void test(`cannot be changed, replaced or gone around in a directory that is ${access}`, async (context) => {
      for (const attack of ATTACKS) {
        const directory = temporaryDirectory(context, HOOK);
        const look = `(${attack}) 2>/dev/null; find .git/hooks -type f -printf '%P %m %Ts ' -exec cat {} +; echo; echo y > .git/other; echo y > file; cat file .git/other`;
        const { stdout } = await run('sh', ['-c', look], at(directory, access, { protect: ['.git/hooks'] }));
        assert.match(stdout, /^pre-commit 644 [1-9]\d* good\ny\ny\n$/, attack);
        assert.equal(readFileSync(join(directory, '.git/hooks/pre-commit'), 'utf8'), 'good');
      }
      const directory = temporaryDirectory(context, HOOK);
      const { stdout } = await run(
        'sh',
        ['-c', `${ATTACKS[0] ?? ''}; cat .git/hooks/pre-commit`],
        at(directory, access),
      );
      assert.equal(stdout, 'bad\n', 'the control: without the rule');
    });
  }

  void test('must exist where nothing may be made on the host', async (context) => {
    const directory = temporaryDirectory(context, HOOK);
    const before = listing(directory);
    const options = at(directory, 'writable', { protect: ['.git/nothing'] });
    await assert.rejects(spawnSandbox('true', [], options).result, {
      code: 'ERR_MOUNT_RULE',
      path: '/project/.git/nothing',
    });
    await run('true', [], at(directory, 'writable', { protect: ['*.none'] }));
    assert.equal(listing(directory), before);
  });

  void test('that do not exist in an overlay are never kept', async (context) => {
    const directory = temporaryDirectory(context, { '.git/config': 'good', file: 'x' });
    const sandbox = await createSandbox(at(directory, 'overlay', { protect: ['.git/hooks', '**/*.lock'] }));
    try {
      await sandbox.spawn('sh', [
        '-c',
        'mkdir .git/hooks; echo bad > .git/hooks/pre-commit; echo bad > x.lock; mkdir n; echo bad > n/y.lock; echo y > file; echo y > n/z',
      ]);
      for (const path of [undefined, ['.git'], ['.git/hooks/pre-commit'], ['x.lock'], ['n']])
        await assert.rejects(sandbox.commit(path), { code: 'ERR_CHANGES' });
      await sandbox.commit(['file', 'n/z']);
      assert.deepEqual(
        ['.git/hooks', 'x.lock', 'n/y.lock', 'n/z'].map((name) => existsSync(join(directory, name))),
        [false, false, false, true],
      );
    } finally {
      await sandbox.destroy();
    }
  });

  void test('are refused where a link lies on the way', async (context) => {
    const directory = temporaryDirectory(context, { 'real/hooks/pre-commit': 'good' });
    symlinkSync('real', join(directory, '.git'));
    const options = at(directory, 'writable', { protect: ['.git/hooks'] });
    await assert.rejects(spawnSandbox('true', [], options).result, { code: 'ERR_MOUNT_RULE' });
    await run('true', [], at(directory, 'writable', { protect: ['real/hooks'] }));
    for (const protect of [['.git/hooks'], ['*/hooks'], ['.g?t/hooks']]) {
      const refused = spawnSandbox('true', [], at(directory, 'overlay', { protect })).result;
      await assert.rejects(refused, { code: 'ERR_MOUNT_RULE' }, protect.join());
    }
    await run('true', [], at(directory, 'overlay', { protect: ['**/hooks', 'real/*'] }));
  });

  void test('are files and patterns, too', async (context) => {
    const directory = temporaryDirectory(context, {
      'package.json': 'good',
      'a.lock': 'good',
      'd/b.lock': 'good',
      c: 'x',
    });
    const script =
      'for f in package.json a.lock d/b.lock c; do echo bad > $f; rm -f $f; mv c2 $f; done 2>/dev/null; cat package.json a.lock d/b.lock; ls c 2>/dev/null; mv d d2 2>/dev/null; ls';
    const { stdout } = await run(
      'sh',
      ['-c', script + '; true'],
      at(directory, 'writable', { protect: ['package.json', '**/*.lock'] }),
    );
    assert.equal(stdout, 'goodgoodgooda.lock\nd\npackage.json\n');
  });
});
