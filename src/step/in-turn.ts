/** `next()` of an iterator whose calls may overlap: each waits for the one before, as those of generators do. */
export function inTurn<R>(next: () => Promise<R>): () => Promise<R> {
  let asked = 0;
  let latest: Promise<R>;
  const one = async (): Promise<R> => {
    try {
      return await next();
    } finally {
      asked--;
    }
  };
  return () => (latest = asked++ === 0 ? one() : latest.then(one, one));
}
