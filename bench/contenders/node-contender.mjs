/**
 * A contender whose starts are made by this Node process. `startOnce` resolves when the app knows how the program
 * ended; `starts` keeps `concurrency` of them going until `count` are made or `millis` are over.
 */
export function nodeContender(name, label, startOnce, { close = async () => {} } = {}) {
  return {
    name,
    label,
    inThisProcess: true,
    close,
    async starts({ count = Infinity, millis = Infinity, concurrency }) {
      const latencies = [];
      const begun = performance.now();
      const deadline = begun + millis;
      let started = 0;
      const worker = async () => {
        while (started < count && performance.now() < deadline) {
          started++;
          const before = performance.now();
          await startOnce();
          latencies.push(performance.now() - before);
        }
      };
      await Promise.all(Array.from({ length: concurrency }, worker));
      return { latencies, elapsed: performance.now() - begun };
    },
  };
}
