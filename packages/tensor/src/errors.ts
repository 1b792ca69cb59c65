/** Every way in which this package refuses something. `docs/errors.md` is made from this table. */
import {type ErrorTable, TfTrustedError} from "@tf-trusted/core";

export const tensorErrors = {
  TENSOR_DTYPE: {
    when: "A dtype isn't one of the table in dtype.ts.",
    todo: "Use one of the names of `dtypes`.",
  },
  TENSOR_SHAPE: {
    when: "A shape has negative, fractional or too many dimensions, or too many elements.",
    todo: "Give at most 64 whole dimensions >= 0 whose product is a safe integer.",
  },
  TENSOR_SIZE: {
    when: "The number of bytes or values doesn't fit dtype and shape.",
    todo: "Check dtype and shape against the data.",
  },
  TENSOR_VALUE: {
    when: "An element isn't a value of its dtype: out of range, a fraction, of another type, or of a mixture of types.",
    todo: "Give values that the dtype holds, or another dtype; `cast` rounds fractions on purpose.",
  },
  TENSOR_RAGGED: {
    when: "Nested arrays don't have the same length at the same depth.",
    todo: "Pad the rows, or pass a flat array together with a shape.",
  },
  TENSOR_CAST: {
    when: "There is no conversion between two dtypes, such as from complex to real or from strings to numbers.",
    todo: "Take the part that is meant from `values()` and make a tensor of it.",
  },
  TENSOR_STRINGS: {
    when: "The bytes of a string tensor aren't TensorFlow Lite's packing of as many strings as the shape has elements.",
    todo: "Make string tensors with `Tensor.from` or `encodeStrings`.",
  },
  TENSOR_UTF8: {
    when: "An element of a string tensor was asked for as text, but its bytes aren't UTF-8 (an image, say).",
    todo: "Use `stringBytes()`.",
  },
  NPY_MAGIC: {
    when: "A file doesn't begin as every .npy file does.",
    todo: "Check that it was written by numpy.save; an .npz is read by `readNpz`.",
  },
  NPY_VERSION: {
    when: "The format version of a .npy file isn't 1.0, 2.0 or 3.0.",
    todo: "Write it again with a current NumPy.",
  },
  NPY_HEADER: {
    when: "The header of a .npy file isn't the dictionary literal that the format prescribes, or is too long.",
    todo: "Write the file again with numpy.save.",
  },
  NPY_DTYPE: {
    when: "The element type of a .npy file has no tensor dtype, such as dates, 8-bit or 80-bit floats.",
    todo: "Convert it in NumPy first: numpy.save(f, a.astype('float32')).",
  },
  NPY_VOID: {
    when: "The elements of a .npy file are untyped bytes, as NumPy writes bfloat16 and int4, and the hint doesn't fit.",
    todo: "Pass {dtypeHint: 'bfloat16'} for two-byte or {dtypeHint: 'int4'} for one-byte elements, if they are that.",
  },
  NPY_OBJECT: {
    when: "A .npy file holds pickled Python objects. They are never loaded: unpickling runs code from the file.",
    todo: "Convert the array in NumPy to a plain dtype: a.astype('S') for strings, a.astype('float32') for numbers.",
  },
  NPY_STRUCTURED: {
    when: "A .npy file holds records (a structured or sub-array dtype).",
    todo: "Save each field as an array of its own, for example with numpy.savez.",
  },
  NPY_SHAPE: {
    when: "The shape in a .npy header isn't a tuple of whole numbers >= 0, or is too large.",
    todo: "Write the file again with numpy.save.",
  },
  NPY_TRUNCATED: {
    when: "A .npy file ends before its header or data does.",
    todo: "Check that the file is complete.",
  },
  NPY_TRAILING: {
    when: "Bytes follow the data of a .npy file.",
    todo: "Check where the file comes from; several arrays in one file belong in an .npz.",
  },
  NPY_STRING: {
    when: "A string can't be kept by .npy: it ends in a zero byte, isn't Unicode, or makes the padded array too large.",
    todo: "Send such strings another way; .npy pads all strings to the longest with zero bytes.",
  },
  NPZ_NOT_ZIP: {
    when: "An .npz file doesn't end as a ZIP archive does.",
    todo: "Check that the file is complete and was written by numpy.savez; a single array is read by `readNpy`.",
  },
  NPZ_CORRUPT: {
    when: "The structures of an .npz archive contradict each other, or its compressed data can't be decompressed.",
    todo: "Check that the file is complete; write it again.",
  },
  NPZ_CRC: {
    when: "The checksum of a member of an .npz doesn't match its data.",
    todo: "The file was damaged: get it again.",
  },
  ZLIB_CORRUPT: {
    when: "A zlib stream (of an HDF5 file) is damaged, or isn't as long as the file says.",
    todo: "The file was damaged: get it again.",
  },
  NPZ_UNSUPPORTED: {
    when: "An .npz uses a ZIP feature that numpy.savez doesn't: encryption, several disks, ZIP64, another compression.",
    todo: "Write the file again with numpy.savez or numpy.savez_compressed.",
  },
  NPZ_NAME: {
    when: "The name of an array in an .npz isn't Unicode, is too long, occurs twice, or doesn't end in .npy in the file.",
    todo: "Give each array a name of its own; keep other files out of the archive.",
  },
  NPZ_TOO_LARGE: {
    when: "The arrays of an .npz take more bytes than allowed, or than their compressed size can hold.",
    todo: "Split the archive, or pass a larger `maxBytes` if you trust where it comes from.",
  },
} as const satisfies ErrorTable;

/** The only error that this package throws. */
export class TensorError extends TfTrustedError<keyof typeof tensorErrors> {}
