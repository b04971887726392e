// Builds the environments in which apps find themselves, asks the doctor in each, runs a step there and, in some, the whole selftest; writes
// docs/environments.md, `--no-write` shows it only. Those with cgroup v2 are virtual machines. Needs root, about a quarter of an hour, and what
// scripts/test-packages.txt and test/qemu/requirements.mjs name. What each is to say is asserted by the tests, not here.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const must = (args) => {
  if (spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status !== 0) process.exit(1);
};
if (process.geteuid() !== 0) {
  console.error('Only root can build the environments.');
  process.exit(1);
}
must(['node_modules/typescript/bin/tsc', '-p', 'test']);
const {
  Worlds,
  DOCKER,
  DOCKER_CAPABILITIES,
  DOCKER_PROC,
  dockerFilter,
  NO_USER_NAMESPACES,
  ORDINARY_ID,
  READ_ONLY_CGROUPS,
  SUBORDINATE_IDS,
} = await import('../build/test/helpers/worlds.js');

const NO_CGROUP = ['--allow-weaker', 'memory,processes,cpu'];
const PORTABLE = ['--allow-missing', 'namespaces'];
const ANY = ['--allow-weaker', 'memory,processes,cpu,uid,groups'];
const user = { uid: ORDINARY_ID };

/** `options`: what an app there accepts by name, where the defaults do not start; `attacked`: by the whole selftest, with these. */
const WORLDS = [
  { name: 'root', world: {}, attacked: true },
  { name: 'an ordinary user, no cgroup of its own', world: user, attacked: true },
  { name: 'an ordinary user with a range of ids (`newuidmap`)', world: SUBORDINATE_IDS, attacked: true },
  { name: 'root of a user namespace with 65536 ids', world: { within: [] } },
  { name: 'root, read-only cgroups', world: { before: READ_ONLY_CGROUPS }, options: NO_CGROUP },
  {
    name: 'root with Docker’s capabilities',
    world: { capabilities: DOCKER_CAPABILITIES },
    options: [...PORTABLE, ...ANY],
  },
  {
    name: 'an ordinary user, `/proc` masked as by Docker',
    world: { before: DOCKER_PROC, ...user },
    options: [...PORTABLE, ...ANY],
  },
  {
    name: 'an ordinary user, Docker’s filter',
    world: { refused: dockerFilter(), ...user },
    options: [...PORTABLE, ...ANY],
  },
  { name: 'all of Docker’s defaults, root', world: DOCKER, options: [...PORTABLE, ...NO_CGROUP], attacked: true },
  {
    name: 'user namespaces forbidden, an ordinary user',
    world: { ...NO_USER_NAMESPACES, ...user },
    options: [...PORTABLE, ...ANY],
    attacked: true,
  },
];

/** Environments of test/qemu/guest. */
const GUESTS = ['service', 'container', 'stranger', 'readonly', 'undelegated', 'delegated', 'busy'];

const rows = [...local(), ...guests()];
const text = page(rows);
if (process.argv.includes('--no-write')) process.stdout.write(text);
else writeFileSync(join(root, 'docs/environments.md'), text);

function local() {
  const worlds = new Worlds();
  try {
    return WORLDS.map((one) => lookAt(worlds, one));
  } finally {
    worlds[Symbol.dispose]();
  }
}

function lookAt(worlds, { name, world, options = [], attacked }) {
  const { report } = worlds.doctor(world);
  const { status, stderr } = worlds.cli(world, ['run', ...options, '--', 'true']);
  const ran = status === 0 ? 'ran' : `did not: ${stderr.trim().split('\n').at(-1)}`;
  const row = { name, ...report, options: report.supported ? '' : options.join(' '), ran };
  console.log(`${name}: supported ${report.supported}, ${ran}`);
  return attacked ? { ...row, selftest: attack(worlds, world, options) } : row;
}

