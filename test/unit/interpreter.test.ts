import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { locateCommand } from '#src/policy/command.js';
import { exposeProgram } from '#src/policy/interpreter.js';
import { isPrefixSafe } from '#src/policy/prefix.js';
import { programBehindShim } from '#src/policy/pyenv.js';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'spawn-sandbox-interpreter-')));
let tree = '';
let trees = 0;

beforeEach(() => {
  tree = join(root, String(++trees));
  mkdirSync(tree);
});
after(() => {
  rmSync(root, { recursive: true, force: true });
});

function program(path: string): string {
  const full = join(tree, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, '#!/bin/sh\n');
  chmodSync(full, 0o755);
  return full;
}

function folder(path: string): string {
  mkdirSync(join(tree, path), { recursive: true });
  return join(tree, path);
}

function content(path: string, text: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), text);
}

function link(path: string, to: string): string {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  symlinkSync(to, join(tree, path));
  return join(tree, path);
}

function shown(path: string): readonly string[] {
  return exposeProgram(path).mounts.map(({ source, target }) =>
    source === target ? target : `${source} -> ${target}`,
  );
}

void describe('what is shown for a program', () => {
  void test('of /usr: nothing more', () => {
    assert.deepEqual(exposeProgram('/usr/bin/env'), { program: '/usr/bin/env', mounts: [], bins: [] });
  });

  void test('of a prefix such as nvm or conda has: the prefix', () => {
    const node = program('versions/node/v20/bin/node');
    folder('versions/node/v20/lib');
    assert.deepEqual(exposeProgram(node), {
      program: node,
      mounts: [{ source: join(tree, 'versions/node/v20'), target: join(tree, 'versions/node/v20') }],
      bins: [join(tree, 'versions/node/v20/bin')],
    });
  });

  void test('in a bin of its own: the single file', () => {
    const tool = program('bin/tool');
    assert.deepEqual(shown(tool), [tool]);
  });

  void test("in somebody's project: the single file, although the project has a lib", () => {
    const tool = program('project/bin/tool');
    folder('project/lib');
    folder('project/.git');
    assert.deepEqual(shown(tool), [tool]);
  });

  void test('behind a link: the link in place, and what it leads to', () => {
    const real = program('real/tool-1.2');
    const linked = link('bin/tool', '../real/tool-1.2');
    assert.deepEqual([...shown(linked)].sort(), [`${real} -> ${linked}`, real].sort());
  });

  void test('behind a link into a prefix: the prefix', () => {
    const real = program('app/bin/tool');
    folder('app/lib');
    const linked = link('bin/tool', real);
    assert.ok(shown(linked).includes(join(tree, 'app')));
  });

  void test('of a virtual environment: the environment and the base that it was made from', () => {
    const base = program('base/bin/python3');
    folder('base/lib');
    content('venv/pyvenv.cfg', `home = ${dirname(base)}\nversion = 3.12.1\n`);
    const python = link('venv/bin/python', base);
    assert.deepEqual([...shown(python)].sort(), [join(tree, 'base'), join(tree, 'venv')]);
    assert.deepEqual(exposeProgram(python).bins, [join(tree, 'venv/bin')]);
  });

  void test('of a virtual environment on the system python: the environment alone', () => {
    content('venv/pyvenv.cfg', 'home = /usr/bin\n');
    const python = link('venv/bin/python', '/usr/bin/env');
    assert.deepEqual(shown(python), [join(tree, 'venv')]);
  });
});

