import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { type Change, createSandbox, type Sandbox, type SandboxOptions, spawnSandbox } from 'spawn-sandbox';
import { runOperations } from '../helpers/file-operations.js';
import { hidesDirectories } from '../helpers/hides-directories.js';
import { listing } from '../helpers/listing.js';
import { spawnersOf } from '../helpers/marked-processes.js';
import { isRoot } from '../helpers/privileges.js';
import { run, stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const FILES = { a: 'one\n', 'd/b': 'two\n', 'd/deep/c': 'three\n', 'e/f': 'four\n', tool: '#!/bin/sh\necho tool\n' };

function original(context: TestContext, files: Readonly<Record<string, string>> = FILES): string {
  return temporaryDirectory(context, files);
}

function over(source: string, more: SandboxOptions = {}): SandboxOptions {
  return { filesystem: { overlay: [{ source, target: '/project' }] }, cwd: '/project', ...more };
}

async function withOverlay(
  source: string,
  use: (sandbox: Sandbox, sh: (script: string) => Promise<string>) => Promise<void>,
  more: SandboxOptions = {},
): Promise<void> {
  const sandbox = await createSandbox(over(source, more));
  try {
    await use(sandbox, async (script) => {
      const { ok, stdout, stderr, detail } = await sandbox.spawn('sh', ['-ec', script]);
      assert.ok(ok, `${detail} ${String(stderr)}`);
      return String(stdout);
    });
  } finally {
    await sandbox.destroy();
  }
}

/**
 * Of a script that replaces directories of the original. Where an overlay cannot note that, the kernel refuses it, and what
 * was done until then is told.
 */
function testReplacing(
  title: string,
  script: string,
  check: (sandbox: Sandbox, sh: (script: string) => Promise<string>) => Promise<void>,
  prepare: (directory: string) => void = () => undefined,
): void {
  void test(title, async (context) => {
    const directory = original(context);
    prepare(directory);
    await withOverlay(directory, async (sandbox, sh) => {
      if (hidesDirectories) {
        await sh(script);
        await check(sandbox, sh);
        return;
      }
      const { ok, stderr } = await sandbox.spawn('sh', ['-ec', script]);
      assert.ok(!ok);
      assert.match(String(stderr), /Input\/output error/);
      const lost = (await sandbox.changes()).filter(
        ({ now, before }) => before?.type === 'directory' && now?.type !== 'directory',
      );
      assert.deepEqual(short(lost), []);
      assert.equal(await sh('ls -d d d/deep e'), 'd\nd/deep\ne\n');
    });
  });
}

function short(changes: readonly Change[]): readonly string[] {
  return changes.map(
    ({ kind, path, now, before, content }) =>
      `${kind} ${path} ${before?.type ?? '-'} ${now?.type ?? '-'}${content ? '' : ' mode only'}`,
  );
}

void suite('an overlay', () => {
  void test('takes what a step writes, and the host’s directory stays as it was', async (context) => {
    const directory = original(context);
    const before = listing(directory);
    const replace = hidesDirectories ? 'rm -r d; mkdir d' : 'rm d/b';
    const script = `echo changed > a; ${replace}; echo new > d/new; chmod 600 e/f; ln -s a link; cat a d/new; ls d`;
    const shown = `changed\nnew\n${hidesDirectories ? '' : 'deep\n'}new`;
    assert.equal(await stdoutOf('sh', ['-ec', script], over(directory)), shown);
    assert.equal(await stdoutOf('cat', ['a', 'd/b'], over(directory)), 'one\ntwo', 'the next one sees the original');
    assert.equal(listing(directory), before);
    const writable = { filesystem: { writable: [{ source: directory, target: '/project' }] }, cwd: '/project' };
    await run('sh', ['-ec', script], writable);
    assert.notEqual(listing(directory), before, 'the control: a writable mount');
  });

  void test('is where every file is the step’s own, and no program of it has more rights', async (context) => {
    const directory = original(context);
    const options = over(directory);
    assert.equal(
      await stdoutOf('sh', ['-c', 'stat -c %U . a d/deep/c tool; ./tool'], options),
      'sandbox\nsandbox\nsandbox\nsandbox\ntool',
    );
    assert.match(await stdoutOf('grep', [' /project ', '/proc/self/mounts'], options), /nosuid,nodev/);
  });

  void test('takes no more than limits.scratch, together with all else', async (context) => {
    const directory = original(context, { big: 'x'.repeat(3 << 20) });
    const limits = { scratch: '2MiB' };
    const script = 'head -c 1500000 /dev/zero > /tmp/half; head -c 1000000 /dev/zero > new';
    const result = await spawnSandbox('sh', ['-c', script], over(directory, { limits }));
    assert.match(String(result.stderr), /No space left on device/);
    assert.deepEqual(result.limitsHit, ['scratch']);
    const grow = await spawnSandbox('sh', ['-c', 'echo x >> big'], over(directory, { limits }));
    assert.match(String(grow.stderr), /No space left on device/);
    const enough = await run('sh', ['-c', 'echo x >> big'], over(directory, { limits: { scratch: '8MiB' } }));
    assert.deepEqual(enough.limitsHit, [], 'the control: with room for the copy');
  });

  void test('has other mounts inside, and makes no place for them on the host', async (context) => {
    const directory = original(context);
    const other = temporaryDirectory(context, { inner: 'inner\n' });
    const before = listing(directory);
    const sandbox = await createSandbox({
      filesystem: {
        overlay: [{ source: directory, target: '/project' }],
        readOnly: [{ source: other, target: '/project/d/new/other' }],
      },
      cwd: '/project',
    });
    try {
      const { stdout } = await sandbox.spawn('sh', [
        '-c',
        'cat d/new/other/inner; echo x 2>/dev/null > d/new/other/inner || echo refused',
      ]);
      assert.equal(stdout, 'inner\nrefused\n');
      assert.deepEqual(
        short(await sandbox.changes()),
        ['added /project/d/new - directory'],
        'what was made for the mount',
      );
    } finally {
      await sandbox.destroy();
    }
    assert.equal(listing(directory), before);
  });

  void test('of what is no directory, or is not there, is an error; an optional one is passed over', async (context) => {
    const directory = original(context);
    await assert.rejects(spawnSandbox('true', [], over(join(directory, 'a'))).result, { code: 'ERR_MOUNT_TARGET' });
    await assert.rejects(spawnSandbox('true', [], over(join(directory, 'nothing'))).result, {
      code: 'ERR_MOUNT_SOURCE',
    });
    const optional = {
      filesystem: { overlay: [{ source: join(directory, 'nothing'), target: '/project', optional: true }] },
    };
    assert.equal(await stdoutOf('sh', ['-c', 'ls -d /project || echo none'], optional), 'none');
  });

  if (isRoot) {
    void test('of a file system that cannot show files as the step’s is refused, and told why', async () => {
      const refused = { code: 'ERR_MOUNT_SOURCE', errno: constants.errno.EOPNOTSUPP, remedy: /idmapped mounts/ };
      await assert.rejects(spawnSandbox('true', [], over('/sys/kernel')).result, refused);
      const writable = { filesystem: { writable: [{ source: '/sys/kernel', target: '/project' }] } };
      await assert.rejects(spawnSandbox('true', [], writable).result, refused);
      const readOnly = { filesystem: { readOnly: [{ source: '/sys/kernel', target: '/project' }] } };
      assert.match(await stdoutOf('ls', ['/project'], readOnly), /mm/, 'the control: to be read it needs nothing');
    });
  }
});

void suite('changes', () => {
  void test('are listed with what was and what is', async (context) => {
    const directory = original(context);
    symlinkSync('a', join(directory, 'link'));
    await withOverlay(directory, async (sandbox, sh) => {
      assert.deepEqual(await sandbox.changes(), []);
      await sh(
        'echo longer text > a; chmod 750 tool; rm e/f; ln -sfn d link; echo n > new; mkdir dir; ln -s x dir/l; touch d/b; chmod 700 d',
      );
      const changes = await sandbox.changes();
      assert.deepEqual(short(changes), [
        'modified /project/a file file',
        'modified /project/d directory directory mode only',
        'added /project/dir - directory',
        'added /project/dir/l - symlink',
        'deleted /project/e/f file -',
        'modified /project/link symlink symlink',
        'added /project/new - file',
        'modified /project/tool file file mode only',
      ]);
      const a = changes[0];
      assert.deepEqual(
        [a?.before, a?.now],
        [
          { type: 'file', mode: 0o644, size: 4 },
          { type: 'file', mode: 0o644, size: 12 },
        ],
      );
      assert.deepEqual(changes[5]?.now, { type: 'symlink', mode: 0o777, size: 1, link: 'd' });
      assert.deepEqual([changes[7]?.before?.mode, changes[7]?.now?.mode], [0o755, 0o750]);
    });
  });

  testReplacing(
    'tell a directory that was replaced from one that was written to',
    'rm -r d; mkdir -p d/deep; echo two > d/b; echo new > d/deep/other',
    async (sandbox, sh) => {
      assert.deepEqual(short(await sandbox.changes()), [
        'deleted /project/d/deep/c file -',
        'added /project/d/deep/other - file',
      ]);
      assert.equal(await sh('find d | sort'), 'd\nd/b\nd/deep\nd/deep/other\n');
    },
  );

  testReplacing(
    'tell of what has become something else',
    'rm a; mkdir a; echo x > a/in; rm -r d; echo x > d; rm -r e; ln -s a e; rm tool; mkfifo tool',
    async (sandbox) => {
      assert.deepEqual(short(await sandbox.changes()), [
        'modified /project/a file directory',
        'added /project/a/in - file',
        'modified /project/d directory file',
        'deleted /project/d/b file -',
        'deleted /project/d/deep directory -',
        'deleted /project/d/deep/c file -',
        'modified /project/e directory symlink',
        'deleted /project/e/f file -',
        'modified /project/tool file other',
      ]);
    },
  );

  testReplacing(
    'of renamed and linked files are what a copy would be',
    'mv a moved; mv e e2; ln tool tool2; echo x >> d/b; ln d/b d/again',
    async (sandbox) => {
      assert.deepEqual(short(await sandbox.changes()), [
        'deleted /project/a file -',
        'added /project/d/again - file',
        'modified /project/d/b file file',
        'deleted /project/e directory -',
        'deleted /project/e/f file -',
        'added /project/e2 - directory',
        'added /project/e2/f - file',
        'added /project/moved - file',
        'added /project/tool2 - file',
      ]);
    },
    (directory) => {
      linkSync(join(directory, 'a'), join(directory, 'other-name'));
    },
  );

  void test('have odd names as they are', async (context) => {
    const directory = original(context, { 'colon:comma,back\\slash"quote': 'x' });
    const target = '/project:,"\\odd';
    const sandbox = await createSandbox({ filesystem: { overlay: [{ source: directory, target }] }, cwd: target });
    try {
      await sandbox.spawn('sh', [
        '-c',
        'for f in *; do echo more >> "$f"; done; printf x > "$(printf \'new\\nline\')"; printf y > "$(printf \'not\\377text\')"',
      ]);
      const changes = await sandbox.changes();
      assert.deepEqual(
        changes.map(({ bytes }) => Buffer.from(bytes).toString('latin1')),
        ['colon:comma,back\\slash"quote', 'new\nline', 'not\xfftext'].map((name) => `${target}/${name}`),
      );
      assert.equal((await sandbox.commit(changes.map(({ bytes }) => bytes))).length, 3);
      assert.equal(readFileSync(Buffer.from(`${directory}/not\xfftext`, 'latin1'), 'utf8'), 'y');
      assert.equal(readFileSync(join(directory, 'new\nline'), 'utf8'), 'x');
    } finally {
      await sandbox.destroy();
    }
  });

  void test('are there until destroy(), also when the sandbox has ended by itself', async (context) => {
    const directory = original(context);
    const sandbox = await createSandbox(over(directory, { limits: { wallTime: '3s' } }));
    await sandbox.spawn('sh', ['-c', 'echo late > a']);
    const long = await sandbox.spawn('sleep', ['100']);
    assert.equal(long.cause, 'wallTimeout');
    assert.deepEqual(short(await sandbox.changes()), ['modified /project/a file file']);
    await sandbox.commit();
    assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'late\n');
    await sandbox.destroy();
    for (const ask of [sandbox.changes(), sandbox.diff(), sandbox.commit()]) {
      await assert.rejects(ask, { code: 'ERR_SANDBOX_CLOSED' });
    }
  });
});

