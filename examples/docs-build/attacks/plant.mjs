// What a build host has beside the builds, all of it made here: secrets in files and environments, servers, the checkouts.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { appendFile, chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Real documentation: that of CasperJS, as its npm package has it. */
const PROJECT = fileURLToPath(new URL('docs', import.meta.resolve('casperjs/package.json')));

export async function plant() {
  const root = await mkdtemp(join(tmpdir(), 'docs-build-'));
  const secrets = Object.fromEntries(
    ['variable', 'process', 'key', 'neighbour', 'link'].map((name) => [name, `${name}-${randomUUID()}`]),
  );
  const files = {
    key: await write(join(root, 'home/.ssh/id_ed25519'), secrets.key),
    link: await write(join(root, 'home/.netrc'), secrets.link),
    neighbour: await write(join(root, 'neighbour/draft.rst'), secrets.neighbour),
  };
  process.env.DEPLOY_TOKEN = secrets.variable;
  const agent = spawn('cat', [], { env: { AGENT_TOKEN: secrets.process }, stdio: ['pipe', 'ignore', 'ignore'] });
  await once(agent, 'spawn');
  const { visits, ports, close } = await listen();

  return {
    secrets,
    visits,
    /** A checkout of the project, and a place for its artifacts. */
    async project(name, { hostile }) {
      const [checkout, artifacts] = ['checkout', 'artifacts'].map((directory) => join(root, name, directory));
      await cp(PROJECT, checkout, { recursive: true });
      await mkdir(artifacts);
      if (hostile) await turn(checkout, { ...files, ...ports, agent: agent.pid });
      return { checkout, artifacts };
    },
    async remove() {
      close();
      agent.stdin.end();
      await rm(root, { recursive: true, maxRetries: 3 });
    },
  };
}

/** Two servers of the host's own, which count who comes. */
async function listen() {
  const visits = { server: 0, resolver: 0 };
  const server = createServer((socket) => {
    visits.server++;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  const resolver = createSocket('udp4', (question, from) => {
    visits.resolver++;
    resolver.send(question, from.port, from.address);
  }).bind(0, '127.0.0.1');
  await Promise.all([once(server, 'listening'), once(resolver, 'listening')]);
  const close = () => [server, resolver].forEach((one) => one.close());
  return { visits, ports: { server: server.address().port, resolver: resolver.address().port }, close };
}

/** Somebody has had a commit accepted. */
async function turn(checkout, targets) {
  await appendFile(join(checkout, 'conf.py'), await readFile(join(import.meta.dirname, 'conf.py')));
  await writeFile(join(checkout, 'targets.json'), JSON.stringify(targets));
  await symlink(targets.link, join(checkout, '_static/link'));
  await chmod(join(checkout, 'index.rst'), 0o666); // Not for its mode shall it be refused.
}

async function write(path, text) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text, { mode: 0o600 });
  return path;
}
