import { nodeContender } from './node-contender.mjs';
import { spawned } from './spawned.mjs';

/** Node's own way, without any confinement. */
export function childProcess() {
  return nodeContender('child', 'child_process', () => spawned('/bin/true', []));
}
