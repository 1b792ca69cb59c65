/** Damaged JSON that is still JSON: damaged bytes of it hardly ever are, and then nothing behind the parser is tried. */

/** What readers may believe: counts, sizes, names, paths, and other kinds than they expect. */
const hostileValues: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  0.5,
  1e9,
  2 ** 31,
  2 ** 53,
  1e308,
  "",
  "../x",
  "__proto__",
  "constructor",
  "1073741824",
  "float64",
  [],
  {},
  [[]],
  [2147483647, 2147483647],
  {class_name: "Dense", config: {}},
  Array.from({length: 300}, () => 1),
];

/** Copies of `value` with one to three places changed, by a seed: replaced, removed, put twice, or taken from elsewhere. */
export function* jsonMutants(value: unknown, count: number, seed = 1): Generator<unknown> {
  let state = seed >>> 0;
  const random = (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
  for (let i = 0; i < count; i++) {
    const copy = {root: structuredClone(value)};
    for (let changes = 1 + random(3); changes > 0; changes--) {
      const places = placesIn(copy);
      if (places.length === 0) break;
      const place = places[random(places.length)]!;
      const other = places[random(places.length)]!;
      switch (random(4)) {
        case 0:
        case 1:
          place.set(structuredClone(hostileValues[random(hostileValues.length)]));
          break;
        case 2:
          place.remove();
          break;
        default:
          place.set(structuredClone(other.get()));
      }
    }
    yield copy.root;
  }
}

interface Place {
  readonly get: () => unknown;
  readonly set: (value: unknown) => void;
  readonly remove: () => void;
}

function placesIn(root: object): readonly Place[] {
  const places: Place[] = [];
  const pending: object[] = [root];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const parent = next as Record<string, unknown>;
    for (const key of Object.keys(parent)) {
      places.push({
        get: () => parent[key],
        set: (value) => {
          parent[key] = value;
        },
        remove: () => {
          if (Array.isArray(parent)) parent.splice(Number(key), 1);
          else delete parent[key];
        },
      });
      const child = parent[key];
      if (typeof child === "object" && child !== null) pending.push(child);
    }
  }
  return places;
}
