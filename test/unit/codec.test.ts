import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { SandboxError } from '#src/errors.js';
import { packageRoot } from '#src/package-root.js';
import {
  decodeReply,
  encodeConfigure,
  encodeDefine,
  encodeForget,
  encodeFreeze,
  encodeKill,
  encodeLook,
  encodeProbe,
  encodeStart,
  encodeStartSettings,
} from '#src/spawner/codec.js';
import type { StartCommand, StartSettings } from '#src/spawner/messages.js';
import { REPLIES, REQUESTS, SETTINGS } from './codec-examples.js';

const schema = protobuf.parse(readFileSync(join(packageRoot, 'proto/control.proto'), 'utf8')).root;
const request = schema.lookupType('spawn_sandbox.control.Request');
const reply = schema.lookupType('spawn_sandbox.control.Reply');
const vectors = join(packageRoot, 'proto/vectors');

const ENCODED: Readonly<Record<string, Uint8Array>> = {
  configure: encodeConfigure(REQUESTS.configure),
  define: encodeDefine(REQUESTS.define),
  start: encodeStart(REQUESTS.start, encodeStartSettings(SETTINGS)),
  kill: encodeKill(REQUESTS.kill),
  probe: encodeProbe(7),
  forget: encodeForget(3),
  look: encodeLook(5, 2 ** 40),
  freeze: encodeFreeze(6, 2 ** 40, true),
  'start-kept': encodeStart(
    REQUESTS.start,
    Buffer.concat([encodeStartSettings(SETTINGS), encodeStartSettings({ keepBackground: true })]),
  ),
  ...Object.fromEntries(
    Object.entries(REPLIES).map(([name, message]) => [
      `reply-${name}`,
      reply.encode(reply.fromObject(message)).finish(),
    ]),
  ),
};

void describe('the bytes on the wire', () => {
  for (const [name, bytes] of Object.entries(ENCODED)) {
    void test(`${name} is what proto/vectors/${name}.hex says`, () => {
      const path = join(vectors, `${name}.hex`);
      const hex = Buffer.from(bytes)
        .toString('hex')
        .replace(/(.{64})/g, '$1\n')
        .trimEnd();
      if (process.env['UPDATE_VECTORS'] === '1') {
        mkdirSync(vectors, { recursive: true });
        writeFileSync(path, `${hex}\n`);
      }
      assert.equal(hex, readFileSync(path, 'utf8').trimEnd());
    });
  }
});

void describe('requests', () => {
  void test('say what they were given', () => {
    const start = startIn(ENCODED['start'] as Uint8Array);
    assert.equal(start.stepId, 2 ** 40);
    assert.equal(start.policyId, 3);
    assert.deepEqual(start.argv.map(String), ['sh', '-c', 'exit 0']);
    assert.deepEqual(start.env.map(String), ['PATH=/usr/bin', 'EMPTY=']);
    assert.equal(start.limits.memoryBytes, 2 ** 29);
  });
  void test('to start are encoded as by the schema alone, for arguments of every length', () => {
    const settings = encodeStartSettings(SETTINGS);
    fc.assert(
      fc.property(
        fc.array(fc.nat(40_000), { maxLength: 4 }),
        fc.integer({ min: 1, max: 2 ** 50 }),
        (lengths, stepId) => {
          const command = {
            stepId,
            policyId: 1,
            file: Buffer.from('x'),
            argv: lengths.map((length) => Buffer.alloc(length, 97)),
          };
          const start = startIn(encodeStart(command, settings));
          assert.deepEqual(
            start.argv.map(({ length }) => length),
            lengths,
          );
          assert.equal(start.stepId, stepId);
          assert.equal(String(start.cwd), '/home/sandbox');
        },
      ),
      { numRuns: 50 },
    );
  });
});

void describe('replies', () => {
  const decoded = (name: string): ReturnType<typeof decodeReply> => decodeReply(ENCODED[`reply-${name}`] as Uint8Array);

  void test('of an end have every field, also those that the wire leaves out', () => {
    const message = decoded('ended-minimal');
    assert.ok(message.kind === 'ended');
    assert.equal(message.ended.exitCode, 0);
    assert.equal(message.ended.evidence.mainExitedFirst, false);
    assert.equal(message.ended.usage.wallNs, 0);
    assert.equal(message.ended.enforced.length, 0);
  });
  void test('have large numbers as numbers', () => {
    const message = decoded('ended');
    assert.ok(message.kind === 'ended');
    assert.equal(message.ended.usage.wallNs, 12_345_678_901_234);
    assert.equal(message.ended.evidence.seccompArch, 0xc000003e);
    assert.equal(message.ended.enforced.length, 2 * 17);
    assert.deepEqual([...message.ended.enforced.subarray(26, 28)], [3, 4]);
  });
  void test('of a failure have path and negative numbers', () => {
    const message = decoded('failed');
    assert.ok(message.kind === 'failed');
    assert.equal(Buffer.from(message.failed.path).toString(), '/nope');
    assert.equal(message.failed.errno, 2);
  });
  void test('of a zygote have its words and its size', () => {
    const message = decoded('warm');
    assert.ok(message.kind === 'warm');
    assert.deepEqual(
      [message.stepId, Buffer.from(message.words).toString(), message.rssBytes],
      [2 ** 40, '{"mode":"fork"}', 2 ** 27],
    );
  });
  void test('of a policy that is gone have its number', () => {
    assert.deepEqual(decoded('forgotten'), { kind: 'forgotten', policyId: 7 });
  });
  void test('of a session have what each of its commands uses', () => {
    const message = decoded('looked');
    assert.ok(message.kind === 'looked');
    assert.deepEqual(
      message.looked.commands.map(({ stepId, memoryBytes, background }) => [stepId, memoryBytes, background]),
      [
        [2 ** 40, 2 ** 20, false],
        [3, 0, true],
      ],
    );
    assert.deepEqual(decoded('froze'), {
      kind: 'froze',
      froze: { freezeId: 6, found: true, errno: 110, bySignals: true },
    });
  });
  void test('that are no replies are refused with ERR_PROTOCOL', () => {
    for (const bytes of ['', 'ff', '0a', '1a05', '2a0208']) {
      assert.throws(() => decodeReply(Buffer.from(bytes, 'hex')), { code: 'ERR_PROTOCOL' });
    }
  });
  void test('with numbers beyond 2^53 are refused, not rounded', () => {
    const bytes = reply.encode(reply.fromObject({ started: { stepId: '18014398509481985' } })).finish();
    assert.throws(() => decodeReply(bytes), { code: 'ERR_PROTOCOL' });
  });
  void test('of any bytes are decoded or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeReply(bytes);
        } catch (error) {
          assert.ok(error instanceof SandboxError);
        }
      }),
    );
  });
});

/** What the schema alone makes of a packet. */
function startIn(packet: Uint8Array): StartCommand & StartSettings {
  const decoded = request.toObject(request.decode(packet), { longs: Number, arrays: true });
  return decoded['start'] as StartCommand & StartSettings;
}
