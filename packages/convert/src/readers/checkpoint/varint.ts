/** Base-128 numbers, as in the index of a checkpoint. */
import type {ByteReader} from "@tf-trusted/core";
import {ConvertError} from "../../convert-error.ts";

/** A number of up to 53 bits. Throws `CONVERT_CHECKPOINT`, and `BYTES_TRUNCATED` at the end of the bytes. */
export function readVarint(reader: ByteReader): number {
  let value = 0;
  for (let factor = 1; factor < 2 ** 56; factor *= 128) {
    const byte = reader.u8();
    value += (byte & 0x7f) * factor;
    if (byte < 0x80 && Number.isSafeInteger(value)) return value;
  }
  throw new ConvertError("CONVERT_CHECKPOINT", `the number at byte ${reader.offset} takes more than 53 bits`);
}
