// Points the selftest at other sandboxes that are installed here, and writes docs/comparison.md; `--no-write` shows it only. Each
// is run twice where it makes a difference: as its own documentation begins, and with what its manual has to harden it.
// Needs root, about a minute for each, and what of bwrap, firejail, runsc and srt (npm: @anthropic-ai/sandbox-runtime) is in the PATH.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from './find-program.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const CLI = join(root, 'dist/cli/main.js');
const PROBER = join(root, 'native/build/prober');
const MOST_MS = 600_000;

const BWRAP_TREE =
  '--ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev';

/** Where a command needs `{writable}` or the prober to be shown, it says so in its own words. */
const PEERS = [
  { name: 'spawn-sandbox' },
  {
    name: 'bwrap, as its manual begins',
    program: 'bwrap',
    via: `bwrap ${BWRAP_TREE} --ro-bind ${PROBER} ${PROBER} --bind {writable} {writable} --unshare-pid --`,
  },
  {
    name: 'bwrap, hardened',
    program: 'bwrap',
    via: `bwrap ${BWRAP_TREE} --tmpfs /tmp --tmpfs /run --ro-bind ${PROBER} ${PROBER} --bind {writable} {writable} --unshare-all --disable-userns --unshare-user --uid 1000 --gid 1000 --new-session --die-with-parent --clearenv --setenv PATH /usr/bin --cap-drop ALL --hostname sandbox --`,
  },
  {
    name: 'firejail, with its default profile',
    program: 'firejail',
    via: 'firejail --quiet --',
  },
  {
    name: 'firejail, hardened',
    program: 'firejail',
    via: 'firejail --quiet --noprofile --private --private-dev --private-tmp --private-cache --net=none --caps.drop=all --seccomp --nonewprivs --noroot --ipc-namespace --nodbus --rlimit-nproc=128 --rlimit-nofile=1024 --rlimit-fsize=67108864 --',
  },
  { name: 'runsc do', program: 'runsc', via: 'runsc --network=none do' },
  { name: 'srt, with its default settings', program: 'srt', via: 'srt' },
];

const columns = PEERS.map(measure);
const text = page(columns);
if (process.argv.includes('--no-write')) process.stdout.write(text);
else writeFileSync(join(root, 'docs/comparison.md'), text);
for (const { name, report, problem } of columns)
  console.log(`${name}: ${report === undefined ? problem : JSON.stringify(report.score)}`);

function measure({ name, program, via }) {
  if (via !== undefined && findProgram(program) === undefined) return { name, via, problem: 'not installed' };
  const args = [CLI, 'selftest', '--json', ...(via === undefined ? [] : ['--via', via])];
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: MOST_MS,
    maxBuffer: 2 ** 26,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (!stdout.startsWith('{')) return { name, via, problem: stderr.trim().split('\n').at(-1) ?? 'it says nothing' };
  return {
    name,
    via,
    version: via === undefined ? undefined : versionOf(program),
    report: JSON.parse(stdout),
  };
}

function versionOf(program) {
  return spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 10_000 }).stdout.trim().split('\n')[0];
}

function page(all) {
  const started = all.filter(({ report }) => report !== undefined);
  const own = started[0].report;
  const groups = [...new Set(own.checks.map(({ group }) => group))];
  return `${[
    '# What sandboxes let through',
    `Written by \`node scripts/compare.mjs\` on ${new Date().toISOString().slice(0, 10)}, as root, on Linux ${release().split('-')[0]}, ${process.arch}. Each column is a run of \`spawn-sandbox selftest\`, which any of them can be pointed at by \`--via\`.`,
    'A check counts as **broken** when a command inside got what it wanted, or came as far as the kernel code that is there to be attacked, and as **held** when it did not, though it does without a sandbox. What fails without a sandbox, too, shows nothing and is left out. *Works* are things that programs need. The others are launchers: some of what is broken they never promised, such as limits, and much can be had by further options, a filter of one’s own above all. The question here is what a command can do that is run as shown below.',
    table(
      ['', ...started.map(({ name }) => name)],
      [
        ['attacks held', ...started.map(({ report }) => report.score.held)],
        ['attacks broken', ...started.map(({ report }) => `**${report.score.broken}**`)],
        ['works', ...started.map(({ report: { score } }) => `${score.works} of ${score.works + score.fails}`)],
        ['seconds', ...started.map(({ report }) => report.seconds)],
      ],
    ),
    '## Broken, by what it is about',
    table(
      ['', ...started.map(({ name }) => name)],
      groups.map((group) => [group, ...started.map(({ report }) => broken(report, group))]),
    ),
    '## How each was run',
    all
      .map(
        ({ name, via, version, problem }) =>
          `- **${name}**${version ? ` (${version})` : ''}: ${problem ?? (via === undefined ? 'the defaults of \`spawn-sandbox run\`' : `\`${via.replaceAll(PROBER, 'PROBER')}\``)}`,
      )
      .join('\n'),
    '## Each check that somebody breaks',
    table(
      ['check', ...started.map((_, index) => String(index + 1))],
      own.checks
        // Root's home is where it usually is.
        .map(({ id }) => [id.replace('/root/', '/~root/'), ...started.map(({ report }) => sign(report, id))])
        .filter(([, ...signs]) => signs.includes('x')),
    ),
    'By the order of the columns above; x: broken, -: held, blank: shows nothing.',
  ].join('\n\n')}\n`;
}

function broken({ checks }, group) {
  return checks.filter((check) => check.group === group && check.outcome === 'broken').length;
}

function sign({ checks }, id) {
  return { broken: 'x', held: '-', unproven: '' }[checks.find((check) => check.id === id)?.outcome ?? 'unproven'];
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
