/** Names of inputs and outputs as people type them: `node`, or `node:0` as TensorFlow calls its first value. */

/** Whether two names mean the same value. */
export function sameName(a: string, b: string): boolean {
  return withoutZero(a) === withoutZero(b);
}

/** `node` for `node:0`; other indices are part of the name. */
export function withoutZero(name: string): string {
  return name.endsWith(":0") ? name.slice(0, -2) : name;
}

/** The one of `candidates` that is meant by `name`: equal, or equal but for `:0`. */
export function findByName<T extends {readonly name: string}>(candidates: readonly T[], name: string): T | undefined {
  return candidates.find((candidate) => candidate.name === name) ?? candidates.find((it) => sameName(it.name, name));
}

/** `"a" float32 [?, 8, 8, 1], "b" …`, for messages. */
export function listSpecs(
  specs: readonly {readonly name: string; readonly dtype: string; readonly shape: readonly number[]}[],
): string {
  const shown = specs.slice(0, 20).map(({name, dtype, shape}) => {
    const dimensions = shape.map((dimension) => (dimension < 0 ? "?" : dimension)).join(", ");
    return `"${name}" ${dtype} [${dimensions}]`;
  });
  return specs.length > shown.length
    ? `${shown.join(", ")}, and ${specs.length - shown.length} more`
    : shown.join(", ");
}
