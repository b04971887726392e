const NAMES = ['a', 'd', 'd/b', 'd/deep', 'd/deep/c', 'e', 'e/f', 'tool', 'n', 'n/m', 'x', 'd/x', 'd/deep/x'];

/** A script of so many random changes to a tree, the same for the same seed. Those that cannot be done are passed over. */
export function runOperations(seed: number, count: number): string {
  let state = seed;
  const below = (most: number): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * most);
  };
  const name = (): string => NAMES[below(NAMES.length)] as string;
  const operations = [
    () => `echo ${below(1000)} > ${name()}`,
    () => `echo ${below(1000)} >> ${name()}`,
    () => `rm -rf ${name()}`,
    () => `mkdir -p ${name()}`,
    () => `mv ${name()} ${name()}`,
    () => `mv -T ${name()} ${name()}`,
    () => `ln -sfn ${NAMES[below(3)] ?? 'a'} ${name()}`,
    () => `ln -f ${name()} ${name()}`,
    () => `chmod ${below(2) === 0 ? '755' : '700'} ${name()}`,
    () => `cp -r ${name()} ${name()}`,
  ];
  const lines = Array.from(
    { length: count },
    () => `{ ${operations[below(operations.length)]?.() ?? ':'}; } 2>/dev/null || :`,
  );
  // A link from one of them could lead out from deeper down: what is kept are links that do not.
  return [...lines, 'find . -type l -delete; ln -s a l; ln -s d/deep e/l 2>/dev/null || :'].join('\n');
}
