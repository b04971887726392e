import { constants } from 'node:os';
import { SandboxError } from '../errors.js';
import { systemReason } from '../system-reason.js';
import type { Pipes, Reactor } from './native.js';

/** Which of a step's streams are pipes. */
export interface PipesWanted {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** What it has besides: `true` for a pipe, or a descriptor that stays open until the message has gone or cannot go. */
  readonly further?: readonly (true | number)[];
  /** A terminal in place of all three, by the stream of stdout. */
  readonly terminal?: boolean;
}

/** One message on its way, with what to do when it has gone or cannot go. */
export interface Outgoing {
  readonly packet: Uint8Array;
  readonly pipes: PipesWanted;
  readonly sent: (pipes: Pipes) => void;
  readonly failed: (error: SandboxError) => void;
  /** When to give up, on the clock of `performance.now()`. */
  readonly deadline: number;
}

const { EAGAIN, ECONNRESET, EMFILE, ENFILE, ENOMEM, EMSGSIZE, ENOBUFS, EPIPE } = constants.errno;
/** Too many descriptors in flight; it has this number on every Linux but is not in Node's list. */
const ETOOMANYREFS = 109;
const BACK_PRESSURE: ReadonlySet<number> = new Set([EAGAIN, ETOOMANYREFS, ENOBUFS]);
/** Nobody has the other end any more. */
const UNREACHABLE: ReadonlySet<number> = new Set([EPIPE, ECONNRESET]);
const OUT_OF_RESOURCES: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOMEM]);
/** Descriptors and memory come back without telling us. */
const RETRY_MS = 20;

/**
 * Messages to the spawner, in order. What the system refuses for a moment waits here instead of failing; and so does
 * everything until the spawner runs, or the pipes of many steps would take the descriptors that starting it needs.
 */
export class Outbox {
  readonly #reactor: Reactor;
  readonly #unreachable: () => void;
  readonly #waiting: Outgoing[] = [];
  #retry: NodeJS.Timeout | undefined;
  #open = false;

  /** @param unreachable the spawner is gone: what is sent now and later gets its error from whoever learns how it ended */
  constructor(reactor: Reactor, unreachable: () => void) {
    this.#reactor = reactor;
    this.#unreachable = unreachable;
  }

  /** The spawner runs. */
  open(): void {
    this.#open = true;
    this.flush();
  }

  send(message: Outgoing): void {
    if (this.#waiting.length === 0 && this.#trySend(message)) return;
    this.#waiting.push(message);
    this.#retryLater();
  }

  /** Before all that wait: for a message about something that was sent already. */
  sendFirst(message: Outgoing): void {
    if (this.#trySend(message)) return;
    this.#waiting.unshift(message);
    this.#retryLater();
  }

  /** Takes back a message that has not gone yet; answers whether it was still there. */
  withdraw(message: Outgoing): boolean {
    const index = this.#waiting.indexOf(message);
    if (index < 0) return false;
    this.#waiting.splice(index, 1);
    return true;
  }

  /** The channel or the system may take more now. */
  flush(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#trySend(next); next = this.#waiting[0]) {
      this.withdraw(next);
    }
    this.#giveUpOverdue();
    this.#retryLater();
  }

  /** Nothing goes any more. */
  close(): void {
    this.#open = false;
    this.#waiting.length = 0;
    this.#retryLater();
  }

  /** Also behind messages that may wait for ever, such as the policy of the step. */
  #giveUpOverdue(): void {
    const now = performance.now();
    for (const message of this.#waiting.filter(({ deadline }) => deadline <= now)) {
      this.withdraw(message);
      message.failed(waitedTooLong());
    }
  }

  /** Answers whether the message is dealt with, for better or worse. */
  #trySend(message: Outgoing): boolean {
    if (!this.#open) return false;
    const { stdin, stdout, stderr, further, terminal } = message.pipes;
    const answer = this.#reactor.send(message.packet, stdin, stdout, stderr, further, terminal);
    if (typeof answer !== 'number') {
      message.sent(answer);
      return true;
    }
    if (BACK_PRESSURE.has(-answer) || OUT_OF_RESOURCES.has(-answer)) return false;
    if (UNREACHABLE.has(-answer)) {
      this.#unreachable();
      return true;
    }
    message.failed(cannotSend(-answer));
    return true;
  }

  #retryLater(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    if (this.#waiting.length === 0) return;
    this.#retry = setTimeout(() => {
      this.flush();
    }, RETRY_MS);
    this.#retry.unref(); // a step that waits keeps the event loop alive by itself
  }
}

function waitedTooLong(): SandboxError {
  return new SandboxError(
    'ERR_QUEUE_TIMEOUT',
    'Cannot start the step: the app ran out of descriptors or memory, or the spawner was busy, for longer than queueTimeout.',
    {
      remedy: 'Start fewer steps at once, raise the limit of open files (ulimit -n), or raise queueTimeout.',
    },
  );
}

function cannotSend(errno: number): SandboxError {
  if (errno === EMSGSIZE) {
    return new SandboxError(
      'ERR_INVALID_OPTION',
      'Cannot start the step: its arguments, environment and mounts together are longer than 4 MiB.',
      {
        errno,
        remedy: 'Pass long data by `input` or a file.',
      },
    );
  }
  return new SandboxError('ERR_SPAWNER_DIED', `Cannot reach the spawner: ${systemReason(errno)}.`, {
    errno,
    syscall: 'sendmsg',
  });
}