void describe('a pyenv shim', () => {
  function pyenv(...versions: readonly string[]): string {
    for (const version of versions) {
      program(`versions/${version}/bin/python3`);
      folder(`versions/${version}/lib`);
    }
    return program('shims/python3');
  }

  void test('stands for the version that the variable names', () => {
    const shim = pyenv('3.11.7', '3.12.1');
    withVariable('PYENV_VERSION', '3.12.1', () => {
      assert.equal(programBehindShim(shim), join(tree, 'versions/3.12.1/bin/python3'));
      assert.deepEqual(shown(shim), [join(tree, 'versions/3.12.1')]);
    });
  });
  void test('stands for the newest installed one when only the beginning is named', () => {
    const shim = pyenv('3.9.9', '3.12.1', '3.12.10');
    withVariable('PYENV_VERSION', '3.12', () => {
      assert.equal(programBehindShim(shim), join(tree, 'versions/3.12.10/bin/python3'));
    });
  });
  void test('stands for the global version otherwise', () => {
    const shim = pyenv('3.11.7');
    content('version', '# chosen by me\n3.11.7\n');
    withVariable('PYENV_VERSION', undefined, () => {
      assert.equal(programBehindShim(shim), join(tree, 'versions/3.11.7/bin/python3'));
    });
  });
  void test('never leaves the versions by a name with slashes', () => {
    const shim = pyenv('3.11.7');
    content('version', '../../etc\n..\n3.11.7\n');
    withVariable('PYENV_VERSION', undefined, () => {
      assert.equal(programBehindShim(shim), join(tree, 'versions/3.11.7/bin/python3'));
    });
  });
  void test('is only what lies in a directory of shims beside versions', () => {
    assert.equal(programBehindShim(program('shims/x')), undefined);
    assert.equal(programBehindShim('/usr/bin/python3'), undefined);
  });
});

void describe('a prefix is never', () => {
  for (const path of [
    '/',
    '/root',
    '/home',
    '/home/anna',
    '/opt',
    '/var',
    '/tmp',
    '/etc',
    '/home/anna/.local',
    '/srv/.config',
  ]) {
    void test(path, () => {
      assert.equal(isPrefixSafe(path), false);
    });
  }
  void test('the home directory, or one that holds it', () => {
    withVariable('HOME', join(tree, 'people/anna'), () => {
      assert.equal(isPrefixSafe(join(tree, 'people/anna')), false);
      assert.equal(isPrefixSafe(join(tree, 'people')), false);
      assert.equal(isPrefixSafe(join(tree, 'people/anna/miniconda3')), true);
    });
  });
  void test('the working directory of the app, or one that holds it', () => {
    assert.equal(isPrefixSafe(process.cwd()), false);
    assert.equal(isPrefixSafe(dirname(process.cwd())), false);
  });
  void test('what looks like a home directory', () => {
    content('somewhere/.ssh/id', '');
    assert.equal(isPrefixSafe(join(tree, 'somewhere')), false);
  });
});

void describe('a command', () => {
  void test('in the PATH of the system is left to the PATH of the step', () => {
    assert.deepEqual(locateCommand('env', []), { file: 'env', mounts: [], bins: [], key: '' });
  });
  void test('that nobody knows is passed on as it is', () => {
    assert.equal(locateCommand('no-such-command-anywhere', []).file, 'no-such-command-anywhere');
  });
  void test('found elsewhere in the PATH of the app is run by its path', () => {
    const tool = program('conda/bin/tool-of-this-test');
    folder('conda/lib');
    withVariable('PATH', `/usr/bin:${dirname(tool)}`, () => {
      const command = locateCommand('tool-of-this-test', []);
      assert.equal(command.file, tool);
      assert.deepEqual(command.mounts, [{ source: join(tree, 'conda'), target: join(tree, 'conda') }]);
    });
  });
  void test('below a mount of the app is left alone', () => {
    const tool = program('jobs/run');
    const mount = { source: dirname(tool), target: dirname(tool), access: 'readOnly', optional: false } as const;
    assert.deepEqual(locateCommand(tool, [mount]).mounts, []);
  });
  void test('is looked up again when PATH changes', () => {
    const tool = program('one/moving-tool');
    withVariable('PATH', '/usr/bin', () => {
      assert.equal(locateCommand('moving-tool', []).file, 'moving-tool');
    });
    withVariable('PATH', dirname(tool), () => {
      assert.equal(locateCommand('moving-tool', []).file, tool);
    });
  });
});

function withVariable(name: string, value: string | undefined, action: () => void): void {
  const before = process.env[name];
  setVariable(name, value);
  try {
    action();
  } finally {
    setVariable(name, before);
  }
}

function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) Reflect.deleteProperty(process.env, name);
  else process.env[name] = value;
}