void suite('changes, when the spawner has died', () => {
  void test('are there until destroy(), and can be committed', async (context) => {
    const directory = original(context);
    const sandbox = await createSandbox(over(directory));
    await sandbox.spawn('sh', ['-c', 'echo late > a']);
    for (const spawner of spawnersOf(process.pid)) process.kill(spawner, 'SIGKILL');
    await assert.rejects(sandbox.spawn('sleep', ['100']).result, { code: 'ERR_SPAWNER_DIED' });
    assert.deepEqual(short(await sandbox.changes()), ['modified /project/a file file']);
    await sandbox.commit();
    assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'late\n');
    await sandbox.destroy();
    await assert.rejects(sandbox.changes(), { code: 'ERR_SANDBOX_CLOSED' });
  });
});

void suite('diff', () => {
  void test('is text that says what changed, and a name cannot add a line to it', async (context) => {
    const directory = original(context);
    await withOverlay(directory, async (sandbox, sh) => {
      await sh('echo more >> a; chmod 600 a; rm d/b; printf "\\0" > binary; : > "$(printf \'x\\ndeleted file a\')"');
      const text = await sandbox.diff();
      assert.match(
        text,
        /modified file \/project\/a\nmode 644 -> 600\n--- a\/project\/a\n\+\+\+ b\/project\/a\n@@ -1,1 \+1,2 @@\n one\n\+more\n/,
      );
      assert.match(text, /added file \/project\/binary\nits content is not text/);
      assert.match(
        text,
        /deleted file \/project\/d\/b\n--- a\/project\/d\/b\n\+\+\+ \/dev\/null\n@@ -1,1 \+0,0 @@\n-two\n/,
      );
      assert.match(text, /added file "\/project\/x\\ndeleted file a"/);
      assert.equal(text.match(/^deleted/gm)?.length, 1);
      assert.match(await sandbox.diff('d'), /^deleted file \/project\/d\/b\n/);
      await assert.rejects(sandbox.diff('e'), { code: 'ERR_CHANGES', path: '/project/e' });
    });
  });

  void test('keeps the app busy for no longer than it may', async (context) => {
    const lines = (salt: number): string =>
      Array.from({ length: 40_000 }, (_, index) => `${(index * salt) % 99991}\n`).join('');
    const directory = original(context, { a: lines(7919) });
    await withOverlay(directory, async (sandbox) => {
      await sandbox.spawn('sh', ['-c', 'cat > a'], { input: lines(104729) });
      const begun = performance.now();
      assert.match(await sandbox.diff('a'), /too little in common/);
      assert.ok(performance.now() - begun < 5000);
    });
  });
});

