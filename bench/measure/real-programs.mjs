import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSandbox } from 'spawn-sandbox';
import { spawned } from '../contenders/spawned.mjs';
import { ms, percent } from '../format.mjs';
import { median } from '../statistics.mjs';

const NATIVE = join(import.meta.dirname, '../../native');

/** Programs that people run, inside and outside of a sandbox. */
export async function realPrograms({ quick }) {
  const directory = mkdtempSync(join(tmpdir(), 'bench-tree-'));
  try {
    const files = quick ? 1500 : 6000;
    makeRepository(directory, files);
    const rounds = quick ? 3 : 25;
    const rows = [];
    const goals = [];
    for (const program of PROGRAMS(directory, files)) {
      const { inside, outside, share } = await compare(program, rounds);
      rows.push([program.what, ms(outside), ms(inside), percent(share)]);
      goals.push({
        what: `${program.what}, to outside`,
        value: percent(share),
        measured: share,
        atLeast: program.atLeast,
      });
    }
    const note = `Milliseconds from the call to the result; the last column is the speed inside, as a share of that outside. Medians of ${rounds} pairs, alternating.`;
    return { tables: [{ title: 'Real programs', note, heads: ['', 'outside', 'inside', 'speed'], rows }], goals };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A repository of many small files in some hundred directories, as sources are. */
function makeRepository(directory, files) {
  chmodSync(directory, 0o755); // the step has another identity than the app
  for (let file = 0; file < files; file++) {
    const folder = join(directory, `module-${file % 97}`, `part-${file % 7}`);
    if (file < 97 * 7) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `source-${file}.txt`), `file ${file}\n`.repeat(50 + (file % 200)));
  }
  const git = (...args) => execFileSync('git', ['-C', directory, ...args], { stdio: 'ignore', env: GIT });
  git('init');
  git('add', '.');
  git('-c', 'user.name=bench', '-c', 'user.email=bench@example.com', 'commit', '-m', 'all');
}

/**
 * The tree belongs to another identity as seen from inside, and git would read every file again whose owner is not the
 * one that its index remembers. Inside and outside it is told not to mind, and not to write the index.
 */
const GIT = {
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_CONFIG_COUNT: '2',
  GIT_CONFIG_KEY_0: 'safe.directory',
  GIT_CONFIG_VALUE_0: '*',
  GIT_CONFIG_KEY_1: 'core.checkStat',
  GIT_CONFIG_VALUE_1: 'minimal',
};

const PROGRAMS = (tree, files) => [
  {
    what: `git status of ${files} files`,
    file: 'git',
    args: ['-C', tree, 'status', '--porcelain'],
    env: GIT,
    readOnly: [tree],
    atLeast: 0.95,
  },
  {
    what: 'gcc -O2 of a C file of 300 lines',
    file: 'gcc',
    args: [
      '-std=gnu17',
      '-D_GNU_SOURCE',
      '-O2',
      `-I${NATIVE}`,
      '-c',
      `${NATIVE}/spawner/policies.c`,
      '-o',
      '/dev/null',
    ],
    readOnly: [NATIVE],
    syscalls: 'build',
    atLeast: 0.95,
  },
  {
    what: `tar of ${files} files`,
    file: 'sh',
    args: ['-c', `tar -cf - -C ${tree} . | cat >/dev/null`],
    readOnly: [tree],
    atLeast: 0.95,
  },
  {
    what: 'Python, computing',
    file: 'python3',
    args: ['-c', 'print(sum(number * number % 7 for number in range(4_000_000)))'],
    atLeast: 0.99,
  },
  {
    what: 'Node, computing',
    file: process.execPath,
    args: ['-e', 'let sum = 0; for (let n = 0; n < 1e8; n++) sum = (sum + Math.imul(n, n)) | 0; console.log(sum)'],
    atLeast: 0.99,
  },
];

async function compare({ file, args, env = {}, readOnly = [], syscalls = 'default' }, rounds) {
  const options = { filesystem: { readOnly }, syscalls, env: withoutPath(env), limits: { memory: '1GiB' } };
  const inside = async () => {
    const result = await spawnSandbox(file, args, options);
    if (!result.ok) throw new Error(`${file}: ${result.detail} ${result.stderr}`);
  };
  const outside = () => spawned(file, args, { env: { ...process.env, ...env } });
  await inside();
  await outside();
  const taken = { inside: [], outside: [] };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? ['inside', 'outside'] : ['outside', 'inside'];
    for (const where of order) taken[where].push(await timed(where === 'inside' ? inside : outside));
  }
  return {
    inside: median(taken.inside),
    outside: median(taken.outside),
    share: median(taken.outside.map((time, round) => time / taken.inside[round])),
  };
}

function withoutPath({ PATH, ...others }) {
  return others;
}

async function timed(run) {
  const begun = performance.now();
  await run();
  return performance.now() - begun;
}
