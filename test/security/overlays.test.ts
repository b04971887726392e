import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSandbox, type FilesystemOptions, type Sandbox, type SandboxOptions, spawnSandbox } from 'spawn-sandbox';
import { PACKAGE } from '../helpers/app.js';
import { hidesDirectories } from '../helpers/hides-directories.js';
import { run } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

interface More extends Omit<SandboxOptions, 'filesystem'> {
  readonly rules?: FilesystemOptions;
}

async function overlaid(context: TestContext, source: string, { rules = {}, ...more }: More = {}): Promise<Sandbox> {
  const sandbox = await createSandbox({
    filesystem: { overlay: [{ source, target: '/project' }], ...rules },
    cwd: '/project',
    ...more,
  });
  context.after(async () => {
    await sandbox.destroy();
  });
  return sandbox;
}

async function sh(sandbox: Sandbox, script: string): Promise<void> {
  const { ok, stderr, detail } = await sandbox.spawn('sh', ['-ec', script]);
  assert.ok(ok, `${detail} ${String(stderr)}`);
}

void suite('what is kept of an overlay', () => {
  void test('leads out by no link, nor by several together', async (context) => {
    for (const [script, isOut] of [
      ['ln -s ../../.. up; ln -s up/../../etc out', true],
      ['ln -s ../../.. up; ln -s ./up/.././../x out', true],
      ['ln -s b/../../../../x out', true],
      ['ln -s ../../../../x out', true],
      ['ln -s ../../../x/.hidden/..y out', false],
      ['ln -s ./../../.. out', false],
    ] as const) {
      const directory = temporaryDirectory(context, { 'a/b/c/file': 'x' });
      const sandbox = await overlaid(context, directory);
      await sh(sandbox, `cd a/b/c; ${script}`);
      const kept = sandbox.commit();
      if (isOut) await assert.rejects(kept, { code: 'ERR_CHANGES', path: '/project/a/b/c/out' }, script);
      await (isOut ? sandbox.commit(undefined, { links: 'any' }) : kept); // the control
      assert.ok(lstatSync(join(directory, 'a/b/c/out')).isSymbolicLink());
    }
  });

  void test('stands on no way to what is protected', async (context) => {
    const scripts = {
      'ln -s evil .git': '/project/.git',
      'echo gitdir: evil > .git': '/project/.git',
      'ln -s evil n': '/project/n',
    };
    const rules = { protect: ['.git/hooks', '*/*.lock', '**/deep/x'] };
    for (const [script, path] of Object.entries(scripts)) {
      const directory = temporaryDirectory(context, { 'evil/hooks/pre-commit': 'x' });
      const sandbox = await overlaid(context, directory, { rules });
      await sh(sandbox, `${script}; echo y > file; mkdir -p a/deep; ln -s file link || :; rm link`);
      await assert.rejects(sandbox.commit(), { code: 'ERR_CHANGES', path }, script);
      await sandbox.commit(['file', 'a']);
      const control = await overlaid(context, directory);
      await sh(control, script);
      await control.commit();
      assert.ok(existsSync(join(directory, path.slice('/project/'.length))), 'the control: without the rules');
    }
  });

  void test('comes into no other directory than the sandbox had', async (context) => {
    const parent = temporaryDirectory(context, { 'own/file': 'x' });
    const victim = temporaryDirectory(context, { file: 'x' });
    const sandbox = await overlaid(context, join(parent, 'own'));
    await sh(sandbox, 'echo bad > file; echo bad > authorized_keys');
    renameSync(join(parent, 'own'), join(parent, 'away'));
    for (const put of [
      () => {
        symlinkSync(victim, join(parent, 'own'));
      },
      () => {
        rmSync(join(parent, 'own'));
        mkdirSync(join(parent, 'own'));
      },
    ]) {
      put();
      await assert.rejects(sandbox.commit(), { code: 'ERR_CHANGES', path: join(parent, 'own') });
      await assert.rejects(sandbox.changes(), { code: 'ERR_CHANGES', path: join(parent, 'own') });
    }
    assert.deepEqual(readdirSync(victim), ['file']);
    assert.equal(readFileSync(join(victim, 'file'), 'utf8'), 'x');
    rmSync(join(parent, 'own'), { recursive: true });
    renameSync(join(parent, 'away'), join(parent, 'own'));
    // It was itself changed by that: where overlays note nothing, a new file may be the copy of one that was removed from it.
    if (!hidesDirectories) await assert.rejects(sandbox.commit(), { code: 'ERR_CHANGE_CONFLICT' });
    await sandbox.commit(hidesDirectories ? undefined : ['file']);
    assert.equal(readFileSync(join(parent, 'own/file'), 'utf8'), 'bad\n', 'the control: it is back');
  });

  void test('is what was listed, and not what was written since', async (context) => {
    const directory = temporaryDirectory(context, { a: 'x', b: 'x', 'd/e': 'x' });
    const sandbox = await overlaid(context, directory);
    await sh(sandbox, 'echo good > a; echo good > new; rm b');
    const remove = hidesDirectories ? 'rm -r d' : 'rm d/e';
    const scripts = ['echo evil > a', 'touch more', 'chmod +x new', 'echo > b', 'ln -sf evil a', remove];
    for (const [index, script] of scripts.entries()) {
      await (index % 2 === 0 ? sandbox.changes() : sandbox.diff());
      await sleep(10); // a tick of the clock
      await sh(sandbox, script);
      await assert.rejects(sandbox.commit(), { code: 'ERR_CHANGES' }, script);
    }
    assert.deepEqual(readdirSync(directory), ['a', 'b', 'd']);
    const kept = await sandbox.changes();
    assert.deepEqual(await sandbox.commit(), kept, 'the control: nothing was written since');
  });

  void test('is what was listed also of one path alone, and without a list what is there', async (context) => {
    const directory = temporaryDirectory(context, { a: 'x' });
    const sandbox = await overlaid(context, directory);
    await sh(sandbox, 'echo good > a; echo other > b');
    assert.match(await sandbox.diff('a'), /^\+good$/m);
    await sleep(10);
    await sh(sandbox, 'echo evil > a');
    await assert.rejects(sandbox.commit(), { code: 'ERR_CHANGES', path: '/project/a' });
    await sandbox.commit(['b']); // of which nothing was told
    assert.match(await sandbox.diff('a'), /^\+evil$/m);
    await sandbox.commit(['a']);
    assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'evil\n');
  });

  void test('is never a link that was put there meanwhile', { timeout: 300_000 }, async (context) => {
    const directory = temporaryDirectory(context);
    const sandbox = await overlaid(context, directory);
    await sh(sandbox, 'ln -s inside link');
    const flip =
      'import os\nwhile True:\n for to in ("inside", "/etc"):\n  os.symlink(to, "other"); os.rename("other", "link")';
    const flipping = sandbox.spawn('python3', ['-c', flip], { limits: { wallTime: '10m' } });
    const ended = flipping.result.catch(() => undefined);
    for (let round = 0; round < 150; round++) {
      await sandbox.commit(['link']).catch((error: unknown) => {
        assert.match((error as { code: string }).code, /^ERR_CHANGE/);
      });
      const link = join(directory, 'link');
      if (lstatSync(link, { throwIfNoEntry: false }) === undefined) continue;
      assert.equal(execFileSync('readlink', [link], { encoding: 'utf8' }), 'inside\n');
    }
    flipping.kill();
    await ended;
  });

  void test('is no longer than what the scratch space has room for', async (context) => {
    const directory = temporaryDirectory(context);
    const sandbox = await overlaid(context, directory, { limits: { scratch: '8MiB' } });
    await sh(
      sandbox,
      'truncate -s 1T holes; head -c 3000000 /dev/zero > big; ln big b2; ln big b3; truncate -s 1M less',
    );
    await assert.rejects(sandbox.commit(['holes']), { code: 'ERR_CHANGES', path: '/project/holes' });
    await assert.rejects(sandbox.commit(['big', 'b2', 'b3']), { code: 'ERR_CHANGES' });
    assert.deepEqual(readdirSync(directory), []);
    await sandbox.commit(['big', 'b2', 'less']);
    assert.deepEqual(readdirSync(directory), ['b2', 'big', 'less'], 'the control: what there is room for');
  });

  void test('is taken from what a command has closed to itself, or refused', async (context) => {
    const directory = temporaryDirectory(context, { 'd/e': 'x', f: 'x' });
    const sandbox = await overlaid(context, directory);
    await sh(sandbox, 'mkdir n; echo y > n/y; chmod 000 n f d; echo z > z');
    for (const ask of [() => sandbox.changes(), () => sandbox.diff(), () => sandbox.commit()]) {
      await ask().catch((error: unknown) => {
        assert.equal((error as { code: string }).code, 'ERR_CHANGES');
      });
    }
    await sh(sandbox, 'chmod 700 n d; chmod 600 f; echo y > n/y');
    await sandbox.diff();
    await sandbox.commit(['n']);
    assert.equal(readFileSync(join(directory, 'n/y'), 'utf8'), 'y\n', 'the control: opened again');
  });
});

