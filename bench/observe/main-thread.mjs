import { readFileSync } from 'node:fs';

/** Processor time of this thread in milliseconds, exact to the nanosecond, or `undefined` where the kernel does not count it. */
function threadCpuMs() {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return undefined;
  }
}

/** Starts to watch the main thread; the returned function tells what it has done since, in milliseconds. */
export function watchMainThread() {
  const loop = performance.eventLoopUtilization();
  const thread = threadCpuMs();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    const threadNow = threadCpuMs();
    return {
      active: performance.eventLoopUtilization(loop).active,
      threadCpu: thread === undefined || threadNow === undefined ? NaN : threadNow - thread,
      processCpu: (user + system) / 1000,
    };
  };
}
