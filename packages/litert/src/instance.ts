/** One compiled file of fixed shapes in an engine: what every engine's instances can do, and what their words mean. */
import {encodeStrings} from "@tf-trusted/tensor";
import {type ElementType, engineBytes, stringType} from "./element-types.ts";
import {LitertError, type LitertErrorCode} from "./litert-error.ts";

/** A tensor as the engine is to see it: fixed dimensions, elements as in its memory. */
export interface FixedTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
}

/** A signature of a specialised file. */
export interface FixedSignature {
  /** Key in the file; `undefined` for a file without signatures. */
  readonly key: string | undefined;
  /** Whether the file has one more input, which is true (`own-outputs.ts`). */
  readonly isDelayed?: boolean;
  readonly inputs: readonly FixedTensor[];
  readonly outputs: readonly FixedTensor[];
}

export interface InstanceRun {
  /** In the order of the signature's outputs. Views of the instance's memory or copies: valid until its next call. */
  readonly outputs: readonly Uint8Array<ArrayBuffer>[];
  readonly engineMs: number;
}

/** After any failure an instance is unusable and has to be wiped; nothing of it is trusted again (specs/litert.md §10.3). */
export interface Instance {
  /** What it holds of the engine's memory. */
  readonly heapBytes: number;
  /**
   * One inference of `signature` (an index into those that it was compiled with). `inputs` are the engine's bytes in the
   * order of the signature. Throws `OUT_OF_MEMORY`, `DYNAMIC_OUTPUT`, `ENGINE_CRASHED`, `ENGINE_ERROR`.
   */
  run(signature: number, fixed: FixedSignature, inputs: readonly Uint8Array[]): Promise<InstanceRun>;
  /**
   * The dimensions of the outputs after two runs on zeros, of a file that declares them too large; the values are wrong
   * in some models and are not looked at (specs/litert.md §5.2). The instance has to be wiped afterwards.
   */
  probe(signature: number, fixed: FixedSignature): Promise<readonly (readonly number[])[]>;
  /** Overwrites inputs, outputs and weights. The instance is unusable afterwards. */
  wipe(): void;
}

/**
 * Compiles a file of fixed shapes; `signatures[i]` is absent where signature i keeps dimensions open in it. `file` isn't
 * used afterwards. Throws `UNSUPPORTED_OP`, `OUT_OF_MEMORY`, `ENGINE_CRASHED`, `ENGINE_ERROR`.
 */
export type InstanceMaker = (
  file: Uint8Array,
  signatures: readonly (FixedSignature | undefined)[],
) => Promise<Instance>;

/** Bytes of a tensor of fixed size; strings have none. */
export function fixedBytes({type, dims}: FixedTensor): number {
  return engineBytes(
    type,
    dims.reduce((product, dim) => product * dim, 1),
  );
}

/** The engine's bytes of a tensor of zeros, or of empty strings. */
export function zerosOf(tensor: FixedTensor): Uint8Array<ArrayBuffer> {
  if (tensor.type !== stringType) return new Uint8Array(fixedBytes(tensor));
  const count = tensor.dims.reduce((product, dim) => product * dim, 1);
  return encodeStrings(Array<Uint8Array>(count).fill(new Uint8Array(0)));
}

/** Where a file's signatures and names stand in LiteRT, which sorts them: positions → indices of ours. */
export type SignatureOrder = readonly (
  | {readonly index: number; readonly inputs: readonly number[]; readonly outputs: readonly number[]}
  | undefined
)[];

/** A signature as LiteRT tells it. */
export interface FoundSignature {
  readonly index: number;
  readonly key: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** Throws `ENGINE_ERROR` where the engine's signatures aren't those of the file. */
export function orderSignatures(
  found: readonly FoundSignature[],
  signatures: readonly (FixedSignature | undefined)[],
): SignatureOrder {
  return signatures.map((signature) => {
    if (signature === undefined) return undefined;
    const {key, inputs, outputs} = signature;
    // Without signatures LiteRT makes one up, with the tensors in the file's order (their names may not be unique).
    const row = key === undefined ? found[0] : found.find((each) => each.key === key);
    if (row === undefined) throw new LitertError("ENGINE_ERROR", `the engine doesn't find the signature "${key}"`);
    if (key === undefined) {
      if (row.inputs.length !== inputs.length || row.outputs.length !== outputs.length) {
        throw new LitertError("ENGINE_ERROR", "the engine counts other inputs or outputs than the file has");
      }
      return {index: row.index, inputs: [...inputs.keys()], outputs: [...outputs.keys()]};
    }
    return {index: row.index, inputs: positions(row.inputs, inputs), outputs: positions(row.outputs, outputs)};
  });
}

function positions(names: readonly string[], tensors: readonly FixedTensor[]): number[] {
  const indices = names.map((name) => tensors.findIndex((tensor) => tensor.name === name));
  if (indices.includes(-1) || new Set(indices).size !== tensors.length) {
    throw new LitertError("ENGINE_ERROR", "the engine names other inputs or outputs than the file's signature");
  }
  return indices;
}

/** The engine's own words → code; the first row that matches. */
const meanings: readonly (readonly [RegExp, LitertErrorCode])[] = [
  [/Didn't find op for builtin|unresolved custom op|Unresolved custom op/i, "UNSUPPORTED_OP"],
  [/allocation_type ==|dynamic tensor/i, "DYNAMIC_OUTPUT"],
  // "Failed to allocate tensors" is said of whatever a kernel dislikes in preparing.
  [/failed to (re)?allocate (?!tensors)|out of memory|bad_alloc|MemoryAllocationFailure/i, "OUT_OF_MEMORY"],
];

/** The code for what LiteRT said, `undefined` where it doesn't tell. */
export function meaningOf(said: string): LitertErrorCode | undefined {
  return meanings.find(([pattern]) => pattern.test(said))?.[1];
}
