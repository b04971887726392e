import type { TerminalSize } from '../spawner/messages.js';
import { expectInteger, expectObject, invalidOption } from './check.js';

/** What the kernel has room for. */
const LARGEST = 65535;

export function checkTerminalSize(size: unknown, name: string): TerminalSize {
  const given = expectObject(size, name, ['columns', 'rows']);
  return {
    columns: expectInteger(given['columns'], `${name}.columns`, 1, LARGEST),
    rows: expectInteger(given['rows'], `${name}.rows`, 1, LARGEST),
  };
}

/** A terminal is all three streams, so nothing else can be said of them, but what becomes of its output. */
export function resolveTerminal(given: Readonly<Record<string, unknown>>): TerminalSize | undefined {
  if (given['terminal'] === undefined) return undefined;
  if (given['stdin'] === 'empty') throw invalidOption('stdin', "cannot be 'empty' with a terminal, which has no end");
  if (given['stdout'] === 'ignore') throw invalidOption('stdout', "cannot be 'ignore' with a terminal");
  if (given['stderr'] !== undefined && given['stderr'] !== 'pipe') {
    throw invalidOption('stderr', 'has no meaning with a terminal, whose output is stdout');
  }
  return checkTerminalSize(given['terminal'], 'terminal');
}
