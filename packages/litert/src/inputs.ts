/**
 * The inputs of a call, checked exactly against the signature before anything else sees them: the engine itself compares
 * neither dtypes nor sizes (specs/litert.md T6). All problems of a call are told at once.
 */
import {dtypes, Tensor, TensorError} from "@tf-trusted/tensor";
import {packInt4} from "./element-types.ts";
import type {Limits, Signature, TensorSpec} from "./engine.ts";
import {LitertError} from "./litert-error.ts";

/** Inputs ready for an engine: in the order of the signature, each with memory of its own that may be given away. */
export interface CheckedInputs {
  readonly shapes: readonly (readonly number[])[];
  readonly bytes: readonly Uint8Array<ArrayBuffer>[];
}

/**
 * Checks and copies, into what `allocate` gives. The copies are the call's own: the caller may change or reuse its tensors
 * at once. Throws `INVALID_INPUT` and `TOO_LARGE`.
 */
export function checkInputs(
  signature: Signature,
  inputs: Readonly<Record<string, Tensor>>,
  limits: Limits,
  allocate: (bytes: number) => Uint8Array<ArrayBuffer> = (bytes) => new Uint8Array(bytes),
): CheckedInputs {
  const problems: string[] = [];
  const known = new Set(signature.inputs.map(({name}) => name));
  for (const name of Object.keys(inputs)) {
    if (!known.has(name)) problems.push(`there is no input "${shorten(name)}"`);
  }
  for (const spec of signature.inputs) {
    const tensor = Object.hasOwn(inputs, spec.name) ? inputs[spec.name] : undefined;
    const problem = inputProblem(spec, tensor);
    if (problem !== undefined) problems.push(`input "${spec.name}": ${problem}`);
  }
  if (problems.length > 0) {
    const takes = signature.inputs.map((spec) => `"${spec.name}" ${describeSpec(spec)}`).join(", ") || "no inputs";
    throw new LitertError("INVALID_INPUT", `${problems.join("; ")}. "${signature.name}" takes ${takes}`, {
      details: {problems},
    });
  }
  const tensors = signature.inputs.map(({name}) => inputs[name]!);
  const total = tensors.reduce((sum, {bytes}) => sum + bytes.length, 0);
  if (total > limits.maxTensorBytes) {
    throw new LitertError("TOO_LARGE", `the inputs have ${total} bytes; the limit is ${limits.maxTensorBytes}`);
  }
  return {
    shapes: tensors.map(({shape}) => shape),
    bytes: tensors.map(({dtype, bytes}) => (dtype === "int4" ? packInt4(bytes) : copy(bytes, allocate))),
  };
}

/** `float32 [-1, 224, 224, 3]`. */
export function describeSpec({dtype, shape}: Pick<TensorSpec, "dtype" | "shape">): string {
  return `${dtype} [${shape.join(", ")}]`;
}

function inputProblem(spec: TensorSpec, tensor: Tensor | undefined): string | undefined {
  if (tensor === undefined) return `missing, expected ${describeSpec(spec)}`;
  if (!(tensor instanceof Tensor)) return "is not a Tensor";
  const {dtype, shape, bytes} = tensor;
  if (dtype !== spec.dtype) return `found ${dtype}, expected ${spec.dtype}`;
  const fits = shape.length === spec.shape.length && shape.every((dim, axis) => dimFits(dim, spec.shape[axis]!));
  if (!fits) return `found shape [${shape.join(", ")}], expected [${spec.shape.join(", ")}] (-1: 1 or more)`;
  // A tensor is a view of memory that others may have changed, detached or shrunk since it was made.
  if (dtype === "string") return stringProblem(bytes, shape);
  const elements = shape.reduce((product, dim) => product * dim, 1);
  const expected = elements * (dtypes[dtype].bytes ?? 0);
  if (bytes.length !== expected) return `found ${bytes.length} bytes, expected ${expected}`;
  if (dtype === "bool" && bytes.some((byte) => byte > 1)) return "a bool is neither 0 nor 1";
  return undefined;
}

function stringProblem(bytes: Uint8Array, shape: readonly number[]): string | undefined {
  try {
    new Tensor("string", shape, bytes);
    return undefined;
  } catch (error) {
    return error instanceof TensorError ? error.message : "its bytes can't be read";
  }
}

/** No kernel was made for tensors without elements; a model that declares such a size gets it, a call may not ask. */
function dimFits(found: number, declared: number): boolean {
  return declared === -1 ? Number.isSafeInteger(found) && found >= 1 && found <= 0x7fff_ffff : found === declared;
}

/** `Uint8Array.from` goes element by element: 0.4 ms for 600 KB, where this takes 0.02 to 0.15, by whether memory is new. */
function copy(bytes: Uint8Array, allocate: (bytes: number) => Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const target = allocate(bytes.length);
  target.set(bytes);
  return target;
}

function shorten(name: string): string {
  return name.length <= 100 ? name : `${name.slice(0, 100)}…`;
}
