/** What fixtures/make_npy.py wrote: files of NumPy's, and what is in them. */
import {readFileSync} from "node:fs";
import {parseHex} from "@tf-trusted/core";
import type {DType} from "../dtype.ts";
import {encodeStrings} from "../strings.ts";
import {Tensor} from "../tensor.ts";

export interface GoldenTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** The tensor's bytes, or those of each string, as hexadecimal. */
  readonly content: string | readonly string[];
}

interface Golden {
  readonly numpy: string;
  /** `canonical` files are those that we have to write byte for byte. */
  readonly files: readonly (GoldenTensor & {
    readonly file: string;
    readonly canonical: boolean;
    readonly strings: "S" | "U" | null;
  })[];
  readonly refused: readonly {readonly file: string; readonly code: string}[];
  readonly npz: readonly {
    readonly file: string;
    readonly members: readonly (GoldenTensor & {readonly file: string})[];
  }[];
  readonly prints: readonly (GoldenTensor & {readonly text: string})[];
}

export const golden = JSON.parse(readFixture("golden.json").toString()) as Golden;

/** A file of packages/tensor/fixtures. */
export function readFixture(path: string): Buffer {
  return readFileSync(new URL(`../../fixtures/${path}`, import.meta.url));
}

export function goldenTensor({dtype, shape, content}: GoldenTensor): Tensor {
  const bytes = typeof content === "string" ? parseHex(content) : encodeStrings(content.map((item) => parseHex(item)));
  return new Tensor(dtype, shape, bytes);
}
