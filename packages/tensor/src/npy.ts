/**
 * `.npy`: one array in a file (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
 *
 *     offset  bytes
 *     0       6       \x93NUMPY
 *     6       2       version: 1.0, 2.0 or 3.0
 *     8       2 | 4   length of the header, u16 in 1.0, u32 in 2.0 and 3.0, little-endian
 *     …               header: a Python dictionary of descr, fortran_order and shape; Latin-1, UTF-8 in 3.0;
 *                     padded by spaces and a line feed
 *     …               the elements, to the end of the file
 *
 * Everything is checked before anything is allocated, and nothing in a file is ever executed (no pickles).
 */
import {concatBytes} from "@tf-trusted/core";
import {type DType, dtypes} from "./dtype.ts";
import {TensorError} from "./errors.ts";
import {decodeFixedWidth, encodeFixedWidth, type FixedWidth} from "./npy-strings.ts";
import {type Literal, parsePythonLiteral} from "./python-literal.ts";
import {elementCount, findShapeProblem, formatShape, type Shape} from "./shape.ts";
import {Tensor} from "./tensor.ts";

export interface ReadNpyOptions {
  /**
   * What untyped elements are. NumPy with ml_dtypes writes bfloat16 as `<V2` and int4 as `<V1`, which could be anything
   * else as well; files of other elements are read as what they are, whatever the hint.
   */
  readonly dtypeHint?: DType;
  /** Names the file in messages. Default ".npy". */
  readonly name?: string;
}

export interface WriteNpyOptions {
  /**
   * How string tensors are written: "S" (default), bytes, as TensorFlow gives them to NumPy; or "U", text, four bytes a
   * character.
   */
  readonly strings?: FixedWidth;
}

/** NumPy's own limit on headers that it trusts to parse. */
const maxHeaderBytes = 10_000;
const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** Bytes of the field that holds the header's length, by major version. */
const lengthBytes: Readonly<Record<number, 2 | 4>> = {1: 2, 2: 4, 3: 4};

/** Type strings without their byte order, `typestr` of https://numpy.org/doc/stable/reference/arrays.interface.html. */
const typeCodes: ReadonlyMap<string, DType> = new Map([
  ["f2", "float16"],
  ["f4", "float32"],
  ["f8", "float64"],
  ["i1", "int8"],
  ["i2", "int16"],
  ["i4", "int32"],
  ["i8", "int64"],
  ["u1", "uint8"],
  ["u2", "uint16"],
  ["u4", "uint32"],
  ["u8", "uint64"],
  ["b1", "bool"],
  ["c8", "complex64"],
  ["c16", "complex128"],
]);

/** How ml_dtypes' types are written: untyped elements of their size. */
const voidCodes: Readonly<Partial<Record<DType, string>>> = {bfloat16: "V2", int4: "V1"};

/** Type letters that NumPy can write and a tensor can't be, for the message. */
const refusedLetters: Readonly<Record<string, string>> = {
  M: "dates (datetime64)",
  m: "durations (timedelta64)",
  f: "floats of another size than 16, 32 or 64 bits",
  c: "complex numbers of another size than 64 or 128 bits",
};

/** How the elements lie in the file. */
interface Encoding {
  readonly dtype: DType;
  /** Bytes an element. */
  readonly each: number;
  readonly bigEndian: boolean;
  /** For strings: fixed-width bytes or UTF-32. */
  readonly strings?: FixedWidth;
}

interface Header {
  readonly encoding: Encoding;
  readonly fortranOrder: boolean;
  readonly shape: Shape;
}

/**
 * Reads a `.npy` file. The tensor is a view of `bytes` where the file has little-endian row-major elements, else a copy.
 * Fixed-width strings become string tensors, without the zeros that pad them; Unicode as UTF-8. Throws `NPY_…`, and
 * `TENSOR_VALUE` for bools that are neither 0 nor 1.
 *
 * @example const image = readNpy(await readFile("x.npy"));
 */
export function readNpy(bytes: Uint8Array, options: ReadNpyOptions = {}): Tensor {
  const name = options.name ?? ".npy";
  const {text, dataOffset} = readHeaderText(bytes, name);
  const {encoding, shape, fortranOrder} = parseHeader(text, options.dtypeHint, name);
  const count = elementCount(shape);
  const wanted = count * encoding.each;
  const found = bytes.length - dataOffset;
  if (found !== wanted) {
    throw new TensorError(
      found < wanted ? "NPY_TRUNCATED" : "NPY_TRAILING",
      `${name}: ${found} bytes follow the header, expected ${wanted} for ${encoding.dtype} ${formatShape(shape)}`,
      {details: {found, wanted}},
    );
  }
  const stored = bytes.subarray(dataOffset);
  const ordered = fortranOrder ? toRowMajor(stored, shape, encoding.each) : stored;
  return new Tensor(encoding.dtype, shape, decodeData(ordered, count, encoding, name));
}

