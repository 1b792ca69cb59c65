/** Numbers with units, for people. */

/** `1.2 µs`, `3.4 ms`, `12 s`: three digits that matter. */
export function formatMs(ms: number): string {
  if (ms < 1) return `${significant(ms * 1000)} µs`;
  if (ms < 1000) return `${significant(ms)} ms`;
  return `${significant(ms / 1000)} s`;
}

/** `512 B`, `144 KiB`, `3.4 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : significant(value)} ${units[unit]}`;
}

/** `12 345`: digits in groups, with thin spaces left out for plain terminals. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, " ");
}

/** `99.98 %`; what is only nearly everything doesn't become it by rounding. */
export function formatShare(share: number): string {
  if (share < 1 && share >= 0.99995) return ">99.99 %";
  return `${(share * 100).toFixed(2)} %`;
}

/** `[?, 8, 8, 1]`. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.map((dimension) => (dimension < 0 ? "?" : dimension)).join(", ")}]`;
}

function significant(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}