void suite('commit', () => {
  void test(
    'makes the original what the sandbox shows, whatever was done to it',
    { timeout: 120_000 },
    async (context) => {
      for (let seed = 1; seed <= 12; seed++) {
        const directory = original(context);
        await withOverlay(directory, async (sandbox, sh) => {
          await sh(runOperations(seed, 60));
          const inside = await sh(`find . -printf '%P %y %m %l\\n' | sort; find . -type f -exec sha256sum {} + | sort`);
          await sandbox.commit();
          const outside = execFileSync(
            'sh',
            ['-c', `find . -printf '%P %y %m %l\\n' | sort; find . -type f -exec sha256sum {} + | sort`],
            {
              cwd: directory,
              encoding: 'utf8',
            },
          );
          assert.equal(outside, inside, `seed ${seed}`);
          assert.deepEqual(short(await sandbox.changes()), [], `seed ${seed}: nothing is left`);
        });
      }
    },
  );

  void test('keeps what was chosen, with the new directories that it lies in, and nothing else', async (context) => {
    const directory = original(context);
    await withOverlay(directory, async (sandbox, sh) => {
      await sh('echo x > a; mkdir -p n/m; echo y > n/m/file; echo z > n/other; rm d/b');
      assert.deepEqual(short(await sandbox.commit(['n/m/file', '/project/d/'])), [
        'deleted /project/d/b file -',
        'added /project/n - directory',
        'added /project/n/m - directory',
        'added /project/n/m/file - file',
      ]);
      assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'one\n');
      assert.ok(!existsSync(join(directory, 'd/b')) && !existsSync(join(directory, 'n/other')));
      assert.deepEqual(short(await sandbox.changes()), [
        'modified /project/a file file',
        'added /project/n/other - file',
      ]);
      await assert.rejects(sandbox.commit(['e']), { code: 'ERR_CHANGES' });
      await assert.rejects(sandbox.commit(['../a']), { code: 'ERR_INVALID_OPTION' });
    });
  });

  void test('gives files to the original’s owner, and keeps no set-id bits', async (context) => {
    const directory = original(context);
    const { uid, gid } = statSync(directory);
    chmodSync(join(directory, 'tool'), 0o4755);
    await withOverlay(directory, async (sandbox, sh) => {
      await sh('echo "#!/bin/sh" > tool; mkdir n; echo x > n/f; ln -s f n/l');
      await sandbox.commit();
    });
    for (const name of ['tool', 'n', 'n/f', 'n/l']) {
      const status = lstatSync(join(directory, name));
      assert.deepEqual([status.uid, status.gid, status.mode & 0o7000], [uid, gid, 0], name);
    }
    assert.equal(readlinkSync(join(directory, 'n/l')), 'f');
  });

  void test('refuses what was changed outside meanwhile, before it writes anything', async (context) => {
    for (const [meanwhile, code] of [
      [
        (path: string) => {
          appendFileSync(join(path, 'd/b'), 'host\n');
        },
        'ERR_CHANGE_CONFLICT',
      ],
      [
        (path: string) => {
          rmSync(join(path, 'd/b'));
        },
        'ERR_CHANGE_CONFLICT',
      ],
      [
        (path: string) => {
          writeFileSync(join(path, 'new'), 'host\n');
        },
        'ERR_CHANGE_CONFLICT',
      ],
      [
        (path: string) => {
          writeFileSync(join(path, 'e/elsewhere'), 'host\n');
        },
        undefined,
      ],
      [
        (path: string) => {
          writeFileSync(join(path, 'elsewhere'), 'host\n');
        },
        // Where overlays note nothing, a new file may be the copy of one that was removed from its directory meanwhile.
        hidesDirectories ? undefined : 'ERR_CHANGE_CONFLICT',
      ],
    ] as const) {
      const directory = original(context);
      await withOverlay(directory, async (sandbox, sh) => {
        await sh('echo x > a; echo y >> d/b; echo z > new');
        await new Promise((resolve) => setTimeout(resolve, 20));
        meanwhile(directory);
        const before = listing(directory);
        if (code === undefined) {
          await sandbox.commit();
          assert.equal(
            readFileSync(join(directory, 'd/b'), 'utf8'),
            'two\ny\n',
            'the control: something else was changed',
          );
          return;
        }
        await assert.rejects(sandbox.commit(), { code });
        assert.equal(listing(directory), before);
      });
    }
  });

  void test('of its own work is no reason to refuse the next', async (context) => {
    const directory = original(context);
    await withOverlay(directory, async (sandbox, sh) => {
      for (const text of ['1', '2', '3']) {
        const renew = hidesDirectories ? 'rm -rf n; mkdir n' : 'mkdir -p n';
        await sh(`echo ${text} > a; echo ${text} > new; ${renew}; echo ${text} > n/f`);
        await sandbox.commit();
        for (const name of ['a', 'new', 'n/f']) assert.equal(readFileSync(join(directory, name), 'utf8'), `${text}\n`);
      }
    });
  });

  void test('refuses fifos, sockets and links that lead out, by name', async (context) => {
    const directory = original(context);
    await withOverlay(directory, async (sandbox, sh) => {
      await sh('mkfifo fifo; ln -s /etc/passwd absolute; ln -s ../../x climbs; ln -s d/b inside');
      for (const name of ['fifo', 'absolute', 'climbs']) {
        await assert.rejects(sandbox.commit([name]), { code: 'ERR_CHANGES', path: `/project/${name}` });
        assert.ok(!existsSync(join(directory, name)));
      }
      await sandbox.commit(['inside']);
      await sandbox.commit(['absolute'], { links: 'any' });
      assert.equal(readlinkSync(join(directory, 'absolute')), '/etc/passwd');
    });
  });

  void test('of several overlays is whole, also when the sandbox is destroyed meanwhile', async (context) => {
    const directories = [original(context), original(context), original(context)];
    const overlay = directories.map((source, index) => ({ source, target: `/project${index}` }));
    const sandbox = await createSandbox({ filesystem: { overlay } });
    await sandbox.spawn('sh', ['-c', 'for n in 0 1 2; do echo kept > /project$n/a; done']);
    const committed = sandbox.commit();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await sandbox.destroy();
    const kept = await committed.catch((error: unknown) => error as Error);
    const texts = directories.map((directory) => readFileSync(join(directory, 'a'), 'utf8'));
    assert.deepEqual(texts, Array(3).fill(kept instanceof Error ? 'one\n' : 'kept\n'));
  });
});

