import { errnoName } from '../support/errno-name.js';
import type { Answer, Judge, Verdict } from './check.js';

/** What a filter, or a kernel that was told to refuse, answers, whatever the arguments are. */
const REFUSALS = ['EPERM', 'ENOSYS', 'EACCES', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'ESOCKTNOSUPPORT'];

/** It must not succeed. */
export const refused: Judge = ({ inside, outside }) => {
  if (inside.kind === 'reached') return broken(told(inside));
  return settled(inside, outside.kind === 'reached', outside);
};

/** It must not come as far as the kernel's own code, which complains of what it was given: the surface that is there to be attacked. */
export const notEntered: Judge = ({ inside, outside }) => {
  if (inside.kind === 'reached') return broken('it succeeds');
  if (inside.kind === 'error' && !isRefusal(inside) && isSame(inside, outside))
    return broken(`it enters the kernel, which answers ${errnoName(inside.errno)}`);
  return settled(inside, outside.kind === 'reached' || (outside.kind === 'error' && !isRefusal(outside)), outside);
};

/** What it is told must not be what is told outside. */
export const otherThanOutside: Judge = ({ inside, outside }) => {
  if (inside.kind === 'reached' && outside.kind === 'reached' && inside.text === outside.text)
    return broken(`it is the host's: ${inside.text}`);
  return settled(inside, outside.kind === 'reached', outside);
};

/** It must hear nothing of the bait, neither the word nor the knock. */
export function unheard(event?: string): Judge {
  return ({ inside, outside, token, events }) => {
    if (inside.kind === 'reached' && inside.text.includes(token)) return broken('it is answered from there');
    if (event !== undefined && events.has(event)) return broken('it is heard there');
    return settled(inside, outside.kind === 'reached', outside);
  };
}

/** What it is must be one of these. */
export function oneOf(...wanted: readonly string[]): Judge {
  return said((text) => wanted.includes(text), wanted.join(' or '));
}

/** What it says of itself must be so; who says nothing has shown nothing. */
export function said(isWanted: (text: string) => boolean, wanted: string): Judge {
  return ({ inside, outside }) => {
    if (inside.kind !== 'reached') return unproven(`it is not told what it is: ${told(inside)}`);
    if (!isWanted(inside.text)) return broken(`it is ${inside.text}, not ${wanted}`);
    return settled(inside, outside.kind === 'reached' && !isWanted(outside.text), outside);
  };
}

/** Of what must work there is no other way to be held. */
export const works: Judge = ({ inside, outside }) => {
  if (inside.kind === 'reached') return { outcome: 'held' };
  if (outside.kind !== 'reached') return unproven(`nor does it without a sandbox: ${told(outside)}`);
  return broken(told(inside));
};

function broken(reason: string): Verdict {
  return { outcome: 'broken', reason };
}

function unproven(reason: string): Verdict {
  return { outcome: 'unproven', reason };
}

function settled(inside: Answer, proven: boolean, outside: Answer): Verdict {
  if (inside.kind === 'absent') return unproven(inside.text);
  if (inside.kind === 'hung') return broken('it does not come to an end');
  return proven ? { outcome: 'held' } : unproven(`without a sandbox it is not got either: ${told(outside)}`);
}

function isRefusal(answer: Answer & { readonly kind: 'error' }): boolean {
  return REFUSALS.includes(errnoName(answer.errno));
}

function isSame(one: Answer, other: Answer): boolean {
  return one.kind === 'error' && other.kind === 'error' && one.errno === other.errno;
}

/** For people. */
export function told(answer: Answer): string {
  switch (answer.kind) {
    case 'reached':
      return answer.text === '' ? 'it succeeds' : `it succeeds: ${answer.text}`;
    case 'error':
      return `${errnoName(answer.errno)}${answer.text === '' ? '' : ` (${answer.text})`}`;
    case 'signal':
      return `signal ${answer.signal}`;
    case 'ended':
      return 'the command ended with it';
    case 'hung':
      return 'it did not come to an end';
    case 'absent':
      return answer.text;
  }
}
