import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { read } from './processes.mjs';

/** Where the memory of a process is accounted: its cgroup directory, by either version. */
function memoryCgroup(pid) {
  const lines = (read(`/proc/${pid}/cgroup`) ?? '').trim().split('\n');
  const v1 = lines.find((line) => line.split(':')[1]?.split(',').includes('memory'));
  if (v1 !== undefined) return join('/sys/fs/cgroup/memory', v1.split(':').slice(2).join(':'));
  const v2 = lines.find((line) => line.startsWith('0::'));
  return v2 === undefined ? undefined : join('/sys/fs/cgroup', v2.slice(3));
}

/** Bytes charged to the cgroup of a process, kernel memory included. */
export function cgroupBytes(pid) {
  const directory = memoryCgroup(pid);
  if (directory === undefined || !/\/spawn-sandbox-[^/]+\//.test(directory)) return undefined;
  const text = read(join(directory, 'memory.usage_in_bytes')) ?? read(join(directory, 'memory.current'));
  return text === undefined ? undefined : Number(text);
}

/** The name below which a spawner has made the cgroup of this process, in every hierarchy. */
export function cgroupNameOf(pid) {
  return /\/(spawn-sandbox-[^/\n]+)\//.exec(read(`/proc/${pid}/cgroup`) ?? '')?.[1];
}

/** Cgroups of this name and below, in every hierarchy. */
export function cgroupCount(name, root = '/sys/fs/cgroup', below = false) {
  let count = 0;
  for (const entry of directories(root)) {
    const ours = below || entry === name;
    count += (ours ? 1 : 0) + cgroupCount(name, join(root, entry), ours);
  }
  return count;
}

function directories(path) {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return []; // removed while we looked
  }
}
