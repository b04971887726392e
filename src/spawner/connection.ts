import { SandboxError } from '../errors.js';
import type { ResolvedSpawnerOptions } from '../options/spawner-options.js';
import type { Policy } from '../policy/policy.js';
import {
  decodeReply,
  encodeConfigure,
  encodeDefine,
  encodeForget,
  encodeFreeze,
  encodeKill,
  encodeLook,
  encodeStart,
} from './codec.js';
import { configureMessage } from './configure.js';
import { failureOf, isForLostPolicy } from './failure.js';
import { cannotLaunch, launchSpawner, type SpawnerProcess, spawnerDied } from './launch.js';
import {
  type EndedMessage,
  type FrozeMessage,
  FURTHER_KIND,
  type KillMessage,
  type LookedMessage,
  MOST_FURTHER,
  type ReadyMessage,
  type Reply,
} from './messages.js';
import type { Addon, Pipes, Reactor } from './native.js';
import { Outbox, type Outgoing, type PipesWanted } from './outbox.js';
import { type DefinedPolicy, Policies } from './policies.js';

/** What a step wants to hear of its connection. None of it is called from within `start()`, but for `opened` and `failed`. */
export interface StepListener {
  /** The step was sent to the spawner; these are the near ends of its pipes. */
  opened(stepId: number, pipes: Pipes): void;
  /** The step was released, if it asked to be told. */
  started(): void;
  ended(message: EndedMessage): void;
  failed(error: SandboxError): void;
  /** It is a zygote, and has preloaded what it was to; told again, without words, every so many forks. */
  warm?(words: Uint8Array, rssBytes: number): void;
  /** It was withdrawn before it had been sent. */
  withdrawn(): void;
  data(stream: number, chunk: Buffer | null): void;
  /** Its terminal takes input again. */
  room?(): void;
}

export interface StartRequest {
  readonly file: Buffer;
  readonly argv: readonly Buffer[];
  readonly policy: Policy;
  readonly settings: Uint8Array;
  readonly pipes: Omit<PipesWanted, 'further'>;
  /** What the step has open besides. @default none */
  readonly further?: readonly FurtherDescriptor[];
  /** It does not keep the event loop alive: a zygote that nobody waits for. @default false */
  readonly background?: boolean;
}

interface StepRecord {
  readonly background: boolean;
  readonly stepId: number;
  readonly listener: StepListener;
  readonly policy: DefinedPolicy;
  outgoing: Outgoing | undefined;
  streams: number;
  over: boolean;
}

/** A descriptor of a step's besides stdin, stdout and stderr. The app's own stays open until the step was sent or has its result. */
export type FurtherDescriptor =
  | { readonly kind: 'pipe' }
  /** Of a session: where the directory of its scratch space is sent to. */
  | { readonly kind: 'treeSocket'; readonly descriptor: number }
  | {
      /**
       * `'file'`: given as it is, so it must be a file in memory. `'readOnlyFile'`: open for reading, of a file that the app finds by its path; the step
       * can change it by no way.
       */
      readonly kind: 'file' | 'readOnlyFile';
      readonly descriptor: number;
    };

const NO_PIPES: PipesWanted = { stdin: false, stdout: false, stderr: false };
/** How long a spawner that should end may take, in milliseconds. */
const CLOSE_GRACE_MS = 5000;

/** The life of one spawner, from its start to its end, as this thread sees it. */
export class Connection {
  readonly reactor: Reactor;
  readonly #outbox: Outbox;
  readonly #policies: Policies;
  readonly #steps = new Map<number, StepRecord>();
  readonly #streams = new Map<number, StepRecord>();
  /** Who waits for the last of a policy, by its number. */
  readonly #retired = new Map<number, () => void>();
  /** Who asked about a session, by the number of the question. */
  readonly #asked = new Map<number, (answer: LookedMessage | FrozeMessage | undefined) => void>();
  readonly #options: ResolvedSpawnerOptions;
  readonly #launched: Promise<SpawnerProcess>;
  #ready: ReadyMessage | undefined;
  #alive = true;
  /** What became of the spawner, once it is known. */
  #died: SandboxError | undefined;
  #lastStep = 0;
  #lastQuestion = 0;
  #holds = 0;
  #shut = false;