void suite('what a hostile overlay costs the app', () => {
  void test('is bounded where files are as different as can be', { timeout: 120_000 }, async (context) => {
    const directory = temporaryDirectory(context);
    const text = (): string => Array.from({ length: 8000 }, () => (Math.random() < 0.5 ? 'a' : 'b')).join('\n');
    for (let index = 0; index < 60; index++) writeFileSync(join(directory, `f${index}`), text());
    const sandbox = await overlaid(context, directory);
    const { ok } = await sandbox.spawn('python3', [
      '-c',
      'import random\nfor i in range(60): open(f"f{i}", "w").write("\\n".join(random.choice("ab") for _ in range(8000)))',
    ]);
    assert.ok(ok);
    const delay = monitorEventLoopDelay();
    delay.enable();
    const begun = performance.now();
    const diff = await sandbox.diff();
    delay.disable();
    assert.ok(performance.now() - begun < 40_000);
    assert.ok(delay.max < 5e9, `the app was busy for ${delay.max / 1e6} ms at once`);
    assert.match(diff, /not compared here/);
    assert.doesNotMatch(await sandbox.diff('f59'), /not compared here/, 'the control: one of them');
  });

  void test(
    'is bounded where paths are long, trees deep and files full of holes',
    { timeout: 60_000 },
    async (context) => {
      const directory = temporaryDirectory(context, { big: '' });
      truncateSync(join(directory, 'big'), 3e12);
      const sandbox = await overlaid(context, directory);
      await sh(sandbox, 'chmod 600 big');
      assert.deepEqual(
        (await sandbox.changes()).map(({ kind, content }) => [kind, content]),
        [['modified', true]],
        'not read to its end, and so taken to differ',
      );
      const long =
        'import os\nfor i in range(90): os.mkdir("x"*255); os.chdir("x"*255)\nfor i in range(3000): open(str(i), "w")';
      assert.ok((await sandbox.spawn('python3', ['-c', long])).ok);
      await assert.rejects(sandbox.changes(), { code: 'ERR_CHANGES' });
      await sh(sandbox, `rm -r x*; mkdir -p ${'d/'.repeat(120)}`);
      await assert.rejects(sandbox.changes(), { code: 'ERR_CHANGES' });
      await sh(sandbox, `rm -r d; mkdir -p ${'d/'.repeat(90)}`);
      assert.equal((await sandbox.changes()).length, 91, 'the control: less of it');
    },
  );
});

