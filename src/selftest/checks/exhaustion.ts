import type { Check, Operation } from '../check.js';
import { refused } from '../judge.js';

/** More than a sandbox should give unasked; of ours the defaults are a half to two thirds of it. */
const MOST = {
  mebibytes: 768,
  scratchMebibytes: 128,
  files: 20_000,
  processes: 300,
  descriptors: 1_500,
  watchers: 64,
};

function quantity(id: string, title: string, operation: Operation): Check {
  return { group: 'exhaustion', id, title, operation, judge: refused, alone: true };
}

export const EXHAUSTION: readonly Check[] = [
  quantity('memory', `takes ${MOST.mebibytes} MiB of memory`, ['memory', MOST.mebibytes]),
  quantity('memory-of-children', 'takes as much by four children', ['memory-of-children', MOST.mebibytes]),
  quantity('memory-file', 'takes as much as a file in memory', ['memory-file', MOST.mebibytes]),
  quantity('shared-memory', 'takes as much as shared memory', ['shared-memory', MOST.mebibytes]),
  quantity('tmp', `writes ${MOST.scratchMebibytes} MiB to /tmp`, ['bytes', '/tmp', MOST.scratchMebibytes]),
  quantity('dev-shm', `writes ${MOST.scratchMebibytes} MiB to /dev/shm`, ['bytes', '/dev/shm', MOST.scratchMebibytes]),
  quantity('files', `makes ${MOST.files} files`, ['files', MOST.files]),
  quantity('processes', `has ${MOST.processes} processes`, ['processes', MOST.processes]),
  quantity('orphans', `has ${MOST.processes} processes that are nobody's children`, ['orphans', MOST.processes]),
  quantity('threads', `has ${MOST.processes} threads`, ['threads', MOST.processes]),
  quantity('descriptors', `has ${MOST.descriptors} descriptors`, ['descriptors-held', MOST.descriptors]),
  quantity('flights', `has ${MOST.descriptors} descriptors on their way in messages`, ['flights', MOST.descriptors]),
  quantity('watchers', `has ${MOST.watchers} watchers of files`, ['watchers', MOST.watchers]),
  quantity('locked', 'locks 16 MiB of memory', ['locked', 16]),
];
