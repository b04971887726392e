// Builds documentation, as it is and as an attacker would have it: `node examples/docs-build/run.mjs [--json] [--deadline 10m]`
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { closeSpawner } from 'spawn-sandbox';
import { observe } from './attacks/observe.mjs';
import { plant } from './attacks/plant.mjs';
import { buildDocs } from './build.mjs';
import { reporter } from './show.mjs';

if (!existsSync('/usr/lib/python3/dist-packages/sphinx')) {
  console.error("Debian's Sphinx is missing: apt-get install -y python3-sphinx");
  process.exit(1);
}
const { values } = parseArgs({ options: { json: { type: 'boolean' }, deadline: { type: 'string', default: '10m' } } });
const report = reporter(values);

const host = await plant();
try {
  const honest = await build('honest');
  const hostile = await build('hostile');
  for (const attack of hostile.attacks) report({ build: 'hostile', event: 'attack', ...attack });
  const allFailed = hostile.attacks.every(({ tried, succeeded }) => tried && !succeeded);
  process.exitCode = honest.ok && allFailed ? 0 : 1;
} finally {
  await closeSpawner();
  await host.remove();
}

async function build(name) {
  const project = await host.project(name, { hostile: name === 'hostile' });
  const findAttacks = await observe(host, project);
  const lines = [];
  const ok = await buildDocs({
    ...project,
    deadline: values.deadline,
    report: (event) => {
      if (event.event === 'output') lines.push(event.line);
      report({ build: name, ...event });
    },
  });
  return { ok, attacks: await findAttacks(lines) };
}
