/** The library works differently for an app with root; both forms are promised, and tests say which they expect. */
export const isRoot = process.geteuid?.() === 0;
