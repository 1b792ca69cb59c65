/** The shared model corpus for the converter's tests: cases of index.jsonl, their goldens, and running in the engine. */
import {existsSync, readFileSync} from "node:fs";
import {dirname, join, resolve} from "node:path";
import {fileURLToPath} from "node:url";
import {type ConvertOptions, type ConvertResult, convert} from "@tf-trusted/convert";
import {TfTrustedError} from "@tf-trusted/core";
import type {Engine} from "@tf-trusted/litert";
import {bfloat16ToNumber, float16ToNumber, readNpz, Tensor} from "@tf-trusted/tensor";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const shared = process.env.TF_TRUSTED_CORPUS ?? resolve(root, "../shared");

/** Folder of the corpus, `undefined` where it isn't beside the repository. */
export const models: string | undefined = existsSync(join(shared, "models/index.jsonl"))
  ? join(shared, "models")
  : undefined;

export const skipReason = "the model corpus isn't there (set TF_TRUSTED_CORPUS)";

export interface Case {
  readonly id: string;
  readonly kind: string;
  readonly file: string;
  readonly io: string;
  readonly inputs: readonly {readonly name: string; readonly dtype: string; readonly shape: readonly number[] | null}[];
  readonly outputs: readonly {readonly name: string; readonly dtype?: string}[];
  readonly tol: {readonly abs: number; readonly rel: number};
  readonly compare?: "values" | "shape";
  readonly expect_error?: string;
  /** What Google's converter makes of it: `ok` where LiteRT then gives the golden. */
  readonly litert?: string;
}

export function casesOf(kind: string): readonly Case[] {
  const lines = readFileSync(join(models!, "index.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Case).filter((each) => each.kind === kind);
}

/** The third-party graphs: other people's, one operator or a few each (models/third_party/dl4j). */
export function thirdPartyCases(): readonly Case[] {
  const folder = "third_party/dl4j";
  const lines = readFileSync(join(models!, folder, "index.jsonl"), "utf8")
    .trim()
    .split("\n");
  return lines
    .map((line) => JSON.parse(line) as Case)
    .map((each) => ({...each, file: `${folder}/${each.file}`, io: `${folder}/${each.io}`}));
}

export const readModelFile = (file: string): Uint8Array => readFileSync(join(models!, file));

export interface Goldens {
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly outputs: ReadonlyMap<string, Tensor>;
}

/** Arrays of an .npz by whether they go in or come out. */
export async function readGoldens(testCase: Pick<Case, "io" | "inputs" | "outputs">): Promise<Goldens> {
  // NumPy has no bfloat16: such arrays come as untyped pairs of bytes.
  const keys = [...testCase.inputs.map(({name}) => `in:${name}`), ...testCase.outputs.map(({name}) => `out:${name}`)];
  const hints = [...keys, ...keys.map((key) => `${key}:0`)].map((key) => [key, "bfloat16"] as const);
  const arrays = await readNpz(readModelFile(testCase.io), {dtypeHints: Object.fromEntries(hints)});
  const named = (prefix: string) =>
    new Map(
      [...arrays].filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value]),
    );
  const inputs = [...named("in:")].map(([key, value]) => [key.replace(/:0$/, ""), value] as const);
  return {inputs: new Map(inputs), outputs: named("out:")};
}

export type Outcome =
  | {readonly kind: "right"}
  /** A coded error instead of numbers: converting, or by the engine. */
  | {readonly kind: "refused"; readonly by: "convert" | "engine" | "reference"; readonly reason: string}
  | {readonly kind: "wrong"; readonly reason: string};

/** Converts, runs in the engine, compares with the goldens. Errors without a code are not caught. */
export async function judge(engine: Engine, testCase: Case, options: ConvertOptions = {}): Promise<Outcome> {
  const goldens = await readGoldens(testCase);
  const outputs = [...goldens.outputs.keys()];
  const float64 = isBeyondFloat32(testCase) ? "refuse" : "narrow";
  return judgeModel(engine, testCase, goldens, () =>
    convert(readModelFile(testCase.file), {outputs, float64, ...options}),
  );
}

/** {@link judge} for what any conversion gives. */
export async function judgeModel(
  engine: Engine,
  testCase: Pick<Case, "tol" | "compare">,
  goldens: Goldens,
  makeModel: () => ConvertResult | Promise<ConvertResult>,
): Promise<Outcome> {
  let converted: ConvertResult;
  try {
    converted = await makeModel();
  } catch (error) {
    return refusal("convert", error);
  }
  try {
    const loaded = await engine.load(converted.model);
    try {
      const inputs = Object.fromEntries(
        loaded.signatures
          .find(({name}) => name === converted.signature.name)!
          .inputs.map(({name}) => [name, goldens.inputs.get(name) ?? fail(`no golden input ${name}`)]),
      );
      const result = await loaded.run(converted.signature.name, inputs, {deadlineMs: 60_000});
      return compare(testCase, goldens.outputs, result.outputs);
    } finally {
      await loaded.close();
    }
  } catch (error) {
    return refusal("engine", error);
  }
}

