import { constants } from 'node:os';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import type { SandboxOptions } from '#src/options/sandbox-options.js';
import { resolveSpawnerOptions } from '#src/options/spawner-options.js';
import { packageRoot } from '#src/package-root.js';
import { planStep } from '#src/plan.js';
import { Connection } from '#src/spawner/connection.js';
import type { SpawnerProcess } from '#src/spawner/launch.js';
import type { Addon, Reactor, ReactorCallbacks } from '#src/spawner/native.js';
import { inputSource } from '#src/step/input.js';
import type { Further } from '#src/step/further.js';
import { RunningStep } from '#src/step/running-step.js';

const schema = protobuf.parse(readFileSync(join(packageRoot, 'proto/control.proto'), 'utf8')).root;
const request = schema.lookupType('spawn_sandbox.control.Request');
const reply = schema.lookupType('spawn_sandbox.control.Reply');

export interface SentMessage {
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** Stands where the native addon and the spawner stand: remembers what was sent, and says what a test tells it to. */
export class FakeSpawner {
  readonly sent: SentMessage[] = [];
  readonly calls: string[] = [];
  readonly warnings: unknown[] = [];
  /** What `send` answers instead of sending: minus an errno. */
  refuse = 0;
  /** How many bytes `write` takes at once. */
  takes = Infinity;
  written = '';
  readonly connection: Connection;
  #callbacks!: ReactorCallbacks;
  #lastStream = 0;
  #keepAlive: NodeJS.Timeout | undefined;
  #die!: (how: string) => void;
  readonly #ended = new Promise<string>((resolve) => (this.#die = resolve));

  /** A spawner that runs. */
  static async launched(): Promise<FakeSpawner> {
    const spawner = new FakeSpawner();
    await new Promise((resolve) => setImmediate(resolve));
    return spawner;
  }

  private constructor() {
    const child: SpawnerProcess = {
      pid: 1,
      ended: this.#ended,
      lastWords: () => 'out of luck',
      kill: () => undefined,
      ref: () => undefined,
    };
    this.connection = new Connection(this.addon, resolveSpawnerOptions({ queueTimeout: '50ms' }), () =>
      Promise.resolve(child),
    );
  }

  get addon(): Addon {
    return {
      channel: () => [100, 101],
      createReactor: (_descriptor, callbacks) => this.#reactor(callbacks),
      write: (_descriptor, bytes) => {
        const taken = Math.min(bytes.length, this.takes);
        this.written += Buffer.from(bytes.subarray(0, taken)).toString();
        return taken;
      },
      closeAside: () => undefined,
      close: (descriptor) => {
        this.calls.push(`close ${descriptor}`);
      },
      release: (descriptor) => {
        this.calls.push(`release ${descriptor}`);
      },
      map: () => -constants.errno.ENOSYS,
      memory: () => -constants.errno.ENOSYS,
      seal: () => -constants.errno.ENOSYS,
      unmap: () => undefined,
      receive: () => -1,
      attribute: () => -1,
      passOutput: () => -constants.errno.ENOSYS,
      openFile: () => -constants.errno.ENOSYS,
    };
  }

  step(options: SandboxOptions = {}, further: readonly Further[] = []): RunningStep {
    const plan = planStep('sh', ['-c', 'true'], options);
    const step = new RunningStep(plan, inputSource(options.input, plan.options), options.signal, {
      addon: this.addon,
      connection: () => this.connection,
      onSettled: () => undefined,
      further,
    });
    step.start();
    return step;
  }

  /** As the spawner would say it. */
  say(message: object): void {
    this.#callbacks.message(reply.encode(reply.fromObject(message)).finish());
  }

  exit(stepId: number, more: object = {}): void {
    this.say({ ended: { stepId, ...more } });
  }

  /** Bytes of a stream; `null` is its end. */
  output(stream: number, text: string | null): void {
    this.#callbacks.data(stream, text === null ? null : Buffer.from(text));
  }

  writable(): void {
    this.refuse = 0;
    this.#callbacks.writable();
  }

  die(how: string): void {
    this.#callbacks.closed();
    this.#die(how);
  }

  ofKind(kind: string): readonly SentMessage[] {
    return this.sent.filter((message) => message.kind === kind);
  }

  #letGo(): void {
    clearInterval(this.#keepAlive);
    this.#keepAlive = undefined;
  }

  #reactor(callbacks: ReactorCallbacks): Reactor {
    this.#callbacks = callbacks;
    const note =
      (name: string) =>
      (stream?: number): void => {
        this.calls.push(stream === undefined ? name : `${name} ${stream}`);
      };
    return {
      send: (packet, stdin, stdout, stderr, further = []) => {
        if (this.refuse !== 0) return -this.refuse;
        const message = request.toObject(request.decode(packet), { longs: Number, oneofs: true, enums: String });
        const kind = message['kind'] as string;
        this.sent.push({ kind, ...(message[kind] as object) });
        const stream = (wanted: boolean): number => (wanted ? ++this.#lastStream : -1);
        return [stdin ? 50 : -1, stream(stdout), stream(stderr), ...further.map((one) => stream(one === true))];
      },
      resume: note('resume'),
      pause: note('pause'),
      drain: note('drain'),
      drop: note('drop'),
      write: () => -constants.errno.EPIPE,
      resize: note('resize'),
      ref: () => {
        this.calls.push('ref');
        this.#keepAlive ??= setInterval(() => undefined, 1000);
      },
      unref: () => {
        this.calls.push('unref');
        this.#letGo();
      },
      close: () => {
        this.calls.push('close');
        this.#letGo();
      },
    };
  }
}
