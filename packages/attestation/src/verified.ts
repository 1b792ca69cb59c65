/** A mark that only verification puts on a value: what takes a `Verified<…>` can't be given an unverified one. */
declare const verifiedMark: unique symbol;

export type Verified<T> = T & {readonly [verifiedMark]: true};

/** Marks `value`; to be called by checks only, after the signature over it was found right. */
export function markVerified<T>(value: T): Verified<T> {
  return value as Verified<T>;
}
