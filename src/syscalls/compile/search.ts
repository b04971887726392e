/** How to find the interval of a value: the fewest instructions that a nearly balanced search takes. */
export type Search =
  | { readonly kind: 'found'; readonly index: number }
  | {
      readonly kind: 'equal' | 'atLeast';
      readonly value: number;
      readonly whenTrue: Search;
      readonly whenFalse: Search;
      readonly cost: Cost;
    };

/** Up to so many intervals, the neighbours of the middle are tried as well. */
const WORTH_TRYING = 12;

interface Cost {
  readonly size: number;
  readonly depth: number;
}

/** `starts` begin the intervals; `answers` are equal where two intervals mean the same. */
export function planSearch(starts: readonly number[], answers: readonly unknown[]): Search {
  const plans = new Map<number, Search>();
  const plan = (from: number, to: number): Search => {
    const key = from * (starts.length + 1) + to;
    const found = plans.get(key) ?? bestOf(candidates(from, to));
    plans.set(key, found);
    return found;
  };
  const candidates = (from: number, to: number): Search[] => {
    const count = to - from;
    if (count === 1) return [{ kind: 'found', index: from }];
    const exception = singleException(from, to);
    if (exception !== undefined) return [exception];
    const middle = from + (count >> 1);
    const cuts = (count > WORTH_TRYING ? [middle] : [middle - 1, middle, middle + 1]).filter(
      (cut) => cut > from && cut < to,
    );
    return cuts.map((cut) => choice('atLeast', starts[cut] ?? 0, plan(cut, to), plan(from, cut)));
  };
  /** One value between two intervals that mean the same: one comparison instead of two. */
  const singleException = (from: number, to: number): Search | undefined => {
    const [value = 0, next = 0] = [starts[from + 1], starts[from + 2]];
    if (to - from !== 3 || answers[from] !== answers[from + 2] || next !== value + 1) return undefined;
    return choice('equal', value, { kind: 'found', index: from + 1 }, { kind: 'found', index: from });
  };
  return plan(0, starts.length);
}

function choice(kind: 'equal' | 'atLeast', value: number, whenTrue: Search, whenFalse: Search): Search {
  const [a, b] = [costOf(whenTrue), costOf(whenFalse)];
  const cost = { size: a.size + b.size + 1, depth: Math.max(a.depth, b.depth) + 1 };
  return { kind, value, whenTrue, whenFalse, cost };
}

function costOf(search: Search): Cost {
  return search.kind === 'found' ? { size: 0, depth: 0 } : search.cost;
}

function bestOf(searches: readonly Search[]): Search {
  return searches.reduce((best, search) => {
    const [a, b] = [costOf(best), costOf(search)];
    return b.size < a.size || (b.size === a.size && b.depth < a.depth) ? search : best;
  });
}
