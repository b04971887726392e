import { bwrap } from './bwrap.mjs';
import { childProcess } from './child-process.mjs';
import { floor } from './floor.mjs';
import { sandbox } from './sandbox.mjs';

/** Everybody who takes part, warmed up. */
export async function openContenders(programs) {
  const contenders = [sandbox(), childProcess(), await bwrap(), floor(programs.floor)].filter(Boolean);
  for (const contender of contenders) await contender.starts({ count: 20, concurrency: 4 });
  return contenders;
}

export async function closeContenders(contenders) {
  for (const contender of contenders) await contender.close();
}
