import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import {
  encodeConfigure,
  encodeDefine,
  encodeFreeze,
  encodeKill,
  encodeLook,
  encodeProbe,
  encodeStart,
  encodeStartSettings,
  decodeReply,
} from '#src/spawner/codec.js';
import { configureMessage } from '#src/spawner/configure.js';
import { loadAddon, spawnerPath } from '#src/spawner/locate.js';
import type { ConfigureMessage, Reply } from '#src/spawner/messages.js';
import { resolveSpawnerOptions } from '#src/options/spawner-options.js';
import { planStep } from '#src/plan.js';
import { descendantsOf } from '../helpers/marked-processes.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';

const addon = loadAddon();

interface Conversation {
  readonly child: ChildProcess;
  readonly replies: readonly Reply[];
  send(packet: Uint8Array, pipes?: readonly [boolean, boolean, boolean], further?: readonly (true | number)[]): unknown;
  /** The spawner ends by itself and not by a signal. */
  end(): Promise<void>;
}

/** A spawner, and nothing between it and the test. */
function converse(context: TestContext): Conversation {
  const [near, far] = addon.channel();
  const replies: Reply[] = [];
  const reactor = addon.createReactor(near, {
    message: (packet) => replies.push(decodeReply(packet)),
    data: () => undefined,
    room: () => undefined,
    writable: () => undefined,
    closed: () => undefined,
  });
  const child = spawn(spawnerPath(), [], { stdio: ['ignore', 'ignore', 'inherit', far], env: {} });
  addon.close(far);
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  context.after(() => {
    reactor.close();
    child.kill('SIGKILL');
  });
  reactor.ref();
  return {
    child,
    replies,
    send: (packet, [stdin, stdout, stderr] = [false, false, false], further) =>
      reactor.send(packet, stdin, stdout, stderr, further),
    end: async () => {
      reactor.close();
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      const [status, signal] = await ended;
      clearTimeout(timer);
      assert.deepEqual([status, signal], [0, null]);
    },
  };
}

function configuration(context: TestContext, changes: Partial<ConfigureMessage> = {}): Uint8Array {
  // A damaged message may have any byte in place of the slashes: what is made then shall lie in the directory, too.
  const stateDirectory = join(temporaryDirectory(context, { 'in/side': '' }), 'in/state');
  return encodeConfigure({ ...configureMessage(resolveSpawnerOptions({ stateDirectory })), ...changes });
}

/** Configured, and with a policy number 1. */
function prepared(context: TestContext): Conversation {
  const conversation = converse(context);
  conversation.send(configuration(context));
  conversation.send(encodeDefine({ policyId: 1, ...planStep('true', [], {}).policy }));
  return conversation;
}

function start(
  stepId: number,
  {
    policyId = 1,
    pipes = false,
    further = [],
  }: { readonly policyId?: number; readonly pipes?: boolean; readonly further?: readonly number[] } = {},
): Uint8Array {
  const { file, argv, settings } = planStep(
    'true',
    [],
    pipes ? { stdin: 'pipe' } : { stdout: 'ignore', stderr: 'ignore' },
  );
  return encodeStart({ stepId, policyId, file, argv, further }, settings);
}

async function answerTo(stepId: number, { replies }: Conversation): Promise<Reply> {
  const find = (): Reply | undefined =>
    replies.find(
      (reply) =>
        (reply.kind === 'ended' && reply.ended.stepId === stepId) ||
        (reply.kind === 'failed' && reply.failed.stepId === stepId),
    );
  await until(`step ${stepId} is answered`, () => find() !== undefined);
  return find() as Reply;
}

async function failureOrEnd({ replies }: Conversation): Promise<Reply> {
  const find = (): Reply | undefined => replies.find(({ kind }) => kind === 'failed' || kind === 'ended');
  await until('it is answered', () => find() !== undefined);
  return find() as Reply;
}

