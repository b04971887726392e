import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { makeNodeInstallation } from '../helpers/node-installation.js';
import { run, stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { testWith } from '../helpers/tools.js';
import { withPath } from '../helpers/with-variable.js';

async function node(code: string): Promise<string> {
  return stdoutOf('node', ['-e', code]);
}

void suite('Node', () => {
  void test('runs child processes, one after the other and at once', async () => {
    const output = await node(`
      const { execFile, fork, spawn, spawnSync } = require('node:child_process');
      console.log(spawnSync('echo', ['sync']).stdout.toString().trim(), spawnSync('sh', ['-c', 'exit 4']).status);
      console.log(spawnSync(process.execPath, ['-p', '6 * 7'], { encoding: 'utf8' }).stdout.trim());
      const cat = spawn('cat');
      cat.stdout.on('data', (data) => console.log(String(data)));
      cat.on('close', () => execFile('echo', ['execFile'], (error, stdout) => {
        console.log(error, stdout.trim());
        require('node:fs').writeFileSync('child.js', 'process.on("message", (m) => process.send(m * 2, () => process.disconnect()))');
        fork('./child.js').on('message', (answer) => console.log(answer)).send(21);
      }));
      cat.stdin.end('cat');`);
    assert.equal(output, 'sync 4\n42\ncat\nnull execFile\n42');
  });

  testWith(['npm'], 'runs npm', async () => {
    assert.match(await stdoutOf('npm', ['--version']), /^\d+\.\d+\.\d+$/);
    const output = await node(
      `console.log(require('node:child_process').spawnSync('npm', ['--version']).stdout.toString())`,
    );
    assert.match(output, /^\d+\.\d+\.\d+$/);
  });

  testWith(['npm'], 'runs npm scripts and packs a package', async () => {
    const manifest = {
      name: 'inside',
      version: '1.0.0',
      scripts: { hello: 'node -p "process.env.npm_lifecycle_event"' },
    };
    const script =
      'mkdir package && cd package && cat > package.json && npm run --silent hello && npm pack --silent && tar -tzf inside-1.0.0.tgz';
    const output = await stdoutOf('sh', ['-c', script], {
      input: JSON.stringify(manifest),
    });
    assert.equal(output, 'hello\ninside-1.0.0.tgz\npackage/package.json');
  });

  testWith(['npm'], 'runs from nvm, outside of /usr, with its own npm', async (context) => {
    const prefix = makeNodeInstallation(join(temporaryDirectory(context), '.nvm/versions/node/current'));
    await withPath(join(prefix, 'bin'), async () => {
      assert.equal(await stdoutOf('node', ['-p', 'process.execPath']), join(prefix, 'bin/node'));
      assert.equal(await stdoutOf('npm', ['config', 'get', 'prefix']), prefix);
      const code = `console.log(require('node:child_process').execSync('npm exec -c "node -p process.execPath"').toString())`;
      assert.equal(await stdoutOf('node', ['-e', code]), join(prefix, 'bin/node'));
    });
  });

  testWith(['npm'], 'installs and runs a package of the app in a writable project', async (context) => {
    const directory = temporaryDirectory(context, {
      'package/package.json': '{ "name": "tool", "version": "1.0.0", "bin": "cli.js" }',
      'package/cli.js': '#!/usr/bin/env node\nconsole.log("installed tool", process.argv[2]);\n',
      'project/package.json': '{ "name": "project", "version": "1.0.0", "scripts": { "start": "tool run" } }',
    });
    const project = join(directory, 'project');
    const script =
      'npm install --silent --offline --install-links --no-audit --no-fund ../package && npm start --silent';
    const options = { filesystem: { writable: [directory] }, cwd: project };
    assert.match(await stdoutOf('sh', ['-c', script], options), /^installed tool run$/m);
    const tool = join(project, 'node_modules/.bin/tool');
    assert.equal(
      await stdoutOf(tool, ['again'], {
        filesystem: { readOnly: [directory] },
      }),
      'installed tool again',
    );
  });

  void test('runs worker threads that share memory', async () => {
    const output = await node(`
      const { Worker } = require('node:worker_threads');
      const sum = new Int32Array(new SharedArrayBuffer(4));
      const code = 'const { workerData } = require("node:worker_threads"); for (let n = 0; n < 1000; n++) Atomics.add(workerData, 0, 1)';
      let left = 4;
      for (let n = 0; n < 4; n++) new Worker(code, { eval: true, workerData: sum }).on('exit', () => --left || console.log(sum[0]));`);
    assert.equal(output, '4000');
  });

  void test('serves and fetches over HTTP on loopback', async () => {
    const output = await node(`
      const server = require('node:http').createServer((request, response) => response.end('served ' + request.url));
      server.listen(0, '127.0.0.1', async () => {
        for (const host of ['127.0.0.1', 'localhost'])
          console.log(await (await fetch('http://' + host + ':' + server.address().port + '/x')).text());
        server.close();
      });`);
    assert.equal(output, 'served /x\nserved /x');
  });

  void test('fails to resolve a name at once, without a network', async () => {
    const output = await node(`
      const started = performance.now();
      require('node:dns').lookup('example.com', (error) => console.log(error.code, performance.now() - started < 2000));`);
    assert.match(output, /^(EAI_AGAIN|ENOTFOUND) true$/);
  });

  void test('reads and writes files, watches them, and knows who it is', async () => {
    const output = await node(`
      const fs = require('node:fs'), os = require('node:os'), path = require('node:path');
      const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'x-'));
      fs.watch(directory, (event, name) => { console.log(name, fs.readFileSync(path.join(directory, name), 'utf8')); process.exit(); });
      console.log(os.userInfo().username, os.homedir(), os.tmpdir(), os.hostname());
      setTimeout(() => { fs.writeFileSync(path.join(directory, 'new'), ''); }, 50);`);
    assert.equal(output, 'sandbox /home/sandbox /tmp sandbox\nnew');
  });

  void test('imports modules of a read-only mount', async (context) => {
    const directory = temporaryDirectory(context, {
      'main.mjs': 'import { six } from "./lib/six.mjs"; import add from "add"; console.log(add(six, 1));',
      'lib/six.mjs': 'export const six = 6;',
      'node_modules/add/index.js': 'module.exports = (a, b) => a + b;',
    });
    assert.equal(
      await stdoutOf('node', [`${directory}/main.mjs`], {
        filesystem: { readOnly: [directory] },
      }),
      '7',
    );
  });

  void test('starts, and works, under a memory limit of 128 MiB', async () => {
    await run('node', ['-e', '0'], { limits: { memory: '128MiB' } });
    // Half a gigabyte of garbage: what is dropped must be collected before it meets the limit.
    const churn =
      'let n = 0; for (let i = 0; i < 5e5; i++) n += JSON.parse(JSON.stringify({ a: "x".repeat(500) })).a.length; console.log(n)';
    assert.equal(await stdoutOf('node', ['-e', churn], { limits: { memory: '128MiB' } }), '250000000');
  });
});
