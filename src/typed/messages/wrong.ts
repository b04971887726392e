import { SandboxError } from '../../errors.js';

/** How much of a text, or key, is shown. */
const LONGEST = 40;
/** A path with more parts than this is shown by its beginning and its end. */
const MOST_PARTS = 12;

/** Where in the app's value the encoder is. */
export class Place {
  readonly #what: string;
  readonly #parts: (string | number)[] = [];

  constructor(what: string) {
    this.#what = what;
  }

  enter(part: string | number): void {
    this.#parts.push(part);
  }

  leave(): void {
    this.#parts.pop();
  }

  wrong(problem: string, remedy?: string, cause?: unknown): SandboxError {
    return new SandboxError('ERR_INVALID_OPTION', `${this.toString()} ${problem}.`, { remedy, cause });
  }

  toString(): string {
    const shown = this.#parts.map(shownPart);
    if (shown.length > MOST_PARTS) shown.splice(MOST_PARTS - 2, shown.length - MOST_PARTS + 1, '…');
    return this.#what + shown.join('');
  }
}

function shownPart(part: string | number): string {
  if (typeof part === 'number') return `[${part}]`;
  return /^[A-Za-z_$][\w$]{0,39}$/.test(part) ? `.${part}` : `[${shorten(part)}]`;
}

function shorten(text: string): string {
  return JSON.stringify(text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
}

/** What a value is, in words that follow "is". */
export function described(value: unknown): string {
  if (typeof value === 'string') return `the text ${shorten(value)}`;
  if (typeof value === 'bigint') return `the bigint ${shorten(String(value)).slice(1, -1)}`;
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return 'an array';
  if (isPlain(value)) return 'an object';
  const { constructor } = value as { constructor: unknown };
  const name = typeof constructor === 'function' ? constructor.name : '';
  return name === '' ? 'an instance of a class' : `${/^[aeiou]/i.test(name) ? 'an' : 'a'} ${name.slice(0, LONGEST)}`;
}

/** An object literal, of whatever realm, or one without a prototype. */
export function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