/** {@link judge} for many cases, a few at a time: an engine waits for its workers more than it computes. */
export async function judgeAll(
  engine: Engine,
  cases: readonly Case[],
  options: ConvertOptions = {},
): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>(cases.map((each) => [each.id, {kind: "wrong", reason: "not judged"}]));
  const queue = cases.values();
  const lane = async () => {
    for (const each of queue) outcomes.set(each.id, await judge(engine, each, options));
  };
  await Promise.all(Array.from({length: 3}, lane));
  return outcomes;
}

/** {@link judge} for the reference evaluator instead of the engine: what `convert --check` takes for TensorFlow's numbers. */
export async function judgeReference(testCase: Case): Promise<Outcome> {
  const goldens = await readGoldens(testCase);
  let converted: ConvertResult;
  try {
    converted = convert(readModelFile(testCase.file), {outputs: [...goldens.outputs.keys()], reference: true});
  } catch (error) {
    return refusal("convert", error);
  }
  try {
    const outputs = converted.reference!(goldens.inputs);
    return compare(testCase, goldens.outputs, Object.fromEntries(outputs));
  } catch (error) {
    return refusal("reference", error);
  }
}

/**
 * Whether a case asks for more digits than float32 has: half a unit in the last place, relative to the number. Who needs
 * them asks for a refusal (`float64: "refuse"`), and so does such a case. Cases that float32 can meet never do.
 */
export const isBeyondFloat32 = ({tol}: Case): boolean => tol.abs < 2 ** -25 && tol.rel < 2 ** -25;

function fail(message: string): never {
  throw new Error(message);
}

function refusal(by: "convert" | "engine" | "reference", error: unknown): Outcome {
  if (!(error instanceof TfTrustedError)) throw error;
  return {kind: "refused", by, reason: `${error.code}: ${error.message.split("\n").slice(0, 2).join(" ")}`};
}

/** Whether dimension 0 of every input is open, so that the model takes batches. */
export const hasOpenBatch = ({inputs}: Case): boolean =>
  inputs.length > 0 && inputs.every(({shape}) => (shape?.[0] ?? 0) === -1 || shape?.[0] === null);

/** A tensor of `batch` rows: those of `tensor`, over and over. */
export function batchOf(tensor: Tensor, batch: number): Tensor {
  const rows = tensor.shape[0]!;
  const width = tensor.bytes.length / rows;
  const bytes = new Uint8Array(batch * width);
  for (let row = 0; row < batch; row++) {
    const from = (row % rows) * width;
    bytes.set(tensor.bytes.subarray(from, from + width), row * width);
  }
  return new Tensor(tensor.dtype, [batch, ...tensor.shape.slice(1)], bytes);
}

/** Values, dtypes and shapes against goldens. */
export function compare(
  testCase: Pick<Case, "tol" | "compare">,
  wanted: ReadonlyMap<string, Tensor>,
  found: Readonly<Record<string, Tensor>>,
): Outcome {
  for (const [key, golden] of wanted) {
    const name = key.replace(/:0$/, "");
    const tensor = found[name];
    if (tensor === undefined) return {kind: "wrong", reason: `no output ${name}`};
    if (tensor.dtype !== golden.dtype)
      return {kind: "wrong", reason: `${name}: ${tensor.dtype}, expected ${golden.dtype}`};
    if (tensor.shape.join() !== golden.shape.join()) {
      return {kind: "wrong", reason: `${name}: [${tensor.shape}], expected [${golden.shape}]`};
    }
    if (testCase.compare === "shape") continue;
    const difference = worst(tensor, golden, testCase.tol);
    if (difference !== undefined) return {kind: "wrong", reason: `${name}: ${difference}`};
  }
  return {kind: "right"};
}

/** The first element beyond abs + rel·|golden|. */
function worst(found: Tensor, golden: Tensor, tol: {readonly abs: number; readonly rel: number}): string | undefined {
  if (golden.dtype === "string") return found.equals(golden) ? undefined : "strings differ";
  const [a, b] = [valuesOf(found), valuesOf(golden)];
  for (let i = 0; i < b.length; i++) {
    if (a[i] === b[i] || (Number.isNaN(a[i]!) && Number.isNaN(b[i]!))) continue;
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= tol.abs + tol.rel * Math.abs(b[i]!))) return `element ${i} is ${a[i]}, expected ${b[i]}`;
  }
  return undefined;
}

function valuesOf(tensor: Tensor): ArrayLike<number> {
  const data = tensor.data as ArrayLike<number | bigint>;
  if (tensor.dtype === "float16") return Array.from(data as ArrayLike<number>, float16ToNumber);
  if (tensor.dtype === "bfloat16") return Array.from(data as ArrayLike<number>, bfloat16ToNumber);
  return Array.from(data, Number);
}
