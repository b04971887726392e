// What directories of the host cost: making a sandbox that shows many of them, and reading and writing in them.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSandbox } from 'spawn-sandbox';
import { ms, percent, times } from '../format.mjs';
import { median, percentile, seeded, shuffled } from '../statistics.mjs';

const BINDS = 50;
const HIDDEN = 500;
const SMALL_TREE = 1_000;
const LARGE_TREE = 100_000;
const PER_DIRECTORY = 100;
/** Scratch space on a disk needs both. */
const HAS_DISK = process.geteuid() === 0 && existsSync('/dev/loop-control');
const ON_DISK = { scratchOn: 'disk' };

export async function directories({ quick }) {
  const top = mkdtempSync(join(tmpdir(), 'spawn-sandbox-bench-'));
  try {
    const large = quick ? 20_000 : LARGE_TREE;
    const trees = {
      small: tree(join(top, 'small'), SMALL_TREE),
      large: tree(join(top, 'large'), large),
    };
    const made = await makings(optionsFor(top, trees), quick ? 8 : 60);
    const worked = await workings(join(top, 'work'), quick ? 3 : 9, quick ? 64 : 256);
    return {
      tables: [makingTable(made, labels(large)), workTable(worked)],
      goals: [...makingGoals(made, large), ...workGoals(worked)],
    };
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

function tree(path, files) {
  for (let directory = 0; directory < files / PER_DIRECTORY; directory++) {
    const at = join(path, `d${directory}`);
    mkdirSync(at, { recursive: true });
    for (let file = 0; file < PER_DIRECTORY; file++) writeFileSync(join(at, `f${file}`), 'x');
  }
  return path;
}

function optionsFor(top, trees) {
  const readOnly = Array.from({ length: BINDS }, (_, index) => {
    const source = join(top, `bind${index}`);
    mkdirSync(source);
    return { source, target: `/binds/${index}` };
  });
  const hide = Array.from({ length: HIDDEN }, (_, index) => `/project/d${index % 10}/f${Math.floor(index / 10)}`);
  const full = (source, more = []) => ({
    filesystem: { readOnly, overlay: [{ source, target: '/project' }], hide: [...hide, ...more] },
  });
  return {
    plain: {},
    small: full(trees.small),
    large: full(trees.large),
    walk: { filesystem: { overlay: [{ source: trees.large, target: '/project' }], hide: ['**/*.pem'] } },
    ...(HAS_DISK ? { disk: { filesystem: ON_DISK } } : {}),
  };
}

async function makings(options, rounds) {
  const names = Object.keys(options);
  const made = Object.fromEntries(names.map((name) => [name, []]));
  const random = seeded(2);
  for (let round = 0; round <= rounds; round++) {
    for (const name of shuffled(names, random)) {
      const begun = performance.now();
      const sandbox = await createSandbox(options[name]);
      if (round > 0) made[name].push(performance.now() - begun);
      await sandbox.destroy();
    }
  }
  return made;
}

const labels = (files) => ({
  plain: 'createSandbox()',
  small: `${BINDS} mounts, ${HIDDEN} hidden paths, an overlay over ${SMALL_TREE} files`,
  large: `the same over ${files} files`,
  walk: `an overlay over ${files} files with one hidden '**/*.pem'`,
  disk: 'scratch space on a disk',
});

function makingTable(made, names) {
  return {
    title: 'Making sandboxes that show directories',
    note: `Milliseconds until a first command can be run, in random order in each of ${made.plain.length} rounds.`,
    heads: ['', 'p50', 'p99', 'to a plain one'],
    rows: Object.entries(made).map(([name, values]) => [
      names[name],
      ms(median(values)),
      ms(percentile(values, 0.99)),
      times(median(values) / median(made.plain)),
    ]),
  };
}

function makingGoals(made, files) {
  const of = (what, measured, atMost) => ({ what, value: times(measured), measured, atMost });
  return [
    of(
      `createSandbox() with mounts, hidden paths and an overlay over ${files} files, to a plain one`,
      median(made.large) / median(made.plain),
      5,
    ),
    of('the same, to one over a small tree', median(made.large) / median(made.small), 1.2),
  ];
}

/** Each in a directory that has a large file and a tree of small ones. */
const WORK = {
  read: 'cat large > /dev/null; cat large > /dev/null',
  write: 'head -c SIZE /dev/zero > new; rm new',
  files: 'cp -r tree copy; rm -r copy',
};

async function workings(directory, rounds, megabytes) {
  tree(join(directory, 'tree'), 2000);
  writeFileSync(join(directory, 'large'), Buffer.alloc(megabytes << 20, 'x'));
  const shown = (access, more = {}) =>
    createSandbox({
      filesystem: { [access]: [{ source: directory, target: '/project' }], ...more },
      cwd: '/project',
      limits,
    });
  const limits = { memory: '2GiB', scratch: '1GiB', processes: 64 };
  const sandboxes = {
    writable: await shown('writable'),
    overlay: await shown('overlay'),
    ...(HAS_DISK ? { disk: await shown('overlay', ON_DISK) } : {}),
  };
  const run = { host: (script) => onHost(script, directory) };
  for (const [where, sandbox] of Object.entries(sandboxes)) run[where] = (script) => inside(sandbox, script);
  const taken = Object.fromEntries(
    Object.keys(WORK).map((work) => [work, Object.fromEntries(Object.keys(run).map((where) => [where, []]))]),
  );
  const random = seeded(3);
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const [work, script] of Object.entries(WORK)) {
        for (const where of shuffled(Object.keys(run), random)) {
          const begun = performance.now();
          await run[where](script.replace('SIZE', String(megabytes << 20)));
          if (round > 0) taken[work][where].push(performance.now() - begun);
        }
      }
    }
  } finally {
    for (const sandbox of Object.values(sandboxes)) await sandbox.destroy();
  }
  return taken;
}

function onHost(script, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-ec', script], { cwd, stdio: 'ignore' });
    child.on('close', (status) => (status === 0 ? resolve() : reject(new Error(`${script}: ${status}`))));
  });
}

async function inside(sandbox, script) {
  const { ok, detail, stderr } = await sandbox.spawn('sh', ['-ec', script]);
  if (!ok) throw new Error(`${script}: ${detail} ${stderr}`);
}

const WORK_LABELS = {
  read: 'reading a large file',
  write: 'writing a large file',
  files: 'copying and removing 2,000 small files',
};
const speed = (taken, work, where) => median(taken[work].host.map((host, round) => host / taken[work][where][round]));

const PLACE_LABELS = { writable: 'writable', overlay: 'overlay', disk: 'overlay, scratch on a disk' };

function workTable(taken) {
  const places = Object.keys(taken.read).filter((where) => where !== 'host');
  return {
    title: 'Working in directories of the host',
    note: `Milliseconds for a shell and what it starts, alternating with the same on the host, ${taken.read.host.length} rounds; and the speed, to the host's.`,
    heads: ['', 'host', ...places.flatMap((where) => [PLACE_LABELS[where], ''])],
    rows: Object.keys(WORK).map((work) => [
      WORK_LABELS[work],
      ms(median(taken[work].host)),
      ...places.flatMap((where) => [ms(median(taken[work][where])), percent(speed(taken, work, where))]),
    ]),
  };
}

function workGoals(taken) {
  return ['writable', 'overlay'].map((where) => {
    const measured = Math.min(...Object.keys(WORK).map((work) => speed(taken, work, where)));
    return {
      what: `the slowest of these in a directory that is ${where}, to the host`,
      value: percent(measured),
      measured,
      atLeast: 0.9,
    };
  });
}