/**
 * The bytes of a `.npy` file, the same as NumPy 2 writes. Always version 1.0: with at most 64 dimensions no header
 * needs a later one. bfloat16 and int4 are written as ml_dtypes writes them: in Python, `a.view(ml_dtypes.bfloat16)`
 * after loading. Throws `NPY_STRING` for strings that the format would change.
 */
export function writeNpy(tensor: Tensor, options: WriteNpyOptions = {}): Uint8Array<ArrayBuffer> {
  const {descr, data} = encodeData(tensor, options.strings ?? "S");
  return concatBytes(encodeHeader(descr, tensor.shape), data);
}

/** Everything up to the header's end. Throws `NPY_MAGIC`, `NPY_VERSION`, `NPY_HEADER` and `NPY_TRUNCATED`. */
function readHeaderText(bytes: Uint8Array, name: string): {readonly text: string; readonly dataOffset: number} {
  const truncated = (wanted: number) =>
    new TensorError("NPY_TRUNCATED", `${name}: ${bytes.length} bytes, expected ${wanted} up to the end of the header`, {
      details: {found: bytes.length, wanted},
    });
  if (magic.some((byte, i) => i < bytes.length && bytes[i] !== byte) || bytes.length === 0) {
    throw new TensorError("NPY_MAGIC", `${name}: doesn't begin with \\x93NUMPY; is it a .npy file?`);
  }
  if (bytes.length < 8) throw truncated(8);
  const [major, minor] = [bytes[6]!, bytes[7]!];
  const field = lengthBytes[major];
  if (field === undefined || minor !== 0) {
    throw new TensorError("NPY_VERSION", `${name}: found version ${major}.${minor}, expected 1.0, 2.0 or 3.0`);
  }
  const start = 8 + field;
  if (bytes.length < start) throw truncated(start);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = field === 2 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > maxHeaderBytes) {
    throw new TensorError("NPY_HEADER", `${name}: a header of ${length} bytes, expected at most ${maxHeaderBytes}`);
  }
  if (bytes.length < start + length) throw truncated(start + length);
  const header = bytes.subarray(start, start + length);
  return {text: major === 3 ? decodeUtf8(header, name) : decodeLatin1(header), dataOffset: start + length};
}

/** Throws `NPY_HEADER`, `NPY_DTYPE`, `NPY_VOID`, `NPY_OBJECT`, `NPY_STRUCTURED` and `NPY_SHAPE`. */
function parseHeader(text: string, hint: DType | undefined, name: string): Header {
  const literal = parsePythonLiteral(text, name);
  if (!isKind(literal, "dict")) {
    throw new TensorError("NPY_HEADER", `${name}: the header isn't a dictionary`);
  }
  const fields = new Map(literal.entries);
  const keys = ["descr", "fortran_order", "shape"];
  if (literal.entries.length !== keys.length || !keys.every((key) => fields.has(key))) {
    const found = literal.entries.map(([key]) => JSON.stringify(key)).join(", ");
    throw new TensorError("NPY_HEADER", `${name}: found the keys ${found.slice(0, 200)}; expected ${keys.join(", ")}`);
  }
  const fortranOrder = fields.get("fortran_order");
  if (typeof fortranOrder !== "boolean") {
    throw new TensorError("NPY_HEADER", `${name}: fortran_order is neither True nor False`);
  }
  return {
    encoding: parseDescr(fields.get("descr")!, hint, name),
    fortranOrder,
    shape: parseShape(fields.get("shape")!, name),
  };
}

function parseShape(literal: Literal, name: string): Shape {
  const items = isKind(literal, "tuple") ? literal.items : [null];
  const shape = items.filter((item) => typeof item === "number");
  const problem = shape.length < items.length ? "expected a tuple of whole numbers" : findShapeProblem(shape);
  if (problem !== undefined) throw new TensorError("NPY_SHAPE", `${name}: bad shape: ${problem}`);
  return shape;
}

