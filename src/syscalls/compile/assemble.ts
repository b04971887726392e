import type { Branch, Diagram, Leaf } from './diagram.js';
import { isBranch } from './diagram.js';
import { encode, LONGEST_PROGRAM, OPCODE, type Instruction } from './instructions.js';
import { planSearch, type Search } from './search.js';
import { invalid } from '../invalid.js';

const WORD = 0xffffffff;
const LONGEST_JUMP = 255;

/** Writes a diagram as a program. */
export function assemble(diagram: Diagram): Uint8Array {
  const program = new BackwardProgram();
  program.place(diagram);
  return encode(program.finish());
}

interface BitQuestion {
  readonly mask: number;
  readonly whenZero: Diagram;
  readonly whenSet: Diagram;
}

/** A branch that only asks whether any bit of its mask is set; together with those below it that ask the same. */
function bitQuestion({ field, starts, children }: Branch): BitQuestion | undefined {
  const [whenZero, whenSet] = children;
  const onlyBits = field.mask !== WORD && children.length === 2 && starts[1] === 1;
  if (!onlyBits || whenZero === undefined || whenSet === undefined) return undefined;
  const below = isBranch(whenZero) && whenZero.field.offset === field.offset ? bitQuestion(whenZero) : undefined;
  if (below?.whenSet !== whenSet) return { mask: field.mask, whenZero, whenSet };
  return { ...below, mask: (below.mask | field.mask) >>> 0 };
}

/** A place in the program, counted from its end because the end is written first. */
interface Label {
  position: number;
  /** Set where the instruction there only returns: then a copy of it is better than a jump to it. */
  readonly leaf: Leaf | undefined;
}

/**
 * All jumps go forwards. Written from the end, the target of each is there before the jump, so that its distance
 * is known; where it is too far, a copy of the return or a jump of unlimited reach is put in between.
 */
class BackwardProgram {
  readonly #backwards: Instruction[] = [];
  readonly #labels = new Map<Diagram, Label>();

  place(diagram: Diagram): Label {
    const found = this.#labels.get(diagram);
    if (found !== undefined) return found;
    const label = isBranch(diagram) ? this.#placeBranch(diagram) : this.#placeLeaf(diagram);
    this.#labels.set(diagram, label);
    return label;
  }

  finish(): Instruction[] {
    if (this.#backwards.length > LONGEST_PROGRAM) {
      throw invalid(`the policy takes ${this.#backwards.length} instructions, the kernel at most ${LONGEST_PROGRAM}`);
    }
    return this.#backwards.toReversed();
  }

  #placeLeaf(leaf: Leaf): Label {
    return { position: this.#write(OPCODE.RETURN, leaf.value), leaf };
  }

  #placeBranch(branch: Branch): Label {
    const { field, starts, children } = branch;
    const question = bitQuestion(branch);
    if (question !== undefined) {
      const [whenZero, whenSet] = [this.place(question.whenZero), this.place(question.whenSet)];
      this.#writeJump(OPCODE.JUMP_ANY_BIT, question.mask, whenSet, whenZero);
    } else {
      const labels = children.map((child) => this.place(child));
      this.#placeSearch(planSearch(starts, children), labels);
      if (field.mask !== WORD) this.#write(OPCODE.AND, field.mask);
    }
    return { position: this.#write(OPCODE.LOAD_WORD, field.offset), leaf: undefined };
  }

  #placeSearch(search: Search, labels: readonly Label[]): Label {
    if (search.kind === 'found') {
      const label = labels[search.index];
      if (label === undefined) throw new RangeError('a search found no interval');
      return label;
    }
    const whenTrue = this.#placeSearch(search.whenTrue, labels);
    const whenFalse = this.#placeSearch(search.whenFalse, labels);
    const code = search.kind === 'equal' ? OPCODE.JUMP_EQUAL : OPCODE.JUMP_AT_LEAST;
    return { position: this.#writeJump(code, search.value, whenTrue, whenFalse), leaf: undefined };
  }

  #writeJump(code: number, value: number, whenTrue: Label, whenFalse: Label): number {
    this.#bringNear(whenTrue, 1); // one place left for what the other may need
    this.#bringNear(whenFalse, 0);
    return this.#write(code, value, this.#distance(whenTrue), this.#distance(whenFalse));
  }

  #bringNear(label: Label, room: number): void {
    if (this.#distance(label) + room <= LONGEST_JUMP) return;
    label.position =
      label.leaf === undefined
        ? this.#write(OPCODE.JUMP, this.#distance(label))
        : this.#write(OPCODE.RETURN, label.leaf.value);
  }

  /** Instructions between the next one to be written and the label. */
  #distance(label: Label): number {
    return this.#backwards.length - label.position - 1;
  }

  #write(code: number, value: number, whenTrue = 0, whenFalse = 0): number {
    this.#backwards.push({ code, whenTrue, whenFalse, value });
    return this.#backwards.length - 1;
  }
}
