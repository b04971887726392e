import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'node:test';
import { run, stdoutOf } from '../helpers/run.js';
import { testWith } from '../helpers/tools.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

void suite('tools', () => {
  testWith(['git'], 'git makes, branches, merges, clones and packs a repository', async () => {
    const script = `
      set -e
      git config --global user.name sandbox; git config --global user.email sandbox@example.test
      git init -q -b main origin; cd origin
      echo one > file; git add file; git commit -q -m first
      git switch -q -c side; echo two > other; git add .; git commit -q -m second
      git switch -q main; git merge -q --no-ff -m merged side
      git gc -q; git fsck --strict 2>/dev/null
      cd ..; git clone -q origin copy; cd copy
      echo three >> file; git stash -q; git stash pop -q; git diff --stat | tail -1
      git commit -q -a -m third; git push -q origin HEAD:pushed
      git -C ../origin log --format=%s --topo-order pushed; git status --short; git archive HEAD | tar -t`;
    assert.equal(
      await stdoutOf('sh', ['-c', script]),
      '1 file changed, 1 insertion(+)\nthird\nmerged\nsecond\nfirst\nfile\nother',
    );
  });

  testWith(['git'], 'git works on a repository of the app, in a writable and in a read-only mount', async (context) => {
    const directory = temporaryDirectory(context, { 'README.md': 'text\n' });
    const init =
      'git init -q . && git add . && git -c user.name=a -c user.email=b commit -q -m inside && git log --format=%s';
    const writable = {
      filesystem: { writable: [directory] },
      cwd: directory,
    };
    assert.equal(await stdoutOf('sh', ['-c', init], writable), 'inside');
    const readOnly = {
      filesystem: { readOnly: [directory] },
      cwd: directory,
    };
    assert.equal(
      await stdoutOf('git', ['-c', `safe.directory=${directory}`, 'log', '--format=%s'], readOnly),
      'inside',
    );
  });

  testWith(['sqlite3'], 'sqlite3 keeps a database, with a journal and with a write-ahead log', async () => {
    const script = `
      for mode in delete wal; do
        sqlite3 $mode.db "pragma journal_mode=$mode; create table t(n, s);
          with recursive c(n) as (select 1 union all select n + 1 from c where n < 10000) insert into t select n, 'row ' || n from c;
          create index i on t(s);"
        sqlite3 $mode.db "select sum(n), count(distinct s) from t; pragma integrity_check;"
      done`;
    const output = await stdoutOf('sh', ['-c', script]);
    assert.equal(output, 'delete\n50005000|10000\nok\nwal\n50005000|10000\nok');
  });

  testWith(['bash'], 'bash runs pipelines, jobs, traps, here-documents and process substitutions', async () => {
    const script = `
      set -euo pipefail
      seq 1 1000 | sort -rn | head -3 | paste -sd, || true
      diff <(printf '1\\n2\\n') <(printf '1\\n3\\n') || echo differ
      cat <<< "here $(echo nested | tr a-z A-Z)"
      { for n in 1 2 3; do (sleep 0.0$n; echo job $n) & done; wait; } | sort
      trap 'echo trapped' TERM; kill -TERM $$
      coproc CAT { cat; }; echo coprocess >&"\${CAT[1]}"; read -r line <&"\${CAT[0]}"; echo "$line"
      mkfifo fifo; echo through > fifo & cat fifo
      find /usr/bin -maxdepth 1 -name 'env' -print0 | xargs -0 -n1 basename
      echo abc | tee copy | gzip | gunzip | sed s/b/X/ | awk '{ print $1 "!" }'`;
    assert.equal(
      await stdoutOf('bash', ['-c', script]),
      '1000,999,998\n2c2\n< 2\n---\n> 3\ndiffer\nhere NESTED\njob 1\njob 2\njob 3\ntrapped\ncoprocess\nthrough\nenv\naXc!',
    );
  });

  testWith(['python3'], 'files and directories are moved and linked between directories', async (context) => {
    const directory = temporaryDirectory(context);
    const code = `
import os, sys
os.chdir(sys.argv[1])
os.makedirs('a/b'); os.makedirs('c')
open('a/file', 'w').write('moved')
os.rename('a/file', 'c/file'); os.rename('a/b', 'c/b'); os.link('c/file', 'a/second'); os.replace('a/second', 'c/b/second')
os.symlink('../c/file', 'a/symlink'); os.mkfifo('c/fifo')
print(sorted(os.listdir('c')), os.stat('c/file').st_nlink, open('a/symlink').read())`;
    const expected = "['b', 'fifo', 'file'] 2 moved";
    assert.equal(await stdoutOf('python3', ['-c', code, '/tmp']), expected);
    const writable = { filesystem: { writable: [directory] } };
    assert.equal(await stdoutOf('python3', ['-c', code, directory], writable), expected);
  });

  testWith([], 'scripts of a read-only mount run by their first line', async (context) => {
    const directory = temporaryDirectory(context, {
      'bin/plain': '#!/bin/sh\necho "plain $0 $1"\n',
      'bin/environment': '#!/usr/bin/env -S sh -e\necho "environment $1"\n',
      'bin/both': `#!/bin/sh\n"$(dirname "$0")/environment" "$1"\n`,
    });
    const filesystem = {
      readOnly: [{ source: directory, target: '/opt/tools' }],
    };
    const inside = (name: string) => stdoutOf(`/opt/tools/bin/${name}`, ['x y'], { filesystem });
    assert.equal(await inside('plain'), 'plain /opt/tools/bin/plain x y');
    assert.equal(await inside('both'), 'environment x y');
    assert.equal(await stdoutOf(`${directory}/bin/environment`, ['alone']), 'environment alone');
  });

  testWith([], 'a program is missing by name and by path until it is there', async (context) => {
    const directory = temporaryDirectory(context);
    for (const file of ['no-such-program', '/usr/bin/no-such-program', join(directory, 'late')]) {
      await assert.rejects(run(file), {
        name: 'SandboxError',
        code: 'ERR_COMMAND_NOT_FOUND',
      });
    }
    writeFileSync(join(directory, 'late'), '#!/bin/sh\necho here now\n', {
      mode: 0o755,
    });
    assert.equal(await stdoutOf(join(directory, 'late')), 'here now');
  });

  testWith([], 'the usual tools look around, pack and unpack', async () => {
    const script = `
      set -e
      read -r uptime idle < /proc/uptime; nproc | grep -c .; df . >/dev/null; date +%Z | grep -c .
      ldd "$(command -v tar)" | grep -c 'libc\\.' ; stat -c %U . ; mktemp -d | grep -c ^/tmp/
      mkdir -p tree/of; echo x > tree/of/files; install -m 755 tree/of/files installed; cp -a tree copy; chmod -R u+w copy
      tar -czf tree.tgz tree; rm -r tree; tar -xpzf tree.tgz; diff -r tree copy && echo same
      find . -name files -newer installed -o -name installed | sort; timeout 5 setsid true; nohup true 2>/dev/null; flock tree.tgz nice true && echo done`;
    assert.equal(await stdoutOf('sh', ['-c', script]), '1\n1\n1\nsandbox\n1\nsame\n./installed\ndone');
  });

  testWith([], 'a name, an account, a home and a host are there', async () => {
    const script =
      'id -un; id -u; hostname; uname -n; uname -s; cd ~ && pwd; echo $USER; getent passwd $(id -u); getent hosts sandbox >/dev/null && echo known';
    assert.equal(
      await stdoutOf('sh', ['-c', script]),
      'sandbox\n1000\nsandbox\nsandbox\nLinux\n/home/sandbox\nsandbox\nsandbox:x:1000:1000:sandbox:/home/sandbox:/bin/sh\nknown',
    );
  });
});
