/** A number that tells byte arrays apart, mostly: who compares afterwards has few to compare. */

/** FNV-1a over at most a few thousand of the bytes, spread evenly. */
export function hashBytes(bytes: Uint8Array): number {
  let value = 0x811c9dc5 ^ bytes.length;
  const step = Math.max(1, Math.floor(bytes.length / 2048));
  for (let i = 0; i < bytes.length; i += step) value = Math.imul(value ^ bytes[i]!, 0x01000193);
  return value >>> 0;
}