void suite('rules', () => {
  void test('that would not be carried out, or not be understood alike, are refused', async (context) => {
    const directory = temporaryDirectory(context, { '5.key': 'x' });
    const filesystem = { overlay: [{ source: directory, target: '/project' }] };
    for (const pattern of ['/proc/meminfo', '//proc/x', '[[:digit:]].key', '[z-a]', '[a\\]]', 'x/[!\\x]']) {
      for (const kind of ['hide', 'protect']) {
        const options = { filesystem: { ...filesystem, [kind]: [pattern] } };
        await assert.rejects(
          async () => await spawnSandbox('true', [], options),
          { code: 'ERR_INVALID_OPTION' },
          pattern,
        );
      }
    }
    for (const pattern of ['proc/x', '[0-9].key', '[]a].key', '[!0-8]*', '\\[a', 'x/[abc', 'a\\\\[b]'])
      await run('true', [], { filesystem: { ...filesystem, hide: [pattern] } });
  });
});

void suite('a review', () => {
  void test('shows names and links that move no cursor and pass for no other line', (context) => {
    const directory = temporaryDirectory(context, { file: 'x' });
    const names = ['a\u009b2Jb', 'c\u202ed', 'e\nA fake', 'f 3 bytes', '\u001b[2J', 'plain-Größe'];
    const program = `import os\nos.chdir(${JSON.stringify(directory)})\nfor n in ${JSON.stringify(names)}: open(n, "w")\nos.symlink("x\\u009b", "link"); os.chmod("file", 0o600)`;
    const cli = join(PACKAGE, 'dist/cli/main.js');
    const args = [cli, 'run', '--overlay', directory, '--discard', '--', 'python3', '-c', program];
    const { stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
    assert.equal(status, 0, stderr);
    const lines = stderr.trimEnd().split('\n');
    assert.equal(lines.length, names.length + 3, stderr);
    for (const line of lines) assert.match(line, /^spawn-sandbox: ([AM] |Discarded\.$)/);
    assert.doesNotMatch(stderr, /[^\P{C}\n]/u);
    assert.match(stderr, /A [^"]*plain-Größe 0 bytes\n/, 'the control: an ordinary name');
  });
});
