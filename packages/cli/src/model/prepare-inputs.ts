/**
 * The arrays that people have, made into the tensors that a model takes. NumPy's float64 becomes float32, a missing batch
 * dimension is added; each such step is told in a note, and what could be meant in two ways is refused.
 */
import {type DType, dtypes, isDType, readNpy, readNpz, type Tensor} from "@tf-trusted/tensor";
import type {ShapeRequest} from "../arguments.ts";
import {CliError} from "../cli-error.ts";
import {formatShape} from "../render/quantities.ts";
import {findByName, listSpecs} from "./names.ts";
import type {Port} from "./open-model.ts";

export interface InputFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface InputWishes {
  readonly inputNames: readonly string[];
  readonly shapes: readonly ShapeRequest[];
  readonly batchSize?: number | undefined;
}

export interface PreparedInputs {
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** What was changed, for people. */
  readonly notes: readonly string[];
}

/**
 * Throws `CLI_FILE_KIND`, `CLI_INPUT_NAME`, `CLI_INPUT_DTYPE`, `CLI_INPUT_SHAPE`, `CLI_BATCH`, and what reading `.npy` and
 * `.npz` throws.
 */
export function prepareInputs(
  ports: readonly Port[],
  files: readonly InputFile[],
  wishes: InputWishes,
): PreparedInputs {
  const notes: string[] = [];
  const arrays = assignArrays(ports, readArrays(ports, files), wishes.inputNames);
  const tensors = ports.map((port) => {
    const array = arrays.get(port)!;
    const wish = wishes.shapes.find(({name}) => name === undefined || findByName([port], name) !== undefined);
    const converted = convertElements(port, array, notes);
    const shaped = fitShape(port, converted, wish?.shape, notes);
    checkBatch(port, shaped, wishes.batchSize);
    return [port.name, shaped] as const;
  });
  return {tensors: Object.fromEntries(tensors), notes};
}

interface NamedArray {
  /** From the archive; `undefined` for a `.npy`. */
  readonly name: string | undefined;
  readonly tensor: Tensor;
}

function readArrays(ports: readonly Port[], files: readonly InputFile[]): readonly NamedArray[] {
  const archives = files.filter(({bytes}) => bytes[0] === 0x50 && bytes[1] === 0x4b);
  if (archives.length > 0 && files.length > 1) {
    throw new CliError("CLI_FILE_KIND", `${archives[0]!.path} is an archive; expected one .npz alone, or .npy files`);
  }
  // bfloat16 and int4 are untyped bytes in NumPy's files: the model says what they are.
  const hints = Object.fromEntries(ports.flatMap(({name, dtype}) => (isDType(dtype) ? [[name, dtype] as const] : [])));
  const [archive] = archives;
  if (archive !== undefined) {
    return [...readNpz(archive.bytes, {dtypeHints: hints})].map(([name, tensor]) => ({name, tensor}));
  }
  const only = ports.length === 1 ? hints[ports[0]!.name] : undefined;
  return files.map(({path, bytes}) => ({
    name: undefined,
    tensor: readNpy(bytes, {name: path, ...(only && {dtypeHint: only})}),
  }));
}

/** Which array is which input: by the archive's names, or by those on the command line in order. */
function assignArrays(
  ports: readonly Port[],
  arrays: readonly NamedArray[],
  names: readonly string[],
): ReadonlyMap<Port, Tensor> {
  const takes = `the model takes ${listSpecs(ports) || "no inputs"}`;
  const found = new Map<Port, Tensor>();
  const inArchive = arrays.some(({name}) => name !== undefined);
  // numpy.savez(file, x) calls its only array arr_0, which says nothing.
  const anonymous = arrays.length === 1 && ports.length === 1 && (!inArchive || arrays[0]!.name === "arr_0");
  if (anonymous && names.length <= 1) {
    if (names.length === 1) ownerOf(names[0]!);
    return new Map([[ports[0]!, arrays[0]!.tensor]]);
  }
  if (!inArchive && arrays.length !== names.length) {
    const problem = names.length === 0 ? "without --input-name" : `and ${names.length} --input-name`;
    throw new CliError("CLI_INPUT_NAME", `found ${arrays.length} input files ${problem}; ${takes}`);
  }
  for (const [i, {name, tensor}] of arrays.entries()) {
    const asked = inArchive ? name! : names[i]!;
    // With names, an archive may hold more than what is asked for.
    if (
      inArchive &&
      names.length > 0 &&
      findByName(
        names.map((it) => ({name: it})),
        asked,
      ) === undefined
    )
      continue;
    const port = ownerOf(asked);
    if (found.has(port)) throw new CliError("CLI_INPUT_NAME", `the input "${port.name}" is given twice`);
    found.set(port, tensor);
  }
  const missing = ports.filter((port) => !found.has(port));
  if (missing.length > 0) {
    throw new CliError("CLI_INPUT_NAME", `no array is given for ${listSpecs(missing)}`, {
      details: {missing: missing.map(({name}) => name)},
    });
  }
  return found;

  function ownerOf(name: string): Port {
    const port = findByName(ports, name);
    if (port === undefined) throw new CliError("CLI_INPUT_NAME", `there is no input "${name}"; ${takes}`);
    return port;
  }
}

