/**
 * The engine's own files: which there are, what they must hash to, and which of them this machine can run.
 *
 * The script is compiled from the very bytes that were hashed (in the worker, `instance.ts`), so that nothing can be
 * swapped between check and use, and no copy with another extension is needed where `@litertjs/core` is an ES module
 * package and `require` would refuse it. The files are used as published: the same hashes hold in `node_modules` and in
 * the enclave's artefact. specs/litert.md §3.
 */
import {createHash} from "node:crypto";
import {readFile} from "node:fs/promises";
import {createRequire} from "node:module";
import {fileURLToPath, pathToFileURL} from "node:url";
import {LitertError} from "../litert-error.ts";

/** Version of `@litertjs/core` whose files are pinned below. */
export const runtimeVersion = "2.5.3";

export type Variant = "relaxed" | "compat";

interface VariantRow {
  /** Name in the folder `wasm` of the package, without extension. */
  readonly stem: string;
  readonly glue: string;
  readonly wasm: string;
}

/** SHA-256 of the files of `@litertjs/core` 2.5.3. Both give the same numbers within float rounding; relaxed is faster. */
export const variants: Readonly<Record<Variant, VariantRow>> = {
  relaxed: {
    stem: "litert_wasm_internal",
    glue: "68efb69f770e3f76aff36a377de629ca496c131b86ac0f0f4b592a1543a898eb",
    wasm: "7280cf4471774867e385e6c3cd53e2b45e2975b80fea338fff4ef359b0865614",
  },
  compat: {
    stem: "litert_wasm_compat_internal",
    glue: "4d8f894b7883654fd6e8439730aa41e79ceaab7d19184fc4f1f0b0f1a2a2c8a5",
    wasm: "5255c8ad06eabdbd2522cdebf6b22fc10faf74625c23a49b9e072570cd1fa41c",
  },
};

/** Where the engine's files lie. The worker is a script that the artefact's own measurement covers; the others are pinned. */
export interface EngineFiles {
  /** Entry of the worker: this package's `wasm/worker.js`, or that file bundled as `engine-worker.mjs`. */
  readonly worker: URL | string;
  /** LiteRT's script, unchanged (`litert.cjs` in an artefact). */
  readonly glue: URL | string;
  readonly wasm: URL | string;
}

/** A file that an artefact has to contain for the engine to run in it. */
export interface EngineFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Hexadecimal SHA-256 of `bytes`. */
  readonly sha256: string;
}

/** The files that were found to be the pinned ones, ready for workers. */
export interface Blobs {
  readonly variant: Variant;
  readonly glue: string;
  readonly module: WebAssembly.Module;
  /** SHA-256 over both hashes, hexadecimal: what identifies the engine. */
  readonly digest: string;
}

/** A function with `i8x16.relaxed_swizzle`; valid only where the CPU and V8 have relaxed SIMD. */
const relaxedProbe = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // type: () -> v128
  ...[0x03, 0x02, 0x01, 0x00], // one function of it
  ...[0x0a, 0x0f, 0x01, 0x0d, 0x00, 0x41, 0x01, 0xfd, 0x0f, 0x41, 0x02, 0xfd, 0x0f, 0xfd, 0x80, 0x02, 0x0b],
]);

/** The variant for this machine (specs/litert.md §3.3): Node 24 runs `relaxed`, Node 20 only `compat`. */
export function chooseVariant(): Variant {
  return WebAssembly.validate(relaxedProbe) ? "relaxed" : "compat";
}

/** Where the files lie when the packages are installed by npm. */
export function installedFiles(variant: Variant = chooseVariant()): EngineFiles {
  const {stem} = variants[variant];
  return {
    worker: new URL("./worker.js", import.meta.url),
    glue: runtimeFile(`${stem}.js`),
    wasm: runtimeFile(`${stem}.wasm`),
  };
}

/**
 * What an artefact has to carry beside its bundle: LiteRT's script and binary under the names of `artefactNames`, and
 * the path of the worker's entry, which the artefact's build bundles to `artefactNames.worker`. Throws `ENGINE_ERROR`
 * where the installed files aren't the pinned ones.
 */
export async function engineFiles(variant: Variant = "relaxed"): Promise<{
  readonly files: readonly EngineFile[];
  readonly workerEntry: string;
}> {
  const {worker, glue, wasm} = installedFiles(variant);
  const row = variants[variant];
  return {
    files: [
      {name: artefactNames.glue, bytes: await readPinned(glue, [row.glue]), sha256: row.glue},
      {name: artefactNames.wasm, bytes: await readPinned(wasm, [row.wasm]), sha256: row.wasm},
    ],
    workerEntry: fileURLToPath(worker),
  };
}

/** Names of the engine's files in an artefact; `artefactFiles(folder)` gives them to `createWasmEngine`. */
export const artefactNames = {worker: "engine-worker.mjs", glue: "litert.cjs", wasm: "litert.wasm"} as const;

/** Locations of an artefact's engine files; `folder` is a URL that ends in a slash, such as `new URL(".", import.meta.url)`. */
export function artefactFiles(folder: URL): EngineFiles {
  return {
    worker: new URL(artefactNames.worker, folder),
    glue: new URL(artefactNames.glue, folder),
    wasm: new URL(artefactNames.wasm, folder),
  };
}

/** Reads, checks and compiles. Throws `ENGINE_ERROR` for files that aren't pinned, don't match, or can't run here. */
export async function loadBlobs(files: EngineFiles = installedFiles()): Promise<Blobs> {
  const rows = Object.values(variants);
  const wasm = await readPinned(
    files.wasm,
    rows.map((row) => row.wasm),
  );
  const wasmHash = sha256(wasm);
  const variant = (Object.keys(variants) as Variant[]).find((name) => variants[name].wasm === wasmHash)!;
  const glue = await readPinned(files.glue, [variants[variant].glue]);
  if (variant === "relaxed" && chooseVariant() !== "relaxed") {
    throw new LitertError(
      "ENGINE_ERROR",
      `${files.wasm} needs relaxed SIMD, which this Node.js (${process.version}) lacks; use the compat file or Node 24`,
    );
  }
  return {
    variant,
    glue: new TextDecoder().decode(glue),
    module: await WebAssembly.compile(wasm),
    digest: createHash("sha256").update(`${variants[variant].glue}${wasmHash}`, "latin1").digest("hex"),
  };
}

async function readPinned(location: URL | string, pinned: readonly string[]): Promise<Uint8Array<ArrayBuffer>> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await readFile(location);
  } catch (cause) {
    throw new LitertError("ENGINE_ERROR", `the engine's file ${location} can't be read; install the package again`, {
      cause,
    });
  }
  const found = sha256(bytes);
  if (pinned.includes(found)) return bytes;
  throw new LitertError(
    "ENGINE_ERROR",
    `${location} has SHA-256 ${found}, expected ${pinned.join(" or ")} (@litertjs/core ${runtimeVersion})`,
    {details: {found, expected: pinned}},
  );
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function runtimeFile(name: string): URL {
  return pathToFileURL(createRequire(import.meta.url).resolve(`@litertjs/core/wasm/${name}`));
}
