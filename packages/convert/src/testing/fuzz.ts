/**
 * `npm run fuzz [-- COUNT]`: damaged models for every reader. Each mutant has to give a model or a coded error within two
 * seconds; what the process takes at most is told. Not part of `npm test`, which runs fewer.
 */
import {existsSync, readdirSync, readFileSync, statSync} from "node:fs";
import {join} from "node:path";
import {fileURLToPath} from "node:url";
import {TfTrustedError} from "@tf-trusted/core";
import {zipSync} from "fflate";
import {convert} from "../convert.ts";
import {convertKeras} from "../convert-keras.ts";
import {convertModel} from "../convert-model.ts";
import {convertSavedModel} from "../convert-saved-model.ts";
import {convertTfjs} from "../convert-tfjs.ts";
import {filesInMemory} from "../readers/model-files.ts";
import {mutants} from "./mutate.ts";

interface Target {
  readonly name: string;
  /** Whole inputs that are accepted; each gets its share of the mutants. */
  readonly seeds: readonly Uint8Array[];
  readonly run: (mutant: Uint8Array) => unknown;
}

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const fixtures = join(root, "fixtures");
const corpus = process.env.TF_TRUSTED_CORPUS ?? join(root, "../shared");
const limits = {maxConstantBytes: 1 << 26, maxTensorBytes: 1 << 28};
const maxMs = 2_000;

function graphDefs(): Uint8Array[] {
  const digits = readFileSync(join(fixtures, "digits/digits.pb"));
  const folder = join(corpus, "models/ops");
  if (!existsSync(folder)) {
    console.log("the model corpus isn't there (set TF_TRUSTED_CORPUS): one graph only");
    return [digits];
  }
  const graphs = readdirSync(folder).filter((name) => name.endsWith(".pb"));
  const small = graphs.map((name) => readFileSync(join(folder, name))).filter((bytes) => bytes.length < 20_000);
  return [digits, ...small];
}

/** Files of a folder by their paths in it. */
function readFolder(folder: string, prefix = ""): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const name of readdirSync(join(folder, prefix)).sort()) {
    const path = join(prefix, name);
    if (statSync(join(folder, path)).isDirectory()) for (const entry of readFolder(folder, path)) files.set(...entry);
    else files.set(path, readFileSync(join(folder, path)));
  }
  return files;
}

/** One file of a SavedModel damaged, the others whole. */
function savedModelTarget(part: string): Target | undefined {
  const files = readFolder(join(fixtures, "saved-model/model"));
  const path = [...files.keys()].find((each) => each.includes(part));
  if (path === undefined) return undefined;
  return {
    name: `SavedModel ${path}`,
    seeds: [files.get(path)!],
    run: (mutant) => convertSavedModel(filesInMemory({...Object.fromEntries(files), [path]: mutant}), {limits}),
  };
}

/** One file of a TensorFlow.js model of the corpus damaged. */
function tfjsTarget(part: string): Target | undefined {
  const folder = join(corpus, "models/real/antispoof");
  if (!existsSync(folder)) return undefined;
  const files = readFolder(folder);
  return {
    name: `TensorFlow.js ${part}`,
    seeds: [files.get(part)!],
    run: (mutant) => convertTfjs(filesInMemory({...Object.fromEntries(files), [part]: mutant}), {limits}),
  };
}

const zipped = zipSync(Object.fromEntries(readFolder(join(fixtures, "saved-model/model"))));

const targets: readonly (Target | undefined)[] = [
  {name: "zip", seeds: [zipped], run: (mutant) => convertModel(mutant, {limits})},
  tfjsTarget("model.json"),
  {name: "GraphDef", seeds: graphDefs(), run: (mutant) => convert(mutant, {limits})},
  ...["core.keras", "recurrent.h5", "core.h5"].map((name) => ({
    name: `Keras ${name}`,
    seeds: [new Uint8Array(readFileSync(join(fixtures, "keras", name)))],
    run: (mutant: Uint8Array) => convertKeras(mutant, {limits}),
  })),
  savedModelTarget("saved_model.pb"),
  savedModelTarget(".index"),
  savedModelTarget(".data-"),
];

const count = Number(process.argv[2] ?? 10_000);
let failures = 0;
for (const target of targets) {
  if (target === undefined) continue;
  const outcomes = {converted: 0, refused: 0, failed: 0};
  let slowest = 0;
  for (const [at, seed] of target.seeds.entries()) {
    const share = Math.ceil(count / target.seeds.length);
    for (const mutant of mutants(seed, share, at + 1)) {
      const started = performance.now();
      try {
        await target.run(mutant);
        outcomes.converted++;
      } catch (error) {
        // What can't be written is to be told of by the node that it comes from.
        if (error instanceof TfTrustedError && error.code !== "TFLITE_UNWRITABLE") outcomes.refused++;
        else {
          outcomes.failed++;
          console.error(`${target.name}, seed ${at}: ${error instanceof Error ? error.stack : String(error)}`);
        }
      }
      const ms = performance.now() - started;
      slowest = Math.max(slowest, ms);
      if (ms > maxMs) {
        outcomes.failed++;
        console.error(`${target.name}, seed ${at}: ${Math.round(ms)} ms`);
      }
    }
  }
  failures += outcomes.failed;
  const rss = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(`${target.name}: ${JSON.stringify(outcomes)}, slowest ${Math.round(slowest)} ms, RSS at most ${rss} MB`);
}
process.exitCode = failures === 0 ? 0 : 1;
