// The checks that take too long for every change: cgroup v2 and arm64 in virtual machines, other versions of Node, ten thousand starts
// with counts before and after, and millions of fuzzed messages and files. Writes the summary to docs/test-long.md when all of them ended, `--no-write` keeps it as it is.
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const CHECKS = [
  { name: 'cgroup v2 in a virtual machine', args: ['test/qemu/run.mjs'] },
  { name: 'arm64 in a virtual machine', args: ['test/qemu/run.mjs', '--arch=arm64'] },
  { name: 'core scheduling on a kernel that is built with it', args: ['test/qemu/run.mjs', '--cores'] },
  {
    name: 'every test as a user with a range of ids',
    args: ['scripts/test.mjs', '--ranged'],
    keep: /^test: as|^\s*✖|^\d+ passed/,
  },
  { name: 'Node 22 and 24', args: ['scripts/test-nodes.mjs'] },
  { name: '10,000 starts in a row', args: ['bench/leaks.mjs', '10000'] },
  { name: '10,000 steps of one zygote in a row', args: ['bench/leaks.mjs', '10000', '--zygote'] },
  {
    name: '200 kills of zygotes, as root and as an ordinary user',
    args: ['scripts/test.mjs', 'integration/zygote-kills'],
    env: { ZYGOTE_KILLS: '200' },
  },
  {
    name: '100 kills of apps and spawners with overlays, and 100 while they commit, as root and as an ordinary user',
    args: ['scripts/test.mjs', 'integration/overlay-kills'],
    env: { OVERLAY_KILLS: '100' },
  },
  {
    name: '1,000 kills, 100,000 steps in a row, 10 GiB of output and other faults, as root and as an ordinary user',
    args: ['scripts/test.mjs', 'test/faults/'],
    env: { FAULTS: 'long' },
    keep: /^\s*ℹ (?!(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) )|^test: /,
  },
  { name: 'a root made by debootstrap', args: ['scripts/test-roots.mjs'] },
  { name: 'a system without glibc', args: ['scripts/test-musl.mjs'] },
  { name: '5,000,000 fuzzed messages', args: ['scripts/fuzz.mjs', '5000000'] },
  { name: '200,000 damaged Arrow files', args: ['scripts/fuzz-tables.mjs', '200000'] },
  { name: '1,000,000 damaged messages of typed steps', args: ['scripts/fuzz-messages.mjs', '1000000'] },
];

/** Of what a check prints. */
const MOST_LINES = 40;
const outcomes = [];
for (const { name, args, env, keep } of CHECKS) {
  console.log(`\n== ${name}`);
  const started = Date.now();
  const { status, tail } = await run(args, env, keep);
  outcomes.push({ name, outcome: outcomeOf(status, tail), seconds: Math.round((Date.now() - started) / 1000), tail });
}
const count = (word) => outcomes.filter(({ outcome }) => outcome === word).length;
if (!process.argv.includes('--no-write')) writeFileSync(join(root, 'docs/test-long.md'), summary());
console.log(`\n${count('passed')} passed, ${count('FAILED')} failed, ${count('skipped')} skipped`);
process.exitCode = count('FAILED') === 0 ? 0 : 1;

/** What cannot be had here is neither good nor bad, and a check says so by a line of its own. */
function outcomeOf(status, tail) {
  if (status !== 0) return 'FAILED';
  return /^skipped: /m.test(tail) ? 'skipped' : 'passed';
}

/** Shows what a check prints, and keeps its last lines, or the last of those that match. */
function run(args, env = {}, keep = /^/) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let tail = [];
    let unfinished = '';
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk);
      const lines = (unfinished + chunk).split('\n');
      unfinished = lines.pop();
      tail = [...tail, ...lines.filter((line) => keep.test(line))].slice(-MOST_LINES);
    });
    child.on('close', (status) => resolve({ status, tail: [...tail, unfinished].join('\n') }));
  });
}

function summary() {
  const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout.trim();
  const rows = outcomes.map(({ name, outcome, seconds }) => `| ${name} | ${outcome} | ${seconds} s |`);
  const details = outcomes.map(({ name, tail }) => `## ${name}\n\n\`\`\`\n${tail.trim()}\n\`\`\`\n`);
  return `# The long checks, as they last ended\n\nWritten by \`npm run test:long\` on ${new Date().toISOString().slice(0, 10)}, at commit ${commit}.\n\n| check | outcome | time |\n| --- | --- | --- |\n${rows.join('\n')}\n\n${details.join('\n')}`;
}
