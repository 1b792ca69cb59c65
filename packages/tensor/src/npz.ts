/**
 * `.npz`: named arrays in a ZIP archive, a `.npy` file each
 * (https://numpy.org/doc/stable/reference/generated/numpy.savez.html).
 */
import type {DType} from "./dtype.ts";
import {TensorError} from "./errors.ts";
import {readNpy, type WriteNpyOptions, writeNpy} from "./npy.ts";
import type {Tensor} from "./tensor.ts";
import {readZip, writeZip} from "./zip.ts";

export interface ReadNpzOptions {
  /** What untyped elements are, by the name of the array; see `ReadNpyOptions.dtypeHint`. */
  readonly dtypeHints?: Readonly<Record<string, DType>>;
  /** Most bytes that all arrays may take decompressed. Default 2^30. */
  readonly maxBytes?: number;
}

export interface WriteNpzOptions extends WriteNpyOptions {
  /** Whether to deflate, as numpy.savez_compressed. Default: no, as numpy.savez. */
  readonly compress?: boolean;
}

const suffix = ".npy";

/**
 * Reads an `.npz` file: its tensors by name, without ".npy", in the order of the archive. Sizes are checked before
 * anything is decompressed, checksums after. Names are only names: nothing is written anywhere. Throws `NPZ_…`, and
 * what `readNpy` does for the members.
 *
 * @example const {image} = Object.fromEntries(readNpz(await readFile("inputs.npz")));
 */
export function readNpz(bytes: Uint8Array, options: ReadNpzOptions = {}): Map<string, Tensor> {
  const {dtypeHints = {}, maxBytes = 2 ** 30} = options;
  const tensors = new Map<string, Tensor>();
  for (const member of readZip(bytes, maxBytes)) {
    if (!member.name.endsWith(suffix)) {
      throw new TensorError("NPZ_NAME", `${JSON.stringify(member.name.slice(0, 60))} doesn't end in ${suffix}`);
    }
    const name = member.name.slice(0, -suffix.length);
    const dtypeHint = Object.hasOwn(dtypeHints, name) ? dtypeHints[name] : undefined;
    tensors.set(name, readNpy(member.read(), {name: member.name, ...(dtypeHint && {dtypeHint})}));
  }
  return tensors;
}

/**
 * The bytes of an `.npz` file of `tensors`, a Map or other pairs, in their order. The same tensors give the same bytes.
 * Throws `NPZ_NAME`, and what `writeNpy` does.
 *
 * @example await writeFile("outputs.npz", writeNpz(Object.entries(outputs), {compress: true}));
 */
export function writeNpz(
  tensors: Iterable<readonly [string, Tensor]>,
  options: WriteNpzOptions = {},
): Uint8Array<ArrayBuffer> {
  const members = new Map<string, Uint8Array>();
  for (const [name, tensor] of tensors) {
    const member = name + suffix;
    // 65,535 bytes of UTF-8 are the most that ZIP has room for.
    if (!name.isWellFormed() || member.length * 3 > 0xffff || members.has(member)) {
      throw new TensorError(
        "NPZ_NAME",
        `${JSON.stringify(name.slice(0, 60))} is too long, not Unicode, or there twice`,
      );
    }
    members.set(member, writeNpy(tensor, options));
  }
  return writeZip(members, options.compress ?? false);
}
