/** Milliseconds of processor time that a function takes: other than the clock, it is not stopped by others that want to run. */
export function cpuTime(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