function attack(worlds, world, options) {
  const { stdout, stderr } = worlds.cli(world, ['selftest', '--json', ...options], 600_000);
  if (!stdout.startsWith('{')) return { problem: stderr.trim().split('\n').at(-1) };
  const { score, checks } = JSON.parse(stdout);
  const broken = checks.filter(({ outcome }) => outcome === 'broken').map(({ id }) => id);
  const fails = checks.filter(({ outcome }) => outcome === 'fails').map(({ id }) => id);
  return { score, broken, fails };
}

function guests() {
  const args = ['test/qemu/run.mjs', '--only=doctor', ...GUESTS.map((name) => `=${name}`)];
  const { stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  const blocks = stdout.split('\n\n').filter((block) => block.includes('# outcome '));
  if (blocks.length !== GUESTS.length)
    throw new Error(`${blocks.length} of ${GUESTS.length} guests answered:\n${stdout}`);
  return blocks.map((block) => {
    const [name] = block.trim().split('\n');
    const report = JSON.parse(/^# outcome (.*)$/m.exec(block)[1]);
    const passed = /^ok \d+ - the doctor/m.test(block);
    console.log(`cgroup v2: ${name}: supported ${report.supported}, ${passed ? 'as asserted' : 'NOT as asserted'}`);
    if (!passed) process.exitCode = 1;
    return { name: `cgroup v2: ${name}`, ...report, options: report.supported ? '' : NO_CGROUP.join(' '), ran: '' };
  });
}

function page(all) {
  const named = (layers, state) =>
    Object.entries(layers)
      .filter(([, layer]) => layer.state === state)
      .map(([name, { by }]) => (by === undefined ? name : `${name} (${by})`))
      .join(', ');
  const about = (problems) => problems.filter(({ severity }) => severity !== 'note');
  const table = (head, lines) =>
    [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  const states = all.map(({ name, supported, layers, problems, options, ran }) => [
    name,
    supported ? 'yes' : 'no',
    named(layers, 'weaker'),
    named(layers, 'missing').replaceAll(/ \([^)]*\)/g, ''),
    about(problems)
      .map(({ code }) => `\`${code}\``)
      .join(', '),
    options === '' ? '' : `\`${options}\``,
    ran,
  ]);
  const remedies = new Map(
    all.flatMap(({ problems }) => about(problems).map(({ code, reason, remedy }) => [code, { reason, remedy }])),
  );
  const attacked = all.filter(({ selftest }) => selftest !== undefined);
  return `${[
    '# Environments',
    `Written by \`node scripts/environments.mjs\` on ${new Date().toISOString().slice(0, 10)}, on Linux ${release().split('-')[0]} (cgroups of version 1) and, for cgroup v2, on Debian’s kernel 6.1 in a virtual machine. Each was built for real; that the doctor says just this is asserted by \`test/integration/support-environments.test.ts\`, \`test/qemu/guest/doctor.test.mjs\` and, for steps that run there, \`test/integration/zygote-environments.test.ts\` and \`test/security/portable.test.ts\`. The versions of Node, and a system without glibc, are in [test-long.md](test-long.md).`,
    '## What starts',
    'By default; where that is nothing, with what an app accepts by name. An ordinary user accepts weaker forms by default, root none.',
    table(
      ['environment', 'starts', 'weaker', 'missing', 'the doctor’s causes', 'accepted by name', 'a step then'],
      states,
    ),
    '## The causes, and the remedy that is told',
    [...remedies]
      .map(([code, { reason, remedy }]) => `### \`${code}\`\n\n${reason}\n\n\`\`\`sh\n${remedy}\n\`\`\``)
      .join('\n\n'),
    '## Attacked there',
    `The whole of \`spawn-sandbox selftest\` with the options above. What fails without a sandbox, too, shows nothing, and counts for neither; as an ordinary user and in a container much does.`,
    table(
      ['environment', 'held', 'broken', 'works', 'which are broken', 'what does not work'],
      attacked.map(({ name, selftest: { problem, score, broken, fails } }) =>
        problem === undefined
          ? [
              name,
              score.held,
              score.broken,
              `${score.works} of ${score.works + score.fails}`,
              broken.join(', '),
              fails.join(', '),
            ]
          : [name, problem, '', '', '', ''],
      ),
    ),
  ].join('\n\n')}\n`;
}