function openOnce(context: TestContext, path: string): number {
  const descriptor = openSync(path, 'r');
  context.after(() => {
    closeSync(descriptor);
  });
  return descriptor;
}

function endOf(child: ChildProcess): Promise<void> {
  return until('the spawner has ended', () => child.exitCode !== null || child.signalCode !== null);
}

void suite('a spawner that is told nonsense', () => {
  const NONSENSE: readonly (readonly [what: string, packet: Uint8Array])[] = [
    ['random bytes', randomBytes(300)],
    ['one byte', Buffer.from([0x7f])],
    ['an unknown request', Buffer.from([0x7a, 0x01, 0x00])],
    ['a length beyond the packet', Buffer.from([0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x00])],
    ['a number without an end', Buffer.alloc(64, 0xff)],
    ['the mark of a memory file without one', Buffer.from([0])],
    ['two requests at once', Buffer.concat([encodeProbe(1), encodeProbe(2)])],
    ['a start before the configuration', start(1)],
    ['a long message that is no request', Buffer.alloc(200_000, 0x55)],
    ['the longest message, empty', Buffer.alloc(4 * 2 ** 20)],
  ];
  for (const [what, packet] of NONSENSE) {
    void test(`${what}: it ends, or says that it failed, and never by a signal`, async (context) => {
      const conversation = converse(context);
      conversation.send(packet);
      await endOf(conversation.child);
      await conversation.end();
      for (const reply of conversation.replies) assert.equal(reply.kind, 'failed');
    });

    void test(`${what}, after the configuration`, async (context) => {
      const conversation = prepared(context);
      conversation.send(packet);
      conversation.send(start(7));
      await until(
        'it has answered or ended',
        () => conversation.replies.length > 1 || conversation.child.exitCode !== null,
      );
      await conversation.end();
    });
  }

  void test('a descriptor in place of a sealed memory file ends it', async (context) => {
    const conversation = prepared(context);
    conversation.send(Buffer.from([0]), [true, false, false]);
    await endOf(conversation.child);
    await conversation.end();
  });

  for (const [what, pipes] of [
    ['fewer', [false, false, false]],
    ['more', [true, true, true]],
  ] as const) {
    void test(`a start with ${what} descriptors than it says fails, and the next one runs`, async (context) => {
      const conversation = prepared(context);
      const packet = what === 'fewer' ? start(1, { pipes: true }) : start(1);
      conversation.send(packet, pipes);
      assert.equal((await answerTo(1, conversation)).kind, 'failed');
      conversation.send(start(2));
      const reply = await answerTo(2, conversation);
      assert.ok(reply.kind === 'ended' && reply.ended.exitCode === 0);
      await conversation.end();
    });
  }

  const { policy, file, argv, settings } = planStep('true', [], { terminal: { columns: 80, rows: 24 } });
  for (const [what, policyId, pipes, more] of [
    ['a pipe in place of the socket by which a terminal comes', 2, [true, false, false], {}],
    ['none', 2, [false, false, false], {}],
    ['two', 2, [true, true, false], {}],
    ['a terminal under a policy that has none', 1, [true, false, false], {}],
    ['a terminal of no size', 2, [true, false, false], { terminal: { columns: 0, rows: 24 } }],
    ['a terminal that is too large', 2, [true, false, false], { terminal: { columns: 80, rows: 65536 } }],
    ['a terminal and a pipe', 2, [true, true, false], { stdout: 1 }],
  ] as const) {
    void test(`${what}: the step fails, and the next one runs`, async (context) => {
      const conversation = prepared(context);
      conversation.send(encodeDefine({ policyId: 2, ...policy }));
      // What comes last counts, so what is wrong stands behind the rest.
      const wrong = Buffer.concat([settings, encodeStartSettings(more)]);
      conversation.send(encodeStart({ stepId: 1, policyId, file, argv }, wrong), pipes);
      assert.equal((await answerTo(1, conversation)).kind, 'failed');
      conversation.send(start(2));
      const reply = await answerTo(2, conversation);
      assert.ok(reply.kind === 'ended' && reply.ended.exitCode === 0);
      await conversation.end();
    });
  }

  const [PIPE, FILE, READ_ONLY] = [0, 1, 2];
  /** Descriptors that are not what the message says: each comes from the test itself. */
  const NOT_OF_KIND: readonly (readonly [what: string, kinds: readonly number[], given: readonly (true | string)[]])[] =
    [
      ['fewer further ones than it says', [PIPE, PIPE], [true]],
      ['more further ones than it says', [PIPE], [true, true]],
      ['further ones that it does not mention', [], [true]],
      ['further ones that it lacks', [PIPE], []],
      ['a kind that does not exist', [3], [true]],
      [
        'more kinds than may be',
        Array.from({ length: 33 }, () => PIPE),
        Array.from({ length: 32 }, () => true as const),
      ],
      ['a pipe as a file', [FILE], [true]],
      ['a pipe as a file for reading', [READ_ONLY], [true]],
      ['a file as a pipe', [PIPE], ['r']],
      ['a socket as a file', [FILE], ['socket']],
      ['a socket as a file for reading', [READ_ONLY], ['socket']],
      ['a file that can be written to as one for reading', [READ_ONLY], ['r+']],
      ['a good one before a bad one', [READ_ONLY, FILE], ['r', 'socket']],
    ];
  for (const [what, kinds, given] of NOT_OF_KIND) {
    void test(`a start with ${what} fails, and the next one runs`, async (context) => {
      const conversation = prepared(context);
      const path = join(temporaryDirectory(context, { table: 'x' }), 'table');
      const opened = given.map((one) => {
        if (one === true) return true;
        const [descriptor, other] = one === 'socket' ? addon.channel() : [openSync(path, one), undefined];
        context.after(() => {
          if (other === undefined) closeSync(descriptor);
          else for (const end of [descriptor, other]) addon.close(end);
        });
        return descriptor;
      });
      conversation.send(start(1, { further: kinds }), [false, false, false], opened);
      const refusal = (await failureOrEnd(conversation)) as { readonly failed?: { readonly stepId: number } };
      assert.ok(refusal.failed !== undefined, 'it failed');
      if (conversation.child.exitCode === null) {
        conversation.send(
          start(2, { further: [READ_ONLY, PIPE] }),
          [false, false, false],
          [openOnce(context, path), true],
        );
        assert.equal((await answerTo(2, conversation)).kind, 'ended');
      }
      await conversation.end();
    });
  }

  void test('further descriptors for a zygote itself are refused: all of its steps would have them', async (context) => {
    const conversation = converse(context);
    conversation.send(configuration(context));
    conversation.send(encodeDefine({ policyId: 1, ...planStep('true', [], {}).policy, zygote: true }));
    conversation.send(start(1, { further: [PIPE] }), [false, false, false], [true]);
    assert.equal((await answerTo(1, conversation)).kind, 'failed');
    await conversation.end();
  });

  void test('a policy that does not exist fails the step alone', async (context) => {
    const conversation = prepared(context);
    conversation.send(start(1, { policyId: 99 }));
    const reply = await answerTo(1, conversation);
    assert.ok(reply.kind === 'failed' && reply.failed.stage === 14);
    conversation.send(start(2));
    assert.equal((await answerTo(2, conversation)).kind, 'ended');
    await conversation.end();
  });

  void test('a step number that is in use already is refused', async (context) => {
    const conversation = prepared(context);
    const { settings } = planStep('sleep', ['1000'], { stdout: 'ignore', stderr: 'ignore' });
    const long = encodeStart(
      { stepId: 5, policyId: 1, file: Buffer.from('sleep'), argv: ['sleep', '1000'].map((word) => Buffer.from(word)) },
      settings,
    );
    conversation.send(long);
    conversation.send(long);
    assert.equal((await answerTo(5, conversation)).kind, 'failed');
    conversation.send(encodeKill({ stepId: 5, cause: 10, signal: 9, graceMs: 0 }));
    await until('the first one has ended', () => conversation.replies.some(({ kind }) => kind === 'ended'));
    await conversation.end();
  });

  void test('kills of steps that do not exist are passed over', async (context) => {
    const conversation = prepared(context);
    for (const stepId of [0, 1, 2 ** 40]) conversation.send(encodeKill({ stepId, cause: 10, signal: 15, graceMs: 1 }));
    conversation.send(start(2));
    assert.equal((await answerTo(2, conversation)).kind, 'ended');
    await conversation.end();
  });

  void test('who asks about a session that does not exist is told so, also of a step that is none', async (context) => {
    const conversation = prepared(context);
    conversation.send(start(2));
    for (const stepId of [0, 2, 2 ** 40]) {
      conversation.send(encodeFreeze(7, stepId, true));
      conversation.send(encodeLook(8, stepId));
    }
    const told = () => conversation.replies.filter(({ kind }) => kind === 'froze' || kind === 'looked');
    await until('all are answered', () => told().length === 6);
    for (const reply of told()) {
      if (reply.kind === 'froze') assert.deepEqual([reply.froze.freezeId, reply.froze.found], [7, false]);
      if (reply.kind === 'looked') assert.deepEqual([reply.looked.lookId, reply.looked.found], [8, false]);
    }
    assert.equal((await answerTo(2, conversation)).kind, 'ended');
    await conversation.end();
  });

  void test('a step that is no command of a session cannot leave anything', async (context) => {
    const conversation = prepared(context);
    const { file, argv, settings } = planStep('true', [], { stdout: 'ignore', stderr: 'ignore' });
    const kept = Buffer.concat([settings, encodeStartSettings({ keepBackground: true })]);
    conversation.send(encodeStart({ stepId: 3, policyId: 1, file, argv }, kept));
    conversation.send(encodeStart({ stepId: 4, policyId: 1, file, argv }, settings));
    assert.equal((await answerTo(3, conversation)).kind, 'failed');
    assert.equal((await answerTo(4, conversation)).kind, 'ended', 'control');
    await conversation.end();
  });

  void test('a second configuration is refused, and nothing works after it', async (context) => {
    const conversation = prepared(context);
    conversation.send(configuration(context));
    conversation.send(start(1));
    await until('it has answered twice', () => conversation.replies.length === 2);
    assert.deepEqual(
      conversation.replies.map(({ kind }) => kind),
      ['ready', 'failed'],
    );
    await conversation.end();
  });

  void test('a start without arguments, and one with a NUL in each, fail', async (context) => {
    const conversation = prepared(context);
    const settings = encodeStartSettings({ ...EMPTY_SETTINGS, cwd: Buffer.from('/') });
    conversation.send(encodeStart({ stepId: 1, policyId: 1, file: Buffer.from('true'), argv: [] }, settings));
    conversation.send(
      encodeStart({ stepId: 2, policyId: 1, file: Buffer.from('tr\0ue'), argv: [Buffer.from('a\0b')] }, settings),
    );
    await until(
      'both are answered, or it has ended',
      () => conversation.replies.length >= 3 || conversation.child.exitCode !== null,
    );
    for (const reply of conversation.replies) assert.notEqual(reply.kind, 'started');
    await conversation.end();
  });

  void test('an app that goes away in the middle of everything ends it', async (context) => {
    const conversation = prepared(context);
    for (let stepId = 1; stepId <= 30; stepId++) conversation.send(start(stepId));
    await conversation.end();
  });

  void test('random changes to a good conversation never end it by a signal', async (context) => {
    for (let round = 0; round < 30; round++) {
      const conversation = converse(context);
      const packets = [
        configuration(context),
        encodeDefine({ policyId: 1, ...planStep('true', [], {}).policy }),
        start(1),
        start(2),
      ];
      for (const packet of packets) {
        const changed = Buffer.from(packet);
        const [where, what] = randomBytes(3);
        if (round % 4 !== 0) changed[Math.floor(((where ?? 0) / 256) * changed.length)] = what ?? 0;
        conversation.send(round % 3 === 0 ? changed.subarray(0, changed.length - 1) : changed);
      }
      await conversation.end();
    }
  });
});

