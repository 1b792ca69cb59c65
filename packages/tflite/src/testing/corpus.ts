/** The shared corpus of test models: `$TF_TRUSTED_CORPUS`, or `../shared` beside the repository. */
import {existsSync, readdirSync, readFileSync} from "node:fs";
import {join, resolve} from "node:path";
import {fileURLToPath} from "node:url";

const repository = resolve(fileURLToPath(import.meta.url), "../../../../..");
const corpus = process.env.TF_TRUSTED_CORPUS ?? resolve(repository, "../shared");

/** For `test(…, {skip})`: the reason, where there is no corpus. */
export const skipWithoutCorpus: string | false = existsSync(join(corpus, "models/index.jsonl"))
  ? false
  : `no test models: set TF_TRUSTED_CORPUS, or put them at ${corpus}`;

/** A line of the index, as far as these tests need it. */
export interface CorpusCase {
  readonly id: string;
  readonly kind: string;
  readonly file: string;
  /** Values of inputs and outputs: one file, or one for each signature. */
  readonly io?: string | Readonly<Record<string, string>>;
  readonly expect_error?: unknown;
}

export function readCorpus(file: string): Uint8Array {
  return new Uint8Array(readFileSync(join(corpus, "models", file)));
}

/** `.tflite` files of the corpus, in the order of their names. */
export function tfliteFiles(wanted: "good" | "bad"): readonly string[] {
  if (skipWithoutCorpus !== false) return [];
  return readdirSync(join(corpus, "models/tflite"))
    .filter((name) => name.endsWith(".tflite") && name.startsWith("bad_") === (wanted === "bad"))
    .sort()
    .map((name) => `tflite/${name}`);
}

/** Cases of the good `.tflite` files. */
export function tfliteCases(): readonly CorpusCase[] {
  if (skipWithoutCorpus !== false) return [];
  return readFileSync(join(corpus, "models/index.jsonl"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as CorpusCase)
    .filter(({kind, expect_error}) => kind === "tflite" && expect_error === undefined);
}