/** The elements in the model's dtype. Only float precision may be lost. */
function convertElements(port: Port, tensor: Tensor, notes: string[]): Tensor {
  const from = tensor.dtype;
  if (!isDType(port.dtype) || from === port.dtype) return tensor;
  const to: DType = port.dtype;
  const kinds = [dtypes[from].kind, dtypes[to].kind] as const;
  const refuse = (reason: string) =>
    new CliError("CLI_INPUT_DTYPE", `"${port.name}" takes ${to}, the array is ${from}: ${reason}`, {
      details: {input: port.name, expected: to, found: from},
    });
  if (kinds[0] === "string" || kinds[1] === "string" || (kinds[0] === "complex" && kinds[1] !== "complex")) {
    throw refuse("there is no conversion between them");
  }
  if (port.quantized === true && kinds[0] === "float") {
    throw refuse("the model is quantised, so numbers would have to be divided by its scale first");
  }
  const rounds = (kinds[0] === "float" && kinds[1] === "float") || (kinds[0] === "complex" && kinds[1] === "complex");
  const cast = tryCast(tensor, to);
  if (cast === undefined) throw refuse(`some elements are no ${to}`);
  if (rounds) {
    if (overflows(tensor, cast)) throw refuse(`some elements are too large for ${to}`);
  } else if (!sameValues(tensor, cast)) {
    throw refuse(`some elements are no ${to}`);
  }
  const exact = !rounds || sameValues(tensor, cast);
  notes.push(`"${port.name}": ${from} converted to ${to}${exact ? "" : ", rounded to its precision"}`);
  return cast;
}

function tryCast(tensor: Tensor, to: DType): Tensor | undefined {
  try {
    return tensor.cast(to);
  } catch {
    // The tensor package refuses what is out of range; the caller says so in words of the command line.
    return undefined;
  }
}

/** Whether casting lost nothing: NaN stays NaN. */
function sameValues(a: Tensor, b: Tensor): boolean {
  const back = tryCast(b, a.dtype);
  if (back === undefined) return false;
  const [left, right] = [a.values(), back.values()];
  return left.every((value, i) => {
    const other = right[i];
    if (typeof value === "object") return typeof other === "object" && value.re === other.re && value.im === other.im;
    return value === other || (Number.isNaN(value) && Number.isNaN(other));
  });
}

function overflows(from: Tensor, to: Tensor): boolean {
  const finite = (value: unknown): boolean =>
    typeof value === "object" ? Object.values(value as object).every(Number.isFinite) : Number.isFinite(value);
  const rounded = to.values();
  return from.values().some((value, i) => finite(value) && !finite(rounded[i]));
}

/** The elements in a shape that the model takes: its own, the one that was asked for, or with ones added. */
function fitShape(port: Port, tensor: Tensor, wish: readonly number[] | undefined, notes: string[]): Tensor {
  const declared = port.shape;
  if (fits(tensor.shape, declared)) return tensor;
  const added = waysToAddOnes(tensor.shape, declared);
  if (added.length === 1) return reshaped(added[0]!);
  const asked = wish?.every((dimension) => dimension >= 0) && fits(wish, declared) ? wish : undefined;
  if (asked !== undefined && asked.reduce((product, dimension) => product * dimension, 1) === tensor.size) {
    return reshaped(asked);
  }
  throw new CliError(
    "CLI_INPUT_SHAPE",
    `"${port.name}" takes ${formatShape(declared)}, the array has the shape ${formatShape(tensor.shape)}` +
      (added.length > 1 ? `, which could be meant as ${added.map(formatShape).join(" or ")}` : ""),
    {details: {input: port.name, expected: declared, found: tensor.shape}},
  );

  function reshaped(shape: readonly number[]): Tensor {
    notes.push(`"${port.name}": shape ${formatShape(tensor.shape)} taken as ${formatShape(shape)}`);
    return tensor.reshape(shape);
  }
}

function fits(shape: readonly number[], declared: readonly number[]): boolean {
  return (
    shape.length === declared.length &&
    shape.every((dimension, axis) => declared[axis] === -1 || declared[axis] === dimension)
  );
}

/** Each shape that fits and is `shape` with ones put in; at most two, because two are too many already. */
function waysToAddOnes(shape: readonly number[], declared: readonly number[]): readonly (readonly number[])[] {
  const found = new Map<string, readonly number[]>();
  const place = (axis: number, next: number, sofar: readonly number[]): void => {
    if (found.size > 1) return;
    if (axis === declared.length) {
      if (next === shape.length) found.set(sofar.join(), sofar);
      return;
    }
    const free = (dimension: number | undefined): dimension is number =>
      dimension !== undefined && (declared[axis] === -1 || declared[axis] === dimension);
    if (declared.length - axis > shape.length - next && free(1)) place(axis + 1, next, [...sofar, 1]);
    if (free(shape[next])) place(axis + 1, next + 1, [...sofar, shape[next]!]);
  };
  // Ranks are small where people type; the bound keeps the search so.
  if (shape.length < declared.length && declared.length <= 8) place(0, 0, []);
  return [...found.values()];
}

function checkBatch(port: Port, tensor: Tensor, batchSize: number | undefined): void {
  if (batchSize === undefined || tensor.shape.length === 0 || tensor.shape[0] === batchSize) return;
  throw new CliError(
    "CLI_BATCH",
    `--batch-size is ${batchSize}, but the array for "${port.name}" has the shape ${formatShape(tensor.shape)}`,
  );
}
