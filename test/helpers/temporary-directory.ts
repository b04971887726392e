import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** What of a test's context is needed to clean up after it. */
export interface Cleaning {
  after(clean: () => void): void;
}

/** A directory that is removed with all it holds when the test has ended. A step of a root app has another uid, so all may read it. */
export function temporaryDirectory(context: Cleaning, files: Readonly<Record<string, string>> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'spawn-sandbox-test-'));
  context.after(() => {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  });
  chmodSync(directory, 0o755);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content, {
      mode: content.startsWith('#!') ? 0o755 : 0o644,
    });
  }
  return directory;
}
