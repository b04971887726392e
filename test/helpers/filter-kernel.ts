import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileSyscalls, resolveSyscalls } from '#src/syscalls/index.js';
import type { SyscallOption } from '#src/syscalls/index.js';
import { compiledBefore } from './compiled.js';

const SOURCES = join(import.meta.dirname, '../../../test/helpers');

/** A call to ask the kernel about. */
export interface KernelCall {
  readonly nr: number;
  /** By int 0x80 instead of the native way (x64). */
  readonly foreign?: boolean;
  readonly args?: readonly bigint[];
}

export interface Output {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The programs of `test/helpers/filter-*.c`, compiled into a directory of their own. */
export class FilterKernel implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'filter-'));

  constructor() {
    for (const name of ['filter-probe', 'filter-load'].filter((name) => compiledBefore(name) === undefined)) {
      const source = join(SOURCES, `${name}.c`);
      execFileSync('cc', ['-std=gnu17', '-O2', '-pthread', '-o', join(this.#directory, name), source]);
    }
  }

  /** Minus an error number, 'permitted' or 'notified', for each call. */
  verdicts(option: SyscallOption, calls: readonly KernelCall[]): (number | string)[] {
    const input = new BigUint64Array(calls.length * 8);
    for (const [index, { nr, foreign = false, args = [] }] of calls.entries()) {
      input.set([BigInt(nr), foreign ? 1n : 0n, ...args.map((value) => BigInt.asUintN(64, value))], index * 8);
    }
    const { status, stdout, stderr } = spawnSync(this.#program('filter-probe'), this.#write(option), {
      input: new Uint8Array(input.buffer),
      maxBuffer: 2 ** 26,
      timeout: 300_000,
    });
    if (status !== 0) throw new Error(`filter-probe: ${String(status)} ${stderr.toString()}`);
    return Array.from(new BigInt64Array(Uint8Array.from(stdout).buffer), nameOfAnswer);
  }

  /** Executes a command under both filters. */
  run(option: SyscallOption, command: readonly string[]): Output {
    return spawnSync(this.#program('filter-load'), [...this.#write(option), 'run', ...command], {
      encoding: 'utf8',
      timeout: 60_000,
      cwd: this.#directory,
    });
  }

  file(name: string, content: string): string {
    const path = join(this.#directory, name);
    writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }

  #program(name: string): string {
    return compiledBefore(name) ?? join(this.#directory, name);
  }

  #write(option: SyscallOption): string[] {
    const { base, step } = compileSyscalls(resolveSyscalls(option));
    const [basePath, stepPath] = [join(this.#directory, 'base'), join(this.#directory, 'step')];
    writeFileSync(basePath, base);
    writeFileSync(stepPath, step);
    return [basePath, stepPath];
  }
}

function nameOfAnswer(answer: bigint): number | string {
  if (answer === 0x7e570001n) return 'permitted';
  if (answer === 0x7e570002n) return 'notified';
  return Number(answer);
}
