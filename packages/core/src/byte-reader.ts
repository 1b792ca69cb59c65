/**
 * Bounded readers over bytes: the only way in which the parsers of this project touch hostile input. A reader can't
 * read past its end; every failure is a {@link CoreError} with the offset.
 */
import {CoreError} from "./core-error.ts";

/** Reads integers and slices in order from `bytes`; slices are views, not copies. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #base: number;
  readonly #what: string;
  #offset = 0;

  /** @param what names the structure in error messages; `base` is its offset in the whole input. */
  constructor(bytes: Uint8Array, what: string, base = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
    this.#base = base;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }
  u16le(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }
  u32le(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }
  i32le(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }
  u64le(): bigint {
    return this.#view.getBigUint64(this.#advance(8), true);
  }
  i64le(): bigint {
    return this.#view.getBigInt64(this.#advance(8), true);
  }
  u16be(): number {
    return this.#view.getUint16(this.#advance(2), false);
  }
  u32be(): number {
    return this.#view.getUint32(this.#advance(4), false);
  }

  /** The next `length` bytes as a view. Throws `BYTES_TRUNCATED`. */
  take(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** A reader over the next `length` bytes. Throws `BYTES_TRUNCATED`. */
  sub(length: number, what: string = this.#what): ByteReader {
    const start = this.#offset;
    return new ByteReader(this.take(length), what, this.#base + start);
  }

  /** All bytes that are left, as a view. */
  rest(): Uint8Array {
    return this.take(this.remaining);
  }

  /** Throws `BYTES_TRAILING` unless everything was read. */
  expectEnd(): void {
    if (this.remaining === 0) return;
    throw new CoreError(
      "BYTES_TRAILING",
      `${this.#what}: ${this.remaining} bytes follow its end at offset ${this.#base + this.#offset}; expected none`,
      {details: {offset: this.#base + this.#offset, trailing: this.remaining}},
    );
  }

  #advance(length: number): number {
    if (!Number.isSafeInteger(length) || length < 0 || length > this.remaining) {
      throw new CoreError(
        "BYTES_TRUNCATED",
        `${this.#what}: ${length} bytes wanted at offset ${this.#base + this.#offset}, ${this.remaining} are left`,
        {details: {offset: this.#base + this.#offset, wanted: length, left: this.remaining}},
      );
    }
    const start = this.#offset;
    this.#offset += length;
    return start;
  }
}
