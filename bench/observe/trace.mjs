// The kernel's own record of what processes did and when (tracefs), in an instance that is ours alone. For root only.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const TRACEFS = '/sys/kernel/tracing';
const INSTANCES = join(TRACEFS, 'instances');
const PREFIX = 'spawn-sandbox-bench-';
/** The clock of `process.hrtime()`. */
const CLOCK = 'mono';
const LINE = /-(?<pid>\d+) +\[\d+\] +\S+ +(?<at>\d+\.\d+): (?<name>\w+)(?<rest>.*)$/;

/**
 * Records these events of all processes until it is closed. `required` ones must exist; of `optional` ones, which not every
 * architecture has, those that do are taken.
 *
 * @throws Error that says why nothing can be recorded here
 */
export function openTrace(required, optional) {
  const unmount = mountTracefs();
  const directory = join(INSTANCES, `${PREFIX}${process.pid}`);
  const close = () => {
    if (existsSync(directory)) rmdirSync(directory);
    unmount();
  };
  try {
    removeStale();
    mkdirSync(directory);
    writeFileSync(join(directory, 'trace_clock'), CLOCK);
    for (const event of required) enable(directory, event);
    for (const event of optional.filter((name) => existsSync(join(directory, 'events', name))))
      enable(directory, event);
  } catch (error) {
    close();
    throw error;
  }
  return {
    close,
    clear: () => writeFileSync(join(directory, 'trace'), ''),
    events: () => readFileSync(join(directory, 'trace'), 'utf8').split('\n').map(parse).filter(Boolean),
  };
}

function enable(directory, event) {
  writeFileSync(join(directory, 'events', event, 'enable'), '1');
}

function mountTracefs() {
  if (existsSync(INSTANCES)) return () => {};
  if (!existsSync(TRACEFS)) throw new Error('the kernel has no tracefs');
  const { status } = spawnSync('mount', ['-t', 'tracefs', 'tracefs', TRACEFS]);
  if (status !== 0) throw new Error('tracefs cannot be mounted');
  return () => spawnSync('umount', [TRACEFS]);
}

/** What a run that was killed has left. */
function removeStale() {
  for (const name of readdirSync(INSTANCES)) {
    if (name.startsWith(PREFIX) && !existsSync(`/proc/${name.slice(PREFIX.length)}`)) rmdirSync(join(INSTANCES, name));
  }
}

/** System calls are `enter` or `exit` with the call's name: `{ pid, at, name: 'enter setns', rest }`, `at` in milliseconds. */
function parse(line) {
  const found = LINE.exec(line)?.groups;
  if (found === undefined) return undefined;
  const { pid, at, name, rest } = found;
  const call = /^sys_(.+)$/.exec(name)?.[1];
  const kind = rest.startsWith('(') ? 'enter' : 'exit';
  return { pid: Number(pid), at: Number(at) * 1000, name: call === undefined ? name : `${kind} ${call}`, rest };
}