void suite('discard', () => {
  void test('throws away all that was written, and the sandbox goes on', async (context) => {
    const directory = original(context);
    await withOverlay(directory, async (sandbox, sh) => {
      await sh(`echo x > a; ${hidesDirectories ? 'rm -r d' : 'rm d/b'}; echo left > /tmp/left`);
      const running = sandbox.spawn('sleep', ['100']);
      await assert.rejects(sandbox.discard(), { code: 'ERR_CHANGES' });
      running.kill('SIGKILL');
      await running;
      await sandbox.discard();
      assert.deepEqual(await sandbox.changes(), []);
      assert.equal(await sh('cat a d/b; ls -A /tmp'), 'one\ntwo\n');
      await sh('echo y > a');
      assert.deepEqual(short(await sandbox.changes()), ['modified /project/a file file']);
    });
  });

  void test('does not lengthen the sandbox’s life', async (context) => {
    const directory = original(context);
    const sandbox = await createSandbox(over(directory, { limits: { wallTime: '1s' } }));
    let ended = false;
    void sandbox.ended.then(() => (ended = true));
    await new Promise((resolve) => setTimeout(resolve, 600));
    await sandbox.discard();
    assert.equal(ended, false);
    const { cause, scope } = await sandbox.spawn('sleep', ['100']);
    assert.deepEqual([cause, scope], ['wallTimeout', 'sandbox']);
    const { wallTimeMs } = await sandbox.ended;
    assert.ok(wallTimeMs < 900, String(wallTimeMs));
    await sandbox.destroy();
  });

  void test('is not possible when it is over', async (context) => {
    const sandbox = await createSandbox(over(original(context)));
    mkdirSync(join(temporaryDirectory(context), 'unused'));
    await sandbox.destroy();
    await assert.rejects(sandbox.discard(), { code: 'ERR_SANDBOX_CLOSED' });
  });
});
