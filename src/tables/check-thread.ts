// The thread that a check runs in: src/tables/threads.ts starts it. It seals and maps a file, looks at it, and answers in data only.
import { parentPort } from 'node:worker_threads';
import { loadAddon } from '../spawner/locate.js';
import { checkArrowBytes } from './check-bytes.js';
import { Effort } from './effort.js';
import { Refusal } from './refusal.js';
import { sealedSize } from './sealed-size.js';
import type { Answer, Question } from './threads.js';

parentPort?.on('message', (question: Question) => parentPort?.postMessage(answer(question)));

function answer({ descriptor, size: known, limits, mostEffort }: Question): Answer {
  const addon = loadAddon();
  const size = known ?? sealedSize(addon, descriptor, limits.maxBytes);
  if (typeof size === 'string') return { unfit: size };
  const mapped = addon.map(descriptor, size);
  if (typeof mapped === 'number') return { errno: -mapped };
  try {
    const effort = new Effort(mostEffort);
    return { report: checkArrowBytes(new Uint8Array(mapped), limits, effort), effort: effort.spent };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { refusal: { where: error.where, problem: error.problem, remedy: error.remedy } };
  } finally {
    addon.unmap(mapped); // a thread that waits for the next one would keep it
  }
}
