import type { Check } from '../check.js';
import { refused, unheard } from '../judge.js';

/** What whoever starts a sandbox has by accident. */
export const LAUNCHER: readonly Check[] = [
  {
    group: 'launcher',
    id: 'environment',
    title: 'inherits a variable of its launcher',
    operation: ({ token }) => ['environment', token],
    judge: refused,
  },
  {
    group: 'launcher',
    id: 'environment-of-others',
    title: 'reads a variable of its launcher in /proc',
    operation: ({ token }) => ['environment-of', token],
    judge: refused,
  },
  {
    group: 'launcher',
    id: 'descriptors',
    title: 'has descriptors besides 0, 1 and 2',
    operation: ['descriptors'],
    judge: refused,
  },
  {
    group: 'launcher',
    id: 'directory-descriptor',
    title: 'reads a file below a directory that its launcher had open',
    operation: ['below-descriptor', 'secret'],
    judge: unheard(),
  },
  {
    group: 'launcher',
    id: 'key',
    title: 'reads a key of the user of its launcher',
    needs: 'key',
    operation: ({ token }) => ['key', token],
    judge: unheard(),
  },
  {
    group: 'launcher',
    id: 'request-key',
    title: 'asks for that key',
    needs: 'key',
    operation: ({ token }) => ['request-key', token],
    judge: refused,
  },
];
