// What is asked: read how many numbers follow, then the numbers; print their sum.

/** Limits of every submission, as a judge would announce them. */
export const limits = {
  memory: '64MiB',
  cpuTime: '1s',
  wallTime: '5s',
  processes: 8,
  output: '64KiB',
  scratch: '1MiB',
};

/** Inputs with their expected output. The last number of the last one is `lastNumber`. */
export function testCases(lastNumber) {
  const many = [...Array.from({ length: 999 }, (_, index) => index * 1000), lastNumber];
  return [[1, 2, 3], [-5, 5], many].map((numbers) => ({
    input: `${numbers.length}\n${numbers.join(' ')}\n`,
    expected: String(numbers.reduce((sum, number) => sum + number, 0)),
  }));
}
