import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSandbox } from 'spawn-sandbox';
import { chapter, say, told } from './print.mjs';

/** More memory than allowed. */
export async function tooMuchMemory() {
  chapter('A step that takes more memory than its 64 MiB');
  const hog = 'blocks = []\nwhile True: blocks.append(bytearray(1 << 20))';
  const result = await spawnSandbox('python3', ['-c', hog], { limits: { memory: '64MiB' } });
  told('it was ended with status -9, cause oom', result.status === -9 && result.cause === 'oom', ending(result));
  say(result.detail);
}

/** More time than allowed. */
export async function tooMuchTime() {
  chapter('A step that never ends, with 300 ms to live');
  const result = await spawnSandbox('python3', ['-c', 'while True: pass'], { limits: { wallTime: '300ms' } });
  told(
    'it was ended with status -9, cause wallTimeout',
    result.status === -9 && result.cause === 'wallTimeout',
    ending(result),
  );
  say(`${result.detail} It lived for ${result.usage.wallTimeMs.toFixed(0)} ms.`);
}

/** A server of the app's own, which the app reaches and the step does not. */
export async function noNetwork() {
  chapter("A step that calls a server on the app's own machine");
  let visitors = 0;
  const server = createServer((socket) => {
    visitors++;
    socket.end();
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address();
  await new Promise((closed) => connect(port, '127.0.0.1').resume().on('close', closed));
  told('the app itself reaches it', visitors === 1);
  const call = `import socket; socket.create_connection(("127.0.0.1", ${port}), 2)`;
  const result = await spawnSandbox('python3', ['-c', call]);
  server.close();
  const complaint = result.stderr.trim().split('\n').at(-1);
  told('the step does not', visitors === 1 && !result.ok, `the server had ${visitors} visitors`);
  say(`It has a loopback of its own, where nobody listens: ${complaint}`);
}

/** A secret in the app's environment, one in a file, and one that is for root's eyes only. */
export async function noSecrets() {
  chapter("A step that looks for the app's secrets");
  process.env.TOUR_SECRET = 'the app knows this';
  const directory = await mkdtemp(join(tmpdir(), 'tour-'));
  const file = join(directory, 'secret.txt');
  await writeFile(file, 'and this');
  const result = await spawnSandbox('python3', ['/step/search.py', 'TOUR_SECRET', file], {
    filesystem: { readOnly: [{ source: join(import.meta.dirname, 'search.py'), target: '/step/search.py' }] },
  });
  await rm(directory, { recursive: true });
  told('it could look', result.ok, `${result.detail} ${result.stderr}`);
  if (!result.ok) return;
  const { processes, ownEnvironment, otherEnvironments, files } = JSON.parse(result.stdout);
  told("its environment does not hold the app's variables", !ownEnvironment);
  told('neither does that of any process it sees', !otherEnvironments);
  told("neither the app's file nor /etc/shadow exists for it", files.length === 0, files.join(', '));
  say(`It saw ${processes} processes: itself and the init of its sandbox.`);
}

function ending({ status, cause, detail }) {
  return `status ${status}, cause ${cause}. ${detail}`;
}