void suite('a spawner with many policies', () => {
  const COUNT = 30;
  const policies = Array.from({ length: COUNT }, (_, index) => index + 1);

  /** Each policy used once, in their order. */
  async function withPolicies(context: TestContext, changes: Partial<ConfigureMessage>): Promise<Conversation> {
    const conversation = converse(context);
    conversation.send(configuration(context, { pool: 3, ...changes }));
    for (const policyId of policies) {
      const { policy } = planStep('true', [], { limits: { scratch: 2 ** 20 + policyId * 4096 } });
      conversation.send(encodeDefine({ policyId, ...policy }));
      conversation.send(start(policyId, { policyId }));
      assert.equal((await answerTo(policyId, conversation)).kind, 'ended');
    }
    return conversation;
  }

  function makersOf({ child }: Conversation): readonly number[] {
    const spawner = child.pid ?? 0;
    return descendantsOf(spawner).flatMap(({ pid, parent }) => (parent === spawner ? [pid] : []));
  }

  void test('keeps the makers of the few that were used last, with one sandbox each', async (context) => {
    const conversation = await withPolicies(context, { idleMs: 3000, idleMakers: 4 });
    assert.ok(makersOf(conversation).length > 4, 'the control: at first there are more');
    await until('four are left', () => makersOf(conversation).length === 4);
    await until('with an init and a parked step each', () => descendantsOf(conversation.child.pid ?? 0).length === 12);
    const kept = makersOf(conversation);
    const steps = policies.map((policyId) => ({ policyId, stepId: 100 + policyId })).reverse();
    for (const { policyId, stepId } of steps.slice(0, 4)) {
      conversation.send(start(stepId, { policyId }));
      assert.equal((await answerTo(stepId, conversation)).kind, 'ended');
    }
    assert.deepEqual(makersOf(conversation), kept, 'the last ones did not need another');
    for (const { policyId, stepId } of steps.slice(4)) {
      conversation.send(start(stepId, { policyId }));
      assert.equal((await answerTo(stepId, conversation)).kind, 'ended', 'the others can be used as ever');
    }
    await until('four are left again', () => makersOf(conversation).length === 4);
    await conversation.end();
  });

  void test('leaves those alone in which a step runs', async (context) => {
    const conversation = await withPolicies(context, { idleMs: 600, idleMakers: 0 });
    const { settings } = planStep('sleep', ['2'], { stdout: 'ignore', stderr: 'ignore' });
    const argv = ['sleep', '2'].map((word) => Buffer.from(word));
    conversation.send(encodeStart({ stepId: 500, policyId: 1, file: Buffer.from('sleep'), argv }, settings));
    await until('its maker is the only one', () => makersOf(conversation).length === 1);
    const reply = await answerTo(500, conversation);
    assert.ok(reply.kind === 'ended' && reply.ended.cause === 0 && reply.ended.exitCode === 0);
    await until('none is left', () => descendantsOf(conversation.child.pid ?? 0).length === 0);
    await conversation.end();
  });

  void test('keeps them all when it was told so', async (context) => {
    const conversation = await withPolicies(context, { idleMs: 0, idleMakers: 4 });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.equal(makersOf(conversation).length, COUNT);
    await conversation.end();
  });
});

const EMPTY_SETTINGS = {
  env: [],
  stdin: 0,
  stdout: 0,
  stderr: 0,
  limits: { memoryBytes: 0, processes: 0, cpuTimeMs: 0, milliCpus: 0, wallTimeMs: 0, fileSizeBytes: 0, openFiles: 0 },
  announce: false,
};
