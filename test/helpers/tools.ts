import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { findInPath } from '#src/policy/lookup.js';

/** The Debian package of every program that a test may need; `scripts/test-packages.txt` lists them for CI. */
const PACKAGES = {
  bash: 'bash',
  busybox: 'busybox-static',
  cc: 'gcc libc6-dev',
  chromium: 'chromium',
  gcc: 'gcc libc6-dev',
  git: 'git',
  go: 'golang-go',
  java: 'default-jdk-headless',
  javac: 'default-jdk-headless',
  make: 'make',
  'musl-gcc': 'musl-tools',
  npm: 'npm',
  python3: 'python3',
  'sphinx-build': 'python3-sphinx',
  newuidmap: 'uidmap',
  sqlite3: 'sqlite3',
} as const;

type Tool = keyof typeof PACKAGES;

/** A test that runs programs of the machine: skipped, with the remedy, where one is missing, and failed by that in CI. */
export function testWith(
  tools: readonly Tool[],
  title: string,
  body: (context: TestContext) => Promise<void>,
  { timeout = 60_000 }: { readonly timeout?: number } = {},
): void {
  void test(title, { timeout }, async (context) => {
    const missing = tools.filter((tool) => findInPath(tool, process.env['PATH'] ?? '') === undefined);
    if (missing.length === 0) {
      await body(context);
      return;
    }
    const packages = [...new Set(missing.map((tool) => PACKAGES[tool]))].join(' ');
    const message = `${missing.join(', ')} not found: apt-get install -y ${packages}`;
    if (process.env['CI'] === 'true') throw new Error(message);
    context.skip(message);
  });
}
