import type { Check } from '../check.js';
import { refused, unheard } from '../judge.js';

/** In a directory that the app reads later: it has one only where the command says where, by `{writable}`. */
export const WRITABLE = 'writable';

export const TAMPERING: readonly Check[] = [
  {
    group: 'tampering',
    id: 'set-id',
    title: 'leaves a set-id program in a writable directory',
    needs: WRITABLE,
    operation: ['plant-set-id', '{writable}'],
    judge: refused,
  },
  {
    group: 'tampering',
    id: 'device',
    title: 'leaves a device node there',
    needs: WRITABLE,
    operation: ['plant-device', '{writable}'],
    judge: refused,
  },
  {
    group: 'tampering',
    id: 'capability',
    title: 'leaves a program with capabilities there',
    needs: WRITABLE,
    operation: ['plant-capability', '{writable}'],
    judge: refused,
  },
  {
    group: 'tampering',
    id: 'climb',
    title: 'reads what lies beside it',
    needs: WRITABLE,
    operation: ['climb', '{writable}', 'secret'],
    judge: unheard(),
  },
  {
    group: 'tampering',
    id: 'climb-link',
    title: 'reads what lies beside it by a link',
    needs: WRITABLE,
    operation: ['climb-link', '{writable}', 'secret'],
    judge: unheard(),
  },
];