  /** Returns at once; what is sent meanwhile waits in the channel until the spawner reads it. */
  constructor(addon: Addon, options: ResolvedSpawnerOptions, launch = launchSpawner) {
    const [near, far] = addon.channel();
    this.#options = options;
    this.reactor = addon.createReactor(near, {
      message: (packet) => {
        this.#receive(packet);
      },
      data: (stream, chunk) => {
        this.#deliver(stream, chunk);
      },
      room: (stream) => {
        this.#streams.get(stream)?.listener.room?.();
      },
      writable: () => {
        this.#outbox.flush();
      },
      closed: () => {
        this.#alive = false;
      },
    });
    this.#outbox = new Outbox(this.reactor, () => {
      // Sooner than the event loop tells it: an app that tries again at once shall get another spawner, and not this error for ever.
      this.#alive = false;
    });
    this.#policies = new Policies(
      (policyId, policy) => {
        this.#send(encodeDefine({ policyId, ...policy }));
      },
      (policyId) => {
        this.#send(encodeForget(policyId));
      },
    );
    this.#send(encodeConfigure(configureMessage(options)));
    this.#launched = launch(far).finally(() => {
      addon.close(far);
    });
    void this.#watch();
  }

  /** Whether new steps can be started. */
  get alive(): boolean {
    return this.#alive;
  }

  /** What the spawner said of itself, once it has. */
  get ready(): ReadyMessage | undefined {
    return this.#ready;
  }

  /** Answers the number by which `kill()` knows the step. */
  start(request: StartRequest, listener: StepListener): number {
    const further = request.further ?? [];
    if (further.length > MOST_FURTHER) throw tooManyDescriptors(further.length);
    const stepId = ++this.#lastStep;
    const policy = this.#policies.lease(request.policy);
    const { background = false } = request;
    const record: StepRecord = { background, stepId, listener, policy, outgoing: undefined, streams: 0, over: false };
    if (!background) this.hold();
    this.#steps.set(stepId, record);
    if (this.#died !== undefined) {
      this.#fail(record, this.#died);
      return stepId;
    }
    record.outgoing = {
      packet: encodeStart(
        {
          stepId,
          policyId: policy.id,
          file: request.file,
          argv: request.argv,
          further: further.map(({ kind }) => FURTHER_KIND[kind]),
        },
        request.settings,
      ),
      pipes: { ...request.pipes, further: further.map((one) => (one.kind === 'pipe' ? true : one.descriptor)) },
      deadline: performance.now() + this.#options.queueTimeout,
      sent: (pipes) => {
        this.#opened(record, pipes);
      },
      failed: (error) => {
        this.#fail(record, error);
      },
    };
    this.#outbox.send(record.outgoing);
    return stepId;
  }

  /** Keeps the event loop alive until `letGo()`. Calls add up. */
  hold(): void {
    if (this.#holds++ === 0) this.reactor.ref();
  }

  letGo(): void {
    if (--this.#holds === 0) this.reactor.unref();
  }

  /** Describes a policy before a step needs it, so that its sandboxes are made; until `release()`. */
  lease(policy: Policy): DefinedPolicy {
    return this.#policies.lease(policy);
  }

  release(policy: DefinedPolicy): void {
    this.#policies.release(policy);
  }

  /** Of a policy that no step will name again. Resolves when nothing is left of its sandboxes. */
  retire(policy: Policy): Promise<void> {
    const policyId = this.#policies.retire(policy);
    if (policyId === undefined || !this.#alive) return Promise.resolve();
    return new Promise((resolve) => this.#retired.set(policyId, resolve));
  }

  /** A step that has ended meanwhile is passed over. */
  kill(message: KillMessage): void {
    const record = this.#steps.get(message.stepId);
    if (record === undefined || record.over) return;
    if (record.outgoing !== undefined && this.#outbox.withdraw(record.outgoing)) {
      record.over = true;
      record.listener.withdrawn();
      this.#settle(record);
      return;
    }
    this.#outbox.sendFirst(this.#plain(encodeKill(message)));
  }

  /** What a session and its commands use now; `undefined` when it is over. */
  look(stepId: number): Promise<LookedMessage | undefined> {
    return this.#ask((id) => encodeLook(id, stepId)) as Promise<LookedMessage | undefined>;
  }

  /** Has all that runs in a session stand still, or go on; `undefined` when it is over. */
  freeze(stepId: number, frozen: boolean): Promise<FrozeMessage | undefined> {
    return this.#ask((id) => encodeFreeze(id, stepId, frozen)) as Promise<FrozeMessage | undefined>;
  }

  /** Stop reading a stream; the step gets EPIPE. */
  drop(stream: number): void {
    this.reactor.drop(stream);
    this.#deliver(stream, null);
  }

  /** Takes no more steps. Resolves when those that there are have ended, and the spawner's process has. */
  async close(): Promise<void> {
    this.#alive = false;
    this.#shutWhenIdle();
    const child = await this.#launched.catch(() => undefined);
    child?.ref();
    const timer = setTimeout(() => child?.kill(), CLOSE_GRACE_MS);
    await child?.ended;
    clearTimeout(timer);
  }

  #send(packet: Uint8Array): void {
    this.#outbox.send(this.#plain(packet));
  }

  async #ask(question: (id: number) => Uint8Array): Promise<LookedMessage | FrozeMessage | undefined> {
    if (!this.#alive) return undefined;
    const id = ++this.#lastQuestion;
    this.hold();
    try {
      const answer = await new Promise<LookedMessage | FrozeMessage | undefined>((resolve) => {
        this.#asked.set(id, resolve);
        this.#outbox.sendFirst(this.#plain(question(id)));
      });
      return answer?.found === true ? answer : undefined;
    } finally {
      this.letGo();
    }
  }

  #answer(id: number, answer: LookedMessage | FrozeMessage): void {
    this.#asked.get(id)?.(answer);
    this.#asked.delete(id);
  }

  #plain(packet: Uint8Array): Outgoing {
    // A spawner that is gone fails every step by itself; a policy that is too long surfaces with the step that names it.
    return { packet, pipes: NO_PIPES, deadline: Infinity, sent: () => undefined, failed: () => undefined };
  }

  #opened(record: StepRecord, pipes: Pipes): void {
    record.outgoing = undefined;
    for (const stream of pipes.slice(1)) {
      if (stream < 0) continue;
      this.#streams.set(stream, record);
      record.streams++;
    }
    record.listener.opened(record.stepId, pipes);
  }

  #receive(packet: Uint8Array): void {
    let reply: Reply;
    try {
      reply = decodeReply(packet);
    } catch (error) {
      this.#failAll(error as SandboxError);
      return;
    }
    switch (reply.kind) {
      case 'ready':
        this.#ready = reply.ready;
        return;
      case 'started':
        this.#steps.get(reply.stepId)?.listener.started();
        return;
      case 'ended':
        this.#ended(reply.ended);
        return;
      case 'failed': {
        const error = failureOf(reply.failed, this.#ready);
        const record = this.#steps.get(reply.failed.stepId);
        if (record !== undefined && isForLostPolicy(reply.failed)) this.#policies.lose(record.policy);
        if (record !== undefined) this.#fail(record, error);
        else if (reply.failed.stepId === 0) this.#failAll(error);
        return;
      }
      case 'warm':
        this.#steps.get(reply.stepId)?.listener.warm?.(reply.words, reply.rssBytes);
        return;
      case 'forgotten':
        this.#retired.get(reply.policyId)?.();
        this.#retired.delete(reply.policyId);
        return;
      case 'looked':
        this.#answer(reply.looked.lookId, reply.looked);
        return;
      case 'froze':
        this.#answer(reply.froze.freezeId, reply.froze);
        return;
      case 'probed':
        return;
    }
  }

  #ended(message: EndedMessage): void {
    const record = this.#steps.get(message.stepId);
    if (record === undefined || record.over) return;
    record.over = true;
    record.listener.ended(message);
    this.#settle(record);
    this.#outbox.flush(); // its end gave descriptors back
  }

  #fail(record: StepRecord, error: SandboxError): void {
    if (record.over) return;
    record.over = true;
    record.listener.failed(error);
    this.#settle(record);
  }

  /** The connection is of no use any more: the next step gets another. */
  #failAll(error: SandboxError): void {
    this.#alive = false;
    this.#died ??= error;
    for (const record of this.#steps.values()) this.#fail(record, error);
    for (const resolve of this.#retired.values()) resolve();
    this.#retired.clear();
    for (const resolve of this.#asked.values()) resolve(undefined);
    this.#asked.clear();
    this.#shutWhenIdle();
  }

  #deliver(stream: number, chunk: Buffer | null): void {
    const record = this.#streams.get(stream);
    if (record === undefined) return;
    if (chunk === null) {
      this.#streams.delete(stream);
      record.streams--;
    }
    record.listener.data(stream, chunk);
    if (chunk === null && record.over) this.#settle(record);
  }

  /** Forgets a step that has ended and whose pipes are read; lets the event loop go with the last one. */
  #settle(record: StepRecord): void {
    if (record.streams > 0 || !this.#steps.delete(record.stepId)) return;
    this.#policies.release(record.policy);
    if (!record.background) this.letGo();
    this.#shutWhenIdle();
  }

  /** Of a connection that takes no more steps, the last one closes the channel, and the spawner ends by that. */
  #shutWhenIdle(): void {
    if (this.#alive || this.#shut || this.#steps.size > 0) return;
    this.#shut = true;
    this.#outbox.close();
    this.reactor.close();
  }

  /** Waits for the spawner's end, which is always the end of every step it had. */
  async #watch(): Promise<void> {
    let error: SandboxError;
    try {
      const child = await this.#launched;
      this.#outbox.open();
      const how = await child.ended;
      error = spawnerDied(how, child.lastWords());
    } catch (cause) {
      error = cannotLaunch(cause);
    }
    this.#failAll(error);
  }
}

function tooManyDescriptors(count: number): SandboxError {
  return new SandboxError(
    'ERR_INVALID_OPTION',
    `A step cannot be given ${count} descriptors: ${MOST_FURTHER} at most.`,
  );
}
