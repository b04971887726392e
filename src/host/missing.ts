/** Nothing, where a call fails because what it names is not there. */
export async function unlessMissing<T>(
  found: Promise<T>,
  codes: readonly string[] = ['ENOENT'],
): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** What opening a directory answers for what is none, links included. */
export const NO_DIRECTORY = ['ENOENT', 'ENOTDIR', 'ELOOP'] as const;
