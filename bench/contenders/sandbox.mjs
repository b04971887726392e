import { closeSpawner, spawnSandbox } from 'spawn-sandbox';
import { nodeContender } from './node-contender.mjs';

/** This library, with its defaults. */
export function sandbox() {
  return nodeContender(
    'sandbox',
    'spawn-sandbox',
    async () => {
      const result = await spawnSandbox('/bin/true');
      if (!result.ok) throw new Error(result.detail);
    },
    { close: closeSpawner },
  );
}
