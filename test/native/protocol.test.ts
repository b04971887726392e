import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { packageRoot } from '#src/package-root.js';
import { REPORT } from '../helpers/reports.js';
import { testWith } from '../helpers/tools.js';

const proto = readFileSync(new URL('../../../proto/control.proto', import.meta.url), 'utf8');
const header = readFileSync(new URL('../../../native/common/protocol.h', import.meta.url), 'utf8');

/** C's name of each enum of the protocol: the enum and the prefix of its values. */
const ENUMS: Record<string, readonly [name: string, prefix: string]> = {
  Layer: ['layer', 'LAYER'],
  Cause: ['cause', 'CAUSE'],
  Scope: ['scope', 'SCOPE'],
  By: ['by', 'BY'],
  Stage: ['stage', 'STAGE'],
  State: ['state', 'STATE'],
  Stdio: ['stdio', 'STDIO'],
  Further: ['further', 'FURTHER'],
  Builtin: ['builtin', 'BUILTIN'],
  Kind: ['kind', 'MOUNT'],
  What: ['what', 'PROBE'],
};

function valuesOf(text: string, name: string): Map<string, number> {
  const body = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(text)?.[1];
  assert.ok(body, `enum ${name} is there`);
  return new Map([...body.matchAll(/^\s*(\w+) = (\d+)/gm)].map(([, key, value]) => [key ?? '', Number(value)]));
}

for (const [name, [native, prefix]] of Object.entries(ENUMS)) {
  void test(`the enum ${name} of the protocol is the same in C`, () => {
    const expected = new Map([...valuesOf(proto, name)].map(([key, value]) => [`${prefix}_${key}`, value]));
    assert.deepEqual(valuesOf(header, native), expected);
  });
}

testWith(['cc'], 'what tests forge has the form of a report', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'report-'));
  try {
    const source = join(directory, 'sizes.c');
    const lines = [
      '#include <stdio.h>',
      '#include "sandbox/internal.h"',
      'int main(void) { return !printf("%zu %zu", offsetof(struct report, failure), sizeof(struct report)); }',
    ];
    writeFileSync(source, lines.join('\n'));
    const program = join(directory, 'sizes');
    await promisify(execFile)('cc', ['-D_GNU_SOURCE', '-I', join(packageRoot, 'native'), '-o', program, source]);
    assert.equal((await promisify(execFile)(program)).stdout, `${REPORT.failure} ${REPORT.size}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