function parseDescr(literal: Literal, hint: DType | undefined, name: string): Encoding {
  if (typeof literal !== "string") {
    throw isKind(literal, "list") || isKind(literal, "tuple")
      ? new TensorError("NPY_STRUCTURED", `${name}: the elements are records; save each field as an array of its own`)
      : new TensorError("NPY_HEADER", `${name}: descr is neither a string nor a list of fields`);
  }
  const refuse = (code: "NPY_DTYPE" | "NPY_VOID" | "NPY_OBJECT", reason: string) =>
    new TensorError(code, `${name}: dtype ${JSON.stringify(literal.slice(0, 40))}: ${reason}`);
  const [order, letter, code] = [literal.slice(0, 1), literal.slice(1, 2), literal.slice(1)];
  if (letter === "O") throw refuse("NPY_OBJECT", "pickled Python objects are never loaded, because that runs code");
  if (letter in refusedLetters && !typeCodes.has(code)) throw refuse("NPY_DTYPE", refusedLetters[letter]!);
  const match = /^[<>|]([a-zA-Z])(0|[1-9][0-9]{0,8})$/.exec(literal);
  if (match === null) throw refuse("NPY_DTYPE", "expected a byte order (<, >, |), a type letter and a size");
  const size = Number(match[2]);
  const bigEndian = order === ">";
  if (letter === "S") return {dtype: "string", each: size, bigEndian, strings: "S"};
  if (letter === "U" && order !== "|") return {dtype: "string", each: 4 * size, bigEndian, strings: "U"};
  if (letter === "V") {
    if (hint === undefined || voidCodes[hint] !== code || bigEndian) {
      throw refuse("NPY_VOID", `untyped elements of ${size} bytes; pass the dtypeHint bfloat16 (2 bytes) or int4 (1)`);
    }
    return {dtype: hint, each: size, bigEndian};
  }
  const dtype = typeCodes.get(code);
  if (dtype === undefined) throw refuse("NPY_DTYPE", `expected one of ${[...typeCodes.keys(), "S…", "U…"].join(", ")}`);
  if (order === "|" && size > 1) throw refuse("NPY_DTYPE", "elements of several bytes need a byte order (< or >)");
  return {dtype, each: size, bigEndian};
}

function decodeData(data: Uint8Array, count: number, encoding: Encoding, name: string): Uint8Array {
  const {dtype, each, bigEndian, strings} = encoding;
  if (strings !== undefined) return decodeFixedWidth(data, count, {strings, each, bigEndian}, name);
  if (dtype === "int4") return data.map(signExtend4);
  return bigEndian ? swapBytes(data, dtypes[dtype].array.BYTES_PER_ELEMENT) : data;
}

function encodeData(tensor: Tensor, strings: FixedWidth): {readonly descr: string; readonly data: Uint8Array} {
  const {dtype, bytes} = tensor;
  if (dtype === "string") {
    const {width, data} = encodeFixedWidth(tensor.stringBytes(), strings);
    return {descr: `${strings === "S" ? "|" : "<"}${strings}${width}`, data};
  }
  if (dtype === "int4") return {descr: `<${voidCodes.int4}`, data: bytes.map((byte) => byte & 0x0f)};
  const code = voidCodes[dtype] ?? [...typeCodes].find(([, type]) => type === dtype)![0];
  return {descr: `${code.endsWith("1") ? "|" : "<"}${code}`, data: bytes};
}

/**
 * NumPy leaves room for the first dimension to grow to 21 digits in place, and then pads so that the data begins at a
 * multiple of 64.
 */
function encodeHeader(descr: string, shape: Shape): Uint8Array {
  const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const growth = shape.length === 0 ? 0 : 21 - String(shape[0]).length;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }${" ".repeat(growth)}`;
  const total = Math.ceil((10 + text.length + 1) / 64) * 64;
  const length = total - 10;
  const header = `${text.padEnd(length - 1)}\n`;
  return concatBytes(
    Uint8Array.of(...magic, 1, 0, length & 0xff, length >>> 8),
    Uint8Array.from(header, (character) => character.charCodeAt(0)),
  );
}

/** The elements of a column-major array (first index fastest) in row-major order. */
function toRowMajor(bytes: Uint8Array, shape: Shape, each: number): Uint8Array {
  if (bytes.length === 0 || shape.length < 2) return bytes;
  const out = new Uint8Array(bytes.length);
  const position = shape.map(() => 0);
  const strides: number[] = [];
  shape.reduce((stride, length, axis) => {
    strides[axis] = stride;
    return stride * length;
  }, each);
  let from = 0;
  for (let to = 0; to < out.length; to += each) {
    for (let i = 0; i < each; i++) out[to + i] = bytes[from + i]!;
    // Counts up `position` from the last axis, and `from` with it.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++position[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      position[axis] = 0;
    }
  }
  return out;
}

/** Each group of `width` bytes backwards. */
function swapBytes(bytes: Uint8Array, width: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let start = 0; start < out.length; start += width) {
    for (let i = 0; i < width; i++) out[start + i] = bytes[start + width - 1 - i]!;
  }
  return out;
}

/** ml_dtypes leaves the upper half of an int4's byte 0, or sign-extends it; both mean the lower half. */
function signExtend4(byte: number): number {
  return (byte << 28) >> 28;
}

function isKind<K extends "tuple" | "list" | "dict">(
  literal: Literal,
  kind: K,
): literal is Extract<Literal, {readonly kind: K}> {
  return typeof literal === "object" && literal !== null && literal.kind === kind;
}

function decodeLatin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function decodeUtf8(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
  } catch (cause) {
    throw new TensorError("NPY_HEADER", `${name}: the header of a version 3.0 file isn't UTF-8`, {cause});
  }
}
