import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** On a busy machine it takes some seconds. */
const LONGEST_MS = 120_000;

export interface Shown {
  /** The document after it was loaded, as text. */
  readonly dom: string;
  /** What the page, or the browser about it, wrote to the console. */
  readonly console: readonly string[];
  /** A PNG. */
  readonly screenshot: Buffer;
}

export interface ShowOptions {
  readonly width: number;
  readonly dark: boolean;
}

/** Loads a file in a Chromium of its own, which is ended before this returns, whatever it does. */
export async function showPage(path: string, { width, dark }: ShowOptions): Promise<Shown> {
  // A short name: below it Chromium makes a socket, whose path has no more than 108 bytes.
  const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
  const screenshot = join(profile, 'page.png');
  // Its own sandbox needs a set-uid helper or user namespaces, which neither root nor a container has for it; the page is ours.
  const options = [
    ...[
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--hide-scrollbars',
      '--no-first-run',
    ],
    ...[`--user-data-dir=${profile}`, `--window-size=${width},2400`, '--enable-logging=stderr', '--dump-dom'],
    ...[`--screenshot=${screenshot}`, `--blink-settings=preferredColorScheme=${dark ? 0 : 1}`],
  ];
  const child = spawn('chromium', [...options, pathToFileURL(path).href], {
    detached: true, // a group of its own, which can be ended as a whole
    env: { PATH: process.env['PATH'], HOME: profile, TMPDIR: profile },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const endGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  const deadline = setTimeout(endGroup, LONGEST_MS);
  const [dom, log] = [textOf(child.stdout), textOf(child.stderr)];
  try {
    await new Promise((resolve, reject) => child.on('error', reject).on('exit', resolve));
    endGroup();
    const lines = (await log).split('\n').filter((line) => line.includes(':CONSOLE'));
    if (!existsSync(screenshot)) throw new Error(`no screenshot: ${await log}`);
    return { dom: await dom, console: lines, screenshot: readFileSync(screenshot) };
  } finally {
    clearTimeout(deadline);
    endGroup();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
