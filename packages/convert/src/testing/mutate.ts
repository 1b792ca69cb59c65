/** Damaged copies of bytes: flipped, cut, repeated and replaced pieces, by a seed. */
export function* mutants(bytes: Uint8Array, count: number, seed = 1): Generator<Uint8Array> {
  // Mulberry32: neighbouring seeds have nothing in common.
  let state = seed >>> 0;
  const random = (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
  for (let i = 0; i < count; i++) {
    // Not slice(): of a Buffer that is no copy.
    const copy = new Uint8Array(bytes);
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
