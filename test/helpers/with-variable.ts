/** Runs `body` with another value of one of the app's variables. */
export async function withVariable(name: string, value: string, body: () => Promise<void>): Promise<void> {
  const before = process.env[name];
  process.env[name] = value;
  try {
    await body();
  } finally {
    if (before === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = before;
  }
}

/** With a directory in front of the app's PATH. */
export async function withPath(directory: string, body: () => Promise<void>): Promise<void> {
  await withVariable('PATH', `${directory}:${process.env['PATH'] ?? ''}`, body);
}
