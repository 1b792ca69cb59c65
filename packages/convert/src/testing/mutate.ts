/** Damaged copies of bytes: flipped, cut, repeated and replaced pieces, by a seed. */
export function* mutants(bytes: Uint8Array, count: number, seed = 1): Generator<Uint8Array> {
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let i = 0; i < count; i++) {
    const copy = bytes.slice();
    const at = random(copy.length);
    switch (random(5)) {
      case 0:
        copy[at] = copy[at]! ^ (1 << random(8));
        yield copy;
        break;
      case 1:
        for (let n = random(4); n >= 0; n--) copy[random(copy.length)] = random(256);
        yield copy;
        break;
      case 2:
        yield copy.subarray(0, at);
        break;
      case 3: {
        const piece = copy.slice(at, at + random(40));
        copy.set(piece.subarray(0, Math.max(0, copy.length - at)), random(Math.max(1, copy.length - piece.length)));
        yield copy;
        break;
      }
      default: {
        // The largest numbers find missing limits.
        const values = [0, 0x7f, 0x80, 0xff];
        for (let n = 0; n < 4 && at + n < copy.length; n++) copy[at + n] = values[random(4)]!;
        yield copy;
      }
    }
  }
}
