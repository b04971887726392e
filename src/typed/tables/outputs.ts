import { fstatSync } from 'node:fs';
import { SandboxError } from '../../errors.js';
import { quoted } from '../../quoted.js';
import type { Addon } from '../../spawner/native.js';
import { systemReason } from '../../system-reason.js';
import { askThread, expectQuestion } from '../../tables/threads.js';
import type { OutputSlot } from '../definition.js';
import type { Claim } from '../conversation.js';
import type { TableClaim } from '../messages/from-step.js';
import type { StepTable } from '../types.js';
import { closeMemoryFile, makeMemoryFile } from './memory-file.js';
import { readTable, withFile } from './step-table.js';
import { TableFile } from './table-file.js';

/** What was taken, or what is wrong with what the step left. */
export type TakenTables = { readonly tables: Readonly<Record<string, StepTable>> } | { readonly refusal: string };

interface OutputFile extends OutputSlot {
  readonly descriptor: number;
  /** Who takes it closes it. */
  taken: boolean;
}

/** Characters. */
const LONGEST_REASON = 200;
/** Of a table: it may be made part of a path, or shown. */
const NAME = /^(?!\.{1,2}$)[^/\p{C}]{1,200}$/u;
/** Of all tables of a call, see effort.ts: some 100 MiB, and a second on a slow machine. */
const MOST_EFFORT = 2_000_000;

/** The empty files that a step may fill, and what becomes of them when it is dead. */
export class Outputs {
  readonly #addon: Addon;
  readonly #files: OutputFile[] = [];
  readonly #noneExpected: (() => void) | undefined;
  #effortLeft = MOST_EFFORT;

  /** @throws SandboxError `ERR_TABLE` */
  constructor(addon: Addon, slots: readonly OutputSlot[]) {
    this.#addon = addon;
    if (slots.some(({ optional }) => !optional)) this.#noneExpected = prepare();
    try {
      for (const slot of slots) this.#files.push({ ...slot, descriptor: makeMemoryFile(addon), taken: false });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get descriptors(): readonly number[] {
    return this.#files.map((file) => file.descriptor);
  }

  /** What a step that says nothing has returned: whatever it has written. */
  claim(): Extract<Claim, { readonly kind: 'result' }> {
    const tables = this.#files.map(({ name, descriptor: file }, descriptor) => ({
      ...{ name, descriptor },
      bytes: fstatSync(file).size,
    }));
    return { kind: 'result', payload: undefined, tables: tables.filter(({ bytes }) => bytes > 0) };
  }

  /** Of a step whose sandbox is dead: all that it has mapped is gone, so what is sealed now stays as it is. */
  async take(claims: readonly TableClaim[]): Promise<TakenTables> {
    const tables: Record<string, StepTable> = Object.create(null) as Record<string, StepTable>;
    let refusal: string | undefined = 'not all were looked at';
    try {
      refusal = await this.#takeAll(claims, tables);
      return refusal === undefined ? { tables } : { refusal };
    } finally {
      if (refusal !== undefined) for (const table of Object.values(tables)) table.close();
    }
  }

  /** Answers what is wrong with one of them. */
  async #takeAll(claims: readonly TableClaim[], into: Record<string, StepTable>): Promise<string | undefined> {
    for (const claim of claims) {
      const taken = await this.#takeOne(claim, claim.name in into);
      if (typeof taken === 'string') return taken;
      into[claim.name] = taken;
    }
    const missing = this.#files.find(({ optional, taken }) => !optional && !taken);
    return missing === undefined ? undefined : `the table ${quoted(missing.name)} is missing`;
  }

  /** What was not taken is gone. */
  close(): void {
    this.#noneExpected?.();
    for (const { descriptor, taken } of this.#files.splice(0)) {
      if (!taken) closeMemoryFile(this.#addon, descriptor, fstatSync(descriptor).size);
    }
  }

  async #takeOne({ name, descriptor: index }: TableClaim, known: boolean): Promise<StepTable | string> {
    const title = `the table ${quoted(name)}`;
    const file = this.#files[index];
    if (file === undefined || file.taken || known || (file.name !== '' && file.name !== name)) {
      return `${title} is none that it may return`;
    }
    if (!NAME.test(name))
      return `${title} has a name that is none: up to 200 characters, without / and control characters`;
    const { descriptor, limits } = file;
    const answer = await askThread({ descriptor, size: undefined, limits, mostEffort: this.#effortLeft });
    if ('unfit' in answer) return `${title} ${answer.unfit}`;
    if ('refusal' in answer)
      return `${title} is no valid Arrow file: ${answer.refusal.where}: ${answer.refusal.problem}`;
    if ('errno' in answer) return `${title} cannot be read: ${systemReason(answer.errno)}`;
    if ('died' in answer) {
      // That is no fault of the step's.
      if (isLackOfDescriptors(answer.died)) throw cannotTake(name, answer.died.message, answer.died);
      return `${title} could not be checked to its end: ${answer.died.message}`;
    }
    this.#effortLeft -= answer.effort;
    const { bytes } = answer.report;
    const memory = this.#addon.map(file.descriptor, bytes);
    if (typeof memory === 'number') throw cannotTake(name, systemReason(-memory));
    // Some types of the format are unknown to it; what it says of them may have come from the file.
    const table = await readTable(name, memory);
    if (table instanceof Error)
      return `${title} cannot be read by apache-arrow: ${quoted(table.message, LONGEST_REASON)}`;
    file.taken = true;
    return withFile(table, answer.report, new TableFile(this.#addon, file.descriptor, bytes));
  }
}

/** As a thread tells it that cannot be started, or that cannot load what it runs. */
function isLackOfDescriptors(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ERR_WORKER_INIT_FAILED' || code === 'EMFILE' || code === 'ENFILE';
}

function cannotTake(name: string, reason: string, cause?: unknown): SandboxError {
  return new SandboxError('ERR_TABLE', `Cannot check the table ${quoted(name)}: ${reason.replace(/\.$/, '')}.`, {
    cause,
    remedy: 'Raise the limit of open files (ulimit -n), or run fewer steps at once.',
  });
}

/** What a table will need is got ready while the step runs. The answered function tells that none comes any more. */
function prepare(): () => void {
  import('apache-arrow').catch(() => undefined); // it is told where it is needed
  return expectQuestion();
}
