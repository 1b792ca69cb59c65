/** The shared corpus of TensorFlow Lite files and their goldens (its README says how they were made). */
import {existsSync, readFileSync} from "node:fs";
import {fileURLToPath} from "node:url";
import {readNpz, type Tensor} from "@tf-trusted/tensor";

const root = process.env.TF_TRUSTED_CORPUS ?? fileURLToPath(new URL("../../../../../shared", import.meta.url));
const folder = `${root}/models`;

/** Why corpus tests can't run, or `undefined`. */
export const corpusMissing = existsSync(`${folder}/index.jsonl`)
  ? undefined
  : `no corpus at ${root} (set TF_TRUSTED_CORPUS)`;

interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly signature?: string;
}

export interface CorpusCase {
  readonly kind: string;
  readonly id: string;
  readonly file: string;
  readonly io?: string | Readonly<Record<string, string>>;
  readonly inputs: readonly Entry[];
  readonly outputs: readonly Entry[];
  readonly tol?: {readonly abs: number; readonly rel: number; readonly unit?: "quantum"};
  readonly native_differences?: {readonly xnnpack: number | null; readonly reference: number | null};
  readonly expect_error?: string;
}

export function corpusCases(kind: string): readonly CorpusCase[] {
  return readFileSync(`${folder}/index.jsonl`, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as CorpusCase)
    .filter((each) => each.kind === kind);
}

export function readCorpusFile(path: string): Uint8Array {
  return new Uint8Array(readFileSync(`${folder}/${path}`));
}

/** A golden call: `undefined` as signature where the file has none. */
export interface GoldenCall {
  readonly signature: string | undefined;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

export function goldenCalls({io}: CorpusCase): readonly GoldenCall[] {
  const files = typeof io === "string" ? [[undefined, io] as const] : Object.entries(io ?? {});
  return files.map(([signature, path]) => {
    const tensors = [...readNpz(readCorpusFile(path))];
    const side = (prefix: string) =>
      Object.fromEntries(
        tensors
          .filter(([name]) => name.startsWith(prefix))
          .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
      );
    return {signature, inputs: side("in:"), outputs: side("out:")};
  });
}

/** By name from the corpus's folder `tflite`. */
export function corpusModel(name: string): {readonly bytes: Uint8Array; readonly calls: readonly GoldenCall[]} {
  const found = corpusCases("tflite").find(({id}) => id === `tflite/${name}`)!;
  return {bytes: readCorpusFile(found.file), calls: goldenCalls(found)};
}
