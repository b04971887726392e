import { parseArgs } from 'node:util';
import { SandboxError } from '../errors.js';
import { unpackImage } from '../image/unpack-image.js';
import type { UnpackOptions } from '../image/types.js';
import { EXIT } from './exit-status.js';

const USAGE = `Usage: spawn-sandbox unpack [--tag NAME] [--limit SIZE] IMAGE DIRECTORY

Makes of an OCI image layout (a directory, or an archive as docker save writes it) a directory for --root, and prints as JSON
what the image says of how its programs are run. DIRECTORY.json keeps what it was unpacked from; the same again does nothing.
Exit status: 0 when it is there, 125 otherwise.
`;

const FLAGS = {
  tag: { type: 'string' },
  limit: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** `spawn-sandbox unpack`: what an interrupt leaves unfinished is removed. */
export async function unpack(argv: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: FLAGS,
      strict: true,
      allowPositionals: true,
    });
    if (values.help === true) return say(USAGE);
    const [image, directory, ...more] = positionals;
    if (image === undefined || directory === undefined || more.length > 0)
      throw new SandboxError('ERR_INVALID_OPTION', 'unpack takes an image and a directory.', { remedy: USAGE });
    const { tag, limit } = values;
    const unpacked = await interruptible((signal) =>
      unpackImage(image, directory, {
        ...(tag === undefined ? {} : { tag }),
        ...(limit === undefined ? {} : { limit: /^\d+$/.test(limit) ? Number(limit) : limit }),
        signal,
      }),
    );
    return say(`${JSON.stringify(unpacked, null, 2)}\n`);
  } catch (error) {
    process.stderr.write(`spawn-sandbox: ${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT.failed;
  }
}

async function interruptible<T>(work: (signal: NonNullable<UnpackOptions['signal']>) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, abort);
  try {
    return await work(controller.signal);
  } finally {
    for (const signal of signals) process.off(signal, abort);
  }
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}
