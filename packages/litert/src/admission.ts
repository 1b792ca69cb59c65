/**
 * The front that all engines share: bytes → a model that is sound, that the engine has kernels for, and whose claims are
 * within limits. LiteRT takes much of a file on trust (specs/litert.md §6, §10.2, §10.6), so nothing reaches it unread.
 */
import {type DType, isDType} from "@tf-trusted/tensor";
import {
  admitOperators,
  checkModel,
  declaredShape,
  type EngineName,
  type Finding,
  type FindingCode,
  readModel,
  TfliteError,
  type TfliteModel,
  type TfliteTensor,
  type TfliteType,
  tensorBytes,
} from "@tf-trusted/tflite";
import {batchingOf} from "./batching.ts";
import {elementTypes} from "./element-types.ts";
import type {Limits, Signature, TensorSpec} from "./engine.ts";
import {LitertError, type LitertErrorCode} from "./litert-error.ts";

/** Where a signature's tensors are in the file. Same order as `Signature.inputs` and `outputs`. */
export interface SignaturePlace {
  /** Key in the file; `undefined` where the file has no signatures. */
  readonly key: string | undefined;
  readonly subgraph: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/** A model that passed; only such models are specialised and run. */
export interface AdmittedModel {
  /** The engine that it was admitted for. */
  readonly engine: EngineName;
  readonly model: TfliteModel;
  readonly fileBytes: number;
  readonly signatures: readonly Signature[];
  readonly places: readonly SignaturePlace[];
}

/** The name that a file without signatures is called by. */
export const defaultSignature = "serving_default";

/**
 * Reads and checks a whole file. Weights stay views into `file`. Throws `INVALID_MODEL`, `UNSUPPORTED_OP`,
 * `UNSUPPORTED_TYPE`, `TOO_LARGE`; all findings of the first kind that fails are told at once.
 */
export function admitModel(file: Uint8Array, limits: Limits, engine: EngineName): AdmittedModel {
  if (file.length > limits.maxModelBytes) {
    throw new LitertError("TOO_LARGE", `the model has ${file.length} bytes; the limit is ${limits.maxModelBytes}`);
  }
  return admitParsed(read(file, limits), file.length, limits, engine);
}

/**
 * The same for a model of our own making that is still in parts, so that a large one needn't be put together to be checked:
 * `fileBytes` is what its file will have. What comes from elsewhere has to be read by {@link admitModel}.
 */
export function admitParsed(model: TfliteModel, fileBytes: number, limits: Limits, engine: EngineName): AdmittedModel {
  if (fileBytes > limits.maxModelBytes) {
    throw new LitertError("TOO_LARGE", `the model has ${fileBytes} bytes; the limit is ${limits.maxModelBytes}`);
  }
  refuseFindings(checkModel(model, {limits: tfliteLimits(limits)}));
  refuseFindings(admitOperators(model, engine));
  checkCounts(model, limits);
  const places = findPlaces(model);
  const stateful = keepsState(model);
  const described = places.map(({key, subgraph, inputs, outputs}, index) => {
    const {tensors} = model.subgraphs[subgraph]!;
    const named = model.signatures[index];
    const names = (side: "inputs" | "outputs", indices: readonly number[]) =>
      named === undefined
        ? tensorNames(
            indices.map((at) => tensors[at]!),
            side,
          )
        : named[side].map(({name}) => name);
    const specs = (side: "inputs" | "outputs", indices: readonly number[]): readonly TensorSpec[] => {
      const given = names(side, indices);
      return indices.map((at, position) => tensorSpec(tensors[at]!, given[position]!, side, engine));
    };
    return {
      name: key ?? defaultSignature,
      inputs: specs("inputs", inputs),
      outputs: specs("outputs", outputs),
      stateful,
    };
  });
  const signatures =
    limits.maxBatch > 1
      ? described.map((each, at) => ({...each, batching: batchingOf(model, each, places[at]!, limits.maxBatch)}))
      : described;
  return {engine, model, fileBytes, signatures, places};
}

function read(file: Uint8Array, limits: Limits): TfliteModel {
  try {
    return readModel(file, {limits: tfliteLimits(limits)});
  } catch (cause) {
    throw fromTflite(cause);
  }
}

/** A failure of the format's package as one of ours; what isn't one is a bug and passes. */
export function fromTflite(cause: unknown, code: LitertErrorCode = "INVALID_MODEL"): unknown {
  if (!(cause instanceof TfliteError)) return cause;
  return new LitertError(
    cause.code === "TFLITE_LIMIT" || cause.code === "TFLITE_TOO_LARGE" ? "TOO_LARGE" : code,
    cause.message,
    {
      cause,
      details: {reason: cause.code},
    },
  );
}

function tfliteLimits(limits: Limits) {
  return {
    maxFileBytes: limits.maxModelBytes,
    maxSubgraphs: limits.maxSubgraphs,
    maxTensors: limits.maxTensors,
    maxTensorBytes: limits.maxTensorBytes,
    maxTotalTensorBytes: limits.maxTensorBytes,
  };
}

/** Findings that aren't simply "the file is wrong". */
const findingCodes: Partial<Record<FindingCode, LitertErrorCode>> = {
  LIMIT: "TOO_LARGE",
  SPARSE: "UNSUPPORTED_TYPE",
  OPERATOR_UNSUPPORTED: "UNSUPPORTED_OP",
  OPERATOR_VERSION: "UNSUPPORTED_OP",
  KERNEL_CRASH: "UNSUPPORTED_OP",
  KERNEL_WRONG: "UNSUPPORTED_OP",
};

/** Throws all findings as one error, if there are any. */
export function refuseFindings(findings: readonly Finding[]): void {
  const [first] = findings;
  if (first === undefined) return;
  const problems = findings.map(({code, message}) => `${code}: ${message}`);
  const shown = problems.slice(0, 5).join("; ");
  const more = problems.length > 5 ? `; and ${problems.length - 5} more` : "";
  throw new LitertError(findingCodes[first.code] ?? "INVALID_MODEL", `${shown}${more}`, {details: {problems}});
}

function checkCounts(model: TfliteModel, limits: Limits): void {
  const operators = model.subgraphs.reduce((sum, graph) => sum + graph.operators.length, 0);
  const rows = [
    ["operators", operators, limits.maxOperators],
    ["subgraphs", model.subgraphs.length, limits.maxSubgraphs],
    ["tensors", model.subgraphs.reduce((sum, graph) => sum + graph.tensors.length, 0), limits.maxTensors],
  ] as const;
  for (const [what, found, limit] of rows) {
    if (found > limit) throw new LitertError("TOO_LARGE", `the model has ${found} ${what}; the limit is ${limit}`);
  }
}

function findPlaces(model: TfliteModel): readonly SignaturePlace[] {
  if (model.signatures.length === 0) {
    const {inputs, outputs} = model.subgraphs[0]!;
    return [{key: undefined, subgraph: 0, inputs, outputs}];
  }
  return model.signatures.map(({key, subgraph, inputs, outputs}) => ({
    key,
    subgraph,
    inputs: inputs.map(({tensor}) => tensor),
    outputs: outputs.map(({tensor}) => tensor),
  }));
}

/** Names of the tensors; made unique by their position where a file names two alike or none. */
function tensorNames(tensors: readonly TfliteTensor[], side: "inputs" | "outputs"): readonly string[] {
  const used = new Map<string, number>();
  for (const {name} of tensors) used.set(name, (used.get(name) ?? 0) + 1);
  return tensors.map(({name}, index) => {
    if (name === "") return `${side.slice(0, -1)}:${index}`;
    return used.get(name) === 1 ? name : `${name}:${index}`;
  });
}

function tensorSpec(tensor: TfliteTensor, name: string, side: "inputs" | "outputs", engine: EngineName): TensorSpec {
  return {
    name,
    dtype: interfaceType(tensor.type, name, side, engine),
    shape: declaredShape(tensor),
    ...(tensor.quantization === undefined ? {} : {quantization: tensor.quantization}),
  };
}

function interfaceType(type: TfliteType, name: string, side: "inputs" | "outputs", engine: EngineName): DType {
  if (isDType(type) && (elementTypes[type] !== undefined || (type === "string" && engine === "native"))) return type;
  throw new LitertError(
    "UNSUPPORTED_TYPE",
    `${side.slice(0, -1)} "${name}" is ${type}; the ${engine} engine takes ${Object.keys(elementTypes).join(", ")}` +
      (engine === "native" ? ", string" : ""),
    {details: {name, type}},
  );
}

/** Operators whose effects outlive a call, beside kernels that write variable tensors. */
const statefulOperators: ReadonlySet<string> = new Set(["VAR_HANDLE", "ASSIGN_VARIABLE", "READ_VARIABLE"]);

function keepsState({operatorCodes, subgraphs}: TfliteModel): boolean {
  return (
    operatorCodes.some(({builtin}) => statefulOperators.has(builtin)) ||
    subgraphs.some(({tensors}) => tensors.some(({isVariable}) => isVariable === true))
  );
}

/** Bytes of all tensors that are computed (not constants) at their present shapes; unknown dimensions count as 1. */
export function computedBytes({subgraphs, buffers}: TfliteModel): number {
  let sum = 0;
  for (const {tensors} of subgraphs) {
    for (const {type, shape, buffer} of tensors) {
      if (buffers[buffer]!.length === 0) sum += tensorBytes(type, shape) ?? 0;
    }
  }
  return sum;
}
