import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { apparmorProfile } from '#src/support/remedies/apparmor.js';
import { MAKE_PROFILE, NEEDED_CALLS } from '#src/support/remedies/seccomp.js';
import { findInPath } from '#src/policy/lookup.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';

void test('in an AppArmor profile a path means itself', () => {
  assert.ok(
    apparmorProfile('/srv/my app/[x]{1}*').includes(String.raw`profile spawn-sandbox "/srv/my app/\[x\]\{1\}\*" flags`),
  );
  assert.ok(apparmorProfile('/a/node_modules/@me/spawner').includes(String.raw`"/a/node_modules/\@me/spawner"`));
});

const hasJq = findInPath('jq', process.env['PATH'] ?? '') !== undefined;

void test(
  'the jq command allows the calls in a profile like Docker’s, whose own rules for them go',
  { skip: !hasJq },
  (context) => {
    const profile = {
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [
        { names: ['read', 'write'], action: 'SCMP_ACT_ALLOW' },
        {
          names: ['clone'],
          action: 'SCMP_ACT_ALLOW',
          args: [{ index: 0, value: 2114060288, op: 'SCMP_CMP_MASKED_EQ' }],
        },
        { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38, excludes: { caps: ['CAP_SYS_ADMIN'] } },
        { names: ['mount', 'bpf'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
      ],
    };
    const cwd = temporaryDirectory(context, { 'default.json': JSON.stringify(profile) });
    const command = MAKE_PROFILE.split('\n').find((line) => line.startsWith('jq')) ?? '';
    const { status, stderr } = spawnSync('sh', ['-ec', `${command}; cat spawn-sandbox.json >&2`], {
      cwd,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.deepEqual(JSON.parse(stderr), {
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [
        { names: NEEDED_CALLS, action: 'SCMP_ACT_ALLOW' },
        { names: ['read', 'write'], action: 'SCMP_ACT_ALLOW' },
        { names: ['bpf'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
      ],
    });
  },
);
