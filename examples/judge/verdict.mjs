const OF_CAUSE = {
  oom: 'memory limit exceeded',
  cpuTimeout: 'time limit exceeded',
  wallTimeout: 'time limit exceeded',
  outputLimit: 'output limit exceeded',
  seccomp: 'forbidden system call',
};

/** What a judge calls it, from why the step ended: never guessed from a signal or from what the program says. */
export function verdictOf(result, expected) {
  if (result.cause !== 'exit') return OF_CAUSE[result.cause] ?? 'runtime error';
  if (!result.ok) return 'runtime error';
  return result.stdout.trim() === expected ? 'accepted' : 'wrong answer';
}

/** The result's own sentence, and what the program said where that tells more. */
export function evidenceOf(result, expected) {
  if (result.ok) return `Printed ${result.stdout.trim()} where ${expected} was expected.`;
  const complaint = result.stderr.trim().split('\n')[0];
  return complaint === '' ? result.detail : `${result.detail} It said: ${complaint}`;
}
