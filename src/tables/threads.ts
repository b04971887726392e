import { Worker } from 'node:worker_threads';
import type { Limits } from './limits.js';
import type { ArrowSummary } from './report.js';

/** A file to check. Its descriptor stays open, and the caller's, until the answer. */
export interface Question {
  readonly descriptor: number;
  /** Bytes; undefined for a file in memory, which is sealed first. */
  readonly size: number | undefined;
  readonly limits: Limits;
  /** See effort.ts. In microseconds. */
  readonly mostEffort: number;
}

export type Answer =
  | { readonly report: ArrowSummary; readonly effort: number }
  | {
      readonly refusal: {
        readonly where: string;
        readonly problem: string;
        readonly remedy: string | undefined;
      };
    }
  /** What is wrong with a file in memory before it is read: follows its name. */
  | { readonly unfit: string }
  /** The file could not be mapped or read. */
  | { readonly errno: number }
  /** The thread ended: what it was given was too much for it. */
  | { readonly died: Error };

interface Waiting {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
}

/** Checks are bound by memory bandwidth, so more at once are not faster. */
const MOST_THREADS = 2;
/** Milliseconds. A thread that is idle keeps some MiB of its own. */
const IDLE = 1000;
/** What is allocated follows the schema, so this is far more than any table needs. */
const HEAP_MIB = 512;

const waiting: Waiting[] = [];
const idle: CheckThread[] = [];
let threads = 0;
/** Files that are about to come. */
let expected = 0;

/** Checks a file in another thread. The app's process stays alive for the answer, and for nothing else of this. */
export function askThread(question: Question): Promise<Answer> {
  return new Promise((resolve) => {
    waiting.push({ question, resolve });
    next();
  });
}

/** A file is about to come: a thread, which takes some 50 ms to start, is there until the answered function is called. */
export function expectQuestion(): () => void {
  expected++;
  if (threads === 0) newThread()?.rest();
  let over = false;
  return () => {
    if (over) return;
    over = true;
    if (--expected === 0) for (const thread of idle) thread.retireLater();
  };
}

function next(): void {
  if (waiting.length === 0) return;
  const thread = idle.pop() ?? newThread();
  if (thread === undefined) return;
  const job = waiting.shift();
  if (job !== undefined) thread.run(job);
}

/** Where the system gives no thread, what waits is told, unless another thread will come to it. */
function newThread(): CheckThread | undefined {
  if (threads === MOST_THREADS) return undefined;
  try {
    return new CheckThread();
  } catch (error) {
    const died = error instanceof Error ? error : new Error(String(error));
    if (threads === 0) for (const { resolve } of waiting.splice(0)) resolve({ died });
    return undefined;
  }
}

class CheckThread {
  readonly #worker: Worker;
  #job: Waiting | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    this.#worker = new Worker(new URL('check-thread.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
      // What the app's own process was started with is not for us: a preload, a debugger.
      execArgv: [],
      env: {},
    });
    this.#worker.on('message', (answer: Answer) => {
      this.#answered(answer);
    });
    this.#worker.on('error', (error) => {
      this.#answer({ died: error instanceof Error ? error : new Error(String(error)) });
    });
    this.#worker.on('exit', () => {
      this.#ended();
    });
    threads++;
  }

  run(job: Waiting): void {
    clearTimeout(this.#timer);
    this.#job = job;
    this.#worker.ref();
    this.#worker.postMessage(job.question);
  }

  #answer(answer: Answer): void {
    this.#job?.resolve(answer);
    this.#job = undefined;
  }

  #answered(answer: Answer): void {
    this.#answer(answer);
    this.rest();
    next();
  }

  /** Waits for a file, for a while. */
  rest(): void {
    this.#worker.unref();
    idle.push(this);
    this.retireLater();
  }

  /** When it is still idle then, and nothing is expected. */
  retireLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (expected === 0) this.#retire();
    }, IDLE).unref();
  }

  #forget(): void {
    const place = idle.indexOf(this);
    if (place >= 0) idle.splice(place, 1);
  }

  #retire(): void {
    this.#forget();
    void this.#worker.terminate();
  }

  #ended(): void {
    clearTimeout(this.#timer);
    this.#forget();
    threads--;
    this.#answer({ died: new Error('the thread of the check ended') });
    next();
  }
}
