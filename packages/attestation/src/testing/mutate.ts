/** Damaged copies of bytes, by a generator that gives the same ones for the same seed. */

export type Random = (below: number) => number;

/** Mulberry32: whole numbers from 0 to below, for choosing only. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Values that lengths, counts and versions break at. */
const edges = [0x00, 0x01, 0x7f, 0x80, 0x81, 0x82, 0x84, 0x9f, 0xbf, 0xfe, 0xff];

type Damage = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array;

const damages: readonly Damage[] = [
  // One bit; one byte; an edge value; several of them in a row.
  (bytes, random) => withBytes(bytes, random(bytes.length), (byte) => byte ^ (1 << random(8))),
  (bytes, random) => withBytes(bytes, random(bytes.length), () => random(256)),
  (bytes, random) => withBytes(bytes, random(bytes.length), () => edges[random(edges.length)]!),
  (bytes, random) => {
    const at = random(bytes.length);
    const value = edges[random(edges.length)]!;
    return bytes.map((byte, i) => (i >= at && i < at + 4 ? value : byte));
  },
  // The next character: digits, letters of hexadecimal, base64 and names.
  (bytes, random) => withBytes(bytes, random(bytes.length), (byte) => byte + 1),
  // Cut, shortened, lengthened.
  (bytes, random) => bytes.slice(0, random(bytes.length)),
  (bytes, random) => spliced(bytes, random(bytes.length), 1 + random(8), new Uint8Array(0)),
  (bytes, random) =>
    spliced(
      bytes,
      random(bytes.length + 1),
      0,
      Uint8Array.from({length: 1 + random(8)}, () => random(256)),
    ),
  (bytes, random) => spliced(bytes, bytes.length, 0, new Uint8Array(1 + random(64))),
  // A part of it again, or of something else.
  (bytes, random) => spliced(bytes, random(bytes.length), 0, partOf(bytes, random)),
  (bytes, random, others) => {
    const part = partOf(others[random(others.length)]!, random);
    return spliced(bytes, random(bytes.length), part.length, part);
  },
  (_, random, others) => others[random(others.length)]!,
];

/** One to three damages to a copy of `bytes`; `others` are what may come in its place. */
export function damaged(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  let result = bytes;
  for (let turns = 1 + (random(3) === 0 ? random(3) : 0); turns > 0; turns--) {
    if (result.length > 0) result = damages[random(damages.length)]!(result, random, others);
  }
  return result;
}

function withBytes(bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = change(copy[at]!);
  return copy;
}

function spliced(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.max(at, bytes.length - remove) - 0 + insert.length);
  out.set(bytes.subarray(0, at));
  out.set(insert, at);
  out.set(bytes.subarray(Math.min(bytes.length, at + remove)), at + insert.length);
  return out.subarray(0, at + insert.length + Math.max(0, bytes.length - at - remove));
}

function partOf(bytes: Uint8Array, random: Random): Uint8Array {
  const from = random(bytes.length);
  return bytes.slice(from, from + 1 + random(64));
}
