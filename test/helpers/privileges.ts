/** The library works differently for an app with root; both forms are promised, and tests say which they expect. */
export const isRoot = process.geteuid?.() === 0;

/** `scripts/test.mjs --ranged`: an ordinary user whose steps have ids of their own, as those of root. */
export const isRanged = process.env['SPAWN_SANDBOX_TEST_AS'] === 'ranged';
export const hasOwnIds = isRoot || isRanged;
