/** Some bits of one 32-bit word of `struct seccomp_data`. */
export interface Field {
  readonly offset: number;
  /** Unsigned. */
  readonly mask: number;
}

/** What is decided: a filter's return value, or 1 and 0 for yes and no. */
export interface Leaf {
  readonly id: number;
  readonly value: number;
}

/** Looks at one field: `children[n]` holds from `starts[n]` up to the next start. `starts[0]` is 0. */
export interface Branch {
  readonly id: number;
  readonly field: Field;
  readonly starts: readonly number[];
  readonly children: readonly Diagram[];
}

export type Diagram = Leaf | Branch;

const WORDS = 2 ** 32;

/**
 * Decision diagrams over the words of `struct seccomp_data`. Every path looks at the fields in one order and at each
 * only once, and equal diagrams are one object. So a condition already known is never asked again, what cannot
 * happen vanishes, and calls with equal rules share their instructions.
 */
export class Diagrams {
  readonly #known = new Map<string, Diagram>();
  readonly yes: Diagram = this.leaf(1);
  readonly no: Diagram = this.leaf(0);

  leaf(value: number): Leaf {
    return this.#intern(`=${value}`, (id): Leaf => ({ id, value }));
  }

  branch(field: Field, starts: readonly number[], children: readonly Diagram[]): Diagram {
    const kept = children.map((child, index) => ({ child, start: starts[index] ?? 0 }));
    const merged = kept.filter(({ child, start }, index) => start < WORDS && child !== kept[index - 1]?.child);
    const [first] = merged;
    if (first === undefined) throw new RangeError('a branch without children');
    if (merged.length === 1) return first.child;
    const key = `${field.offset}&${field.mask}:${merged.map(({ child, start }) => `${start}>${child.id}`).join()}`;
    return this.#intern(key, (id): Branch => {
      return { id, field, starts: merged.map(({ start }) => start), children: merged.map(({ child }) => child) };
    });
  }

  /** Yes where a field is one of the values. */
  oneOf(field: Field, values: readonly number[]): Diagram {
    const sorted = [...new Set(values)].sort((a, b) => a - b);
    const starts = [0];
    const children: Diagram[] = [this.no];
    for (const value of sorted) {
      // A value that follows its neighbour, or is 0, replaces the "no" that stood in its place.
      if (starts.at(-1) === value) children[children.length - 1] = this.yes;
      else {
        starts.push(value);
        children.push(this.yes);
      }
      starts.push(value + 1);
      children.push(this.no);
    }
    return this.branch(field, starts, children);
  }

  /** Yes where a field is at most `value`. */
  atMost(field: Field, value: number): Diagram {
    return this.branch(field, [0, value + 1], [this.yes, this.no]);
  }

  /** Decides several diagrams at once and joins what they say. */
  join(diagrams: readonly Diagram[], decide: (...values: number[]) => number): Diagram {
    const known = new Map<string, Diagram>();
    const visit = (parts: readonly Diagram[]): Diagram => {
      const key = parts.map(({ id }) => id).join();
      const found = known.get(key) ?? this.#joinStep(parts, decide, visit);
      known.set(key, found);
      return found;
    };
    return visit(diagrams);
  }

  choose(condition: Diagram, yes: Diagram, no: Diagram): Diagram {
    if (condition === this.yes || yes === no) return yes;
    if (condition === this.no) return no;
    return this.join([condition, yes, no], (chosen = 0, whenYes = 0, whenNo = 0) => (chosen === 1 ? whenYes : whenNo));
  }

  and(a: Diagram, b: Diagram): Diagram {
    return this.choose(a, b, this.no);
  }

  not(a: Diagram): Diagram {
    return this.choose(a, this.no, this.yes);
  }

  #joinStep(
    parts: readonly Diagram[],
    decide: (...values: number[]) => number,
    visit: (parts: readonly Diagram[]) => Diagram,
  ): Diagram {
    const branches = parts.filter(isBranch);
    const [first] = branches.map(({ field }) => field).sort(inOrder);
    if (first === undefined) return this.leaf(decide(...parts.filter(isLeaf).map(({ value }) => value)));
    const split = branches.filter(({ field }) => inOrder(field, first) === 0);
    const starts = [...new Set(split.flatMap((branch) => branch.starts))].sort((a, b) => a - b);
    const children = starts.map((start) =>
      visit(parts.map((part) => (isBranch(part) && split.includes(part) ? childAt(part, start) : part))),
    );
    return this.branch(first, starts, children);
  }

  #intern<Kind extends Diagram>(key: string, make: (id: number) => Kind): Kind {
    const found = this.#known.get(key);
    // The key tells the kind: only leaves begin with "=".
    if (found !== undefined) return found as Kind;
    const made = make(this.#known.size);
    this.#known.set(key, made);
    return made;
  }
}

export function isBranch(diagram: Diagram): diagram is Branch {
  return 'field' in diagram;
}

export function isLeaf(diagram: Diagram): diagram is Leaf {
  return 'value' in diagram;
}

/** The part of a branch that holds for one value of its field. */
export function childAt({ starts, children }: Branch, value: number): Diagram {
  let [from, to] = [0, starts.length];
  while (to - from > 1) {
    const middle = (from + to) >> 1;
    if ((starts[middle] ?? 0) <= value) from = middle;
    else to = middle;
  }
  const child = children[from];
  if (child === undefined) throw new RangeError(`a branch does not cover ${value}`);
  return child;
}

/** Architecture, number, then the arguments one after the other: what rules name first is asked first. */
function inOrder(a: Field, b: Field): number {
  return rank(a) - rank(b) || a.mask - b.mask;
}

/** The architecture decides what the number means. */
function rank({ offset }: Field): number {
  return offset === 4 ? -1 : offset;
}
