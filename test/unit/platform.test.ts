import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { configureSpawner, spawnSandbox } from 'spawn-sandbox';

/** As on another system. */
function withPlatform(platform: string, body: () => void): void {
  const original = Object.getOwnPropertyDescriptor(process, 'platform') ?? {};
  Object.defineProperty(process, 'platform', { ...original, value: platform });
  try {
    body();
  } finally {
    Object.defineProperty(process, 'platform', original);
  }
}

void suite('on a system that is not Linux', () => {
  for (const platform of ['darwin', 'win32', 'freebsd']) {
    void test(`${platform}: the library can be imported, and refuses by name what it cannot do`, () => {
      const expected = { name: 'SandboxError', code: 'ERR_UNSUPPORTED_PLATFORM', message: new RegExp(platform) };
      withPlatform(platform, () => {
        assert.throws(() => spawnSandbox('true'), expected);
        assert.throws(() => {
          configureSpawner({});
        }, expected);
      });
    });
  }
});
