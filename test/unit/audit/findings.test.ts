import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { AuditEvidence } from '#src/audit/evidence.js';
import { findingsOf } from '#src/audit/findings.js';
import { listening } from '#src/audit/network.js';
import { type FindingCode, FINDINGS, isAtLeast, SEVERITIES } from '#src/audit/report.js';
import { auditText } from '#src/audit/text.js';
import { packageRoot } from '#src/package-root.js';

const SOUND: AuditEvidence = {
  isRoot: true,
  smtActive: false,
  processors: 2,
  vulnerabilities: new Map([
    ['meltdown', 'Not affected'],
    ['mds', 'Mitigation: Clear CPU buffers; SMT vulnerable'],
  ]),
  settings: new Map([
    ['kernel/yama/ptrace_scope', '1'],
    ['kernel/unprivileged_bpf_disabled', '2'],
    ['kernel/core_pattern', 'core'],
    ['kernel/randomize_va_space', '2'],
    ['kernel/kptr_restrict', '1'],
    ['kernel/dmesg_restrict', '1'],
    ['fs/protected_symlinks', '1'],
    ['fs/protected_hardlinks', '1'],
    ['fs/protected_fifos', '1'],
    ['fs/protected_regular', '2'],
  ]),
  readableSecrets: [],
  writableSockets: [],
  writablePaths: [],
  metadata: [],
  listeners: [],
};

/** What makes each finding, and nothing else. */
const CAUSES: Readonly<Record<FindingCode, Partial<AuditEvidence>>> = {
  'smt-active': { smtActive: true },
  'cpu-vulnerable': { vulnerabilities: new Map([['mds', 'Vulnerable: no microcode']]) },
  'secret-readable': { readableSecrets: ['/srv/app/.env'] },
  'socket-writable': { writableSockets: ['/run/docker.sock'] },
  'code-writable': { writablePaths: ['/srv/app'] },
  'metadata-reachable': { metadata: ['169.254.169.254'] },
  'services-reachable': { listeners: ['127.0.0.1:5432'] },
  'ptrace-unrestricted': changed('kernel/yama/ptrace_scope', '0'),
  'bpf-unprivileged': changed('kernel/unprivileged_bpf_disabled', '0'),
  'core-handler': changed('kernel/core_pattern', '|/usr/share/apport/apport %p'),
  'addresses-not-random': changed('kernel/randomize_va_space', '0'),
  'kernel-addresses-shown': changed('kernel/kptr_restrict', '0'),
  'log-readable': changed('kernel/dmesg_restrict', '0'),
  'links-unprotected': changed('fs/protected_symlinks', '0'),
};

function changed(path: string, value: string): Partial<AuditEvidence> {
  return { settings: new Map([...SOUND.settings, [path, value]]) };
}

void suite('findings of an audit', () => {
  void test('a sound host has none', () => {
    assert.deepEqual(findingsOf(SOUND), []);
  });

  for (const [code, cause] of Object.entries(CAUSES)) {
    void test(`${code} has its cause, facts and a remedy, and comes alone`, () => {
      const found = findingsOf({ ...SOUND, ...cause });
      assert.deepEqual(
        found.map((finding) => finding.code),
        [code],
      );
      const [{ evidence, remedy, reason, title, severity } = assert.fail()] = found;
      assert.ok(evidence.length > 0 && remedy.length > 10 && reason.length > 40);
      assert.equal(title, FINDINGS[code as FindingCode]);
      assert.ok(SEVERITIES.includes(severity));
      assert.ok(auditText({ findings: found, looked: ['it'] }).includes(evidence[0] ?? ''));
    });
  }

  void test('the most severe stand first, and a level holds for those above it', () => {
    const found = findingsOf({
      ...SOUND,
      ...CAUSES['core-handler'],
      listeners: ['127.0.0.1:1'],
      smtActive: true,
      readableSecrets: ['/x'],
    });
    assert.deepEqual(
      found.map(({ severity }) => severity),
      ['high', 'medium', 'low', 'note'],
    );
    assert.deepEqual(
      SEVERITIES.map((level) => found.filter((finding) => isAtLeast(finding, level)).length),
      [1, 2, 3, 4],
    );
  });

  void test('what is not there is not taken for what is wrong, but for the tracing that nothing restricts', () => {
    const found = findingsOf({ ...SOUND, settings: new Map(), vulnerabilities: new Map(), smtActive: undefined });
    assert.deepEqual(
      found.map(({ code }) => code),
      ['ptrace-unrestricted'],
    );
  });

  void test('addresses are read of the tables of the kernel, of listening sockets only', () => {
    const table = `  sl  local_address rem_address   st tx_queue
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   1: 00000000:0016 00000000:0000 0A 00000000:00000000
   2: 0100007F:AB00 0100007F:1F90 01 00000000:00000000
   3: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0
   4: 00000000000000000000000000000000:1538 00000000000000000000000000000000:0000 0A 0`;
    assert.deepEqual(listening(table), ['127.0.0.1:8080', '0.0.0.0:22', '[::1]:80', '[::]:5432']);
  });

  void test('docs/audit.md has a row for each code, in order', () => {
    const rows = readFileSync(join(packageRoot, 'docs/audit.md'), 'utf8').matchAll(/^\| `([\w-]+)` \| (\w+)/gm);
    const severities = new Map(
      Object.entries(CAUSES).map(([code, cause]) => [code, findingsOf({ ...SOUND, ...cause })[0]?.severity]),
    );
    assert.deepEqual(
      [...rows].map(([, code, severity]) => [code, severity]),
      Object.keys(FINDINGS).map((code) => [code, severities.get(code)]),
    );
  });
});
