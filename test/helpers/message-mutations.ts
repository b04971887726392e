type Random = () => number;

/** What numbers, lengths and tags turn on. */
const INTERESTING = [0, 1, 2, 7, 8, 0x0a, 0x0b, 0x12, 0x1a, 0x22, 0x7f, 0x80, 0xc0, 0xed, 0xff];

export function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

/** The bytes with one to four of them damaged, moved, doubled, lost, or taken from another message. */
export function mutated(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let result = bytes;
  for (let rounds = 1 + below(random, 4); rounds > 0; rounds--) result = once(result, other, random);
  return result;
}

function once(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const at = below(random, bytes.length + 1);
  const length = below(random, Math.min(16, bytes.length - at) + 1);
  const part = (from: Uint8Array): Uint8Array => {
    const start = below(random, from.length + 1);
    return from.subarray(start, start + below(random, 24));
  };
  switch (below(random, 8)) {
    case 0:
      return changed(bytes, at, (byte) => byte ^ (1 << below(random, 8)));
    case 1:
      return changed(bytes, at, () => INTERESTING[below(random, INTERESTING.length)] ?? 0);
    case 2:
      return changed(bytes, at, () => below(random, 256));
    case 3:
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 4:
      return joined(bytes.subarray(0, at), part(bytes), bytes.subarray(at));
    case 5:
      return joined(bytes.subarray(0, at), part(other), bytes.subarray(at));
    case 6:
      return joined(
        bytes.subarray(0, at),
        Uint8Array.from({ length: 1 + below(random, 11) }, () => 0x80),
        bytes.subarray(at),
      );
    default:
      return bytes.subarray(0, at);
  }
}

function changed(bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  if (at < copy.length) copy[at] = change(copy[at] ?? 0);
  return copy;
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}
