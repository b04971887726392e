import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { explain, resolveSyscalls } from '#src/syscalls/index.js';
import { PARKED } from '#src/syscalls/parked.js';
import { SETUP } from '#src/syscalls/setup.js';
import { isKnownCall } from '#src/syscalls/architectures.js';
import { ARM64_SYSCALLS } from '#src/syscalls/tables/arm64.js';
import { X64_SYSCALLS } from '#src/syscalls/tables/x64.js';

/** `#define __NR_name 7`; the generic table also has `__NR3264_name` for calls named differently on 32 bits. */
function callsOfHeader(path: string): [name: string, number: number][] {
  const lines = readFileSync(path, 'utf8').matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm);
  return Array.from(lines, ([, name = '', number = '']) => [name, Number(number)]);
}

const HEADERS = [
  ['x64', '/usr/include/x86_64-linux-gnu/asm/unistd_64.h', X64_SYSCALLS],
  ['arm64', '/usr/include/asm-generic/unistd.h', ARM64_SYSCALLS],
] as const;

const NOT_ON_ARM64 = new Set(['syscalls', 'arch_specific_syscall', 'sync_file_range2']);

for (const [architecture, header, table] of HEADERS) {
  void test(`the ${architecture} table agrees with the system header`, { skip: !existsSync(header) }, () => {
    const calls = callsOfHeader(header).filter(([name]) => !NOT_ON_ARM64.has(name) && !name.endsWith('64_time64'));
    assert.ok(calls.length > 250);
    for (const [name, number] of calls) {
      if (/time64$|time64_|clock_\w+64|timer\w*_\w+64/.test(name)) continue; // 32-bit machines only
      assert.equal(table[name === 'fstatat' ? 'newfstatat' : name], number, name);
    }
  });

  void test(`no two ${architecture} calls have one number`, () => {
    assert.equal(new Set(Object.values(table)).size, Object.keys(table).length);
  });

  void test(`every ${architecture} call has a row of its own in the default preset`, () => {
    const policy = resolveSyscalls('default', architecture);
    for (const [name, number] of Object.entries(table)) {
      assert.ok(policy.calls.has(number), name);
      assert.notEqual(explain(policy, number), policy.otherwise, name);
    }
  });
}

void test('both tables have the newer calls at the same numbers', () => {
  for (const [name, number] of Object.entries(X64_SYSCALLS)) {
    if (number >= 424) assert.equal(ARM64_SYSCALLS[name], number, name);
  }
});

void test('the calls of our own code exist', () => {
  for (const name of [...SETUP.flatMap(({ names }) => names), ...PARKED.map((call) => call.name)]) {
    assert.ok(isKnownCall(name), name);
  }
});
