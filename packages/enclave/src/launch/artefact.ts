/**
 * The artefact: a folder with the enclave's bundles and the engine's binaries, and a manifest that lists them, the pinned
 * Node.js and its flags, with hashes. The manifest's digest is the measurement. Measuring means reading every file again:
 * the manifest that lies in the folder is only what the build expected.
 */
import {createHash} from "node:crypto";
import {createReadStream} from "node:fs";
import {readdir, readFile, stat} from "node:fs/promises";
import {join} from "node:path";
import {fileURLToPath} from "node:url";
import {canonicalJson, type JsonValue} from "@tf-trusted/core";
import {EnclaveError} from "../enclave-error.ts";
import {findEnclaveNode} from "./node-binary.ts";

export interface ArtefactFile {
  readonly name: string;
  readonly size: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** Member order is that of the canonical JSON. */
export interface ArtefactManifest {
  /** Node's arguments; `{artefact}` stands for the folder. Other flags are another program. */
  readonly arguments: readonly string[];
  /** Sorted by name. The folder's files, and Node.js as `node`, which lies elsewhere. */
  readonly files: readonly ArtefactFile[];
  readonly format: "tf-trusted/artefact/1";
  /** `linux-x64`: which Node.js it is for. */
  readonly target: string;
}

export interface ArtefactMeasurement {
  /** SHA-256 of the manifest made from the files as they are, hexadecimal: the simulated MRENCLAVE. */
  readonly measurement: string;
  readonly manifest: ArtefactManifest;
  /** The measurement that the folder's own manifest gives: another one if anything was altered. */
  readonly expected: string;
  /** Files that differ from that manifest: changed, missing, or additional. */
  readonly altered: readonly string[];
}

export interface MeasureOptions {
  /** Path of Node.js; default: the pinned one that npm installed. */
  readonly node?: string;
}

export const manifestName = "manifest.json";
export const entryName = "enclave.mjs";
export const nodeName = "node";

/**
 * Flags of the enclave's Node.js: no files but the artefact, no writing, no children, no addons, no inspector. Under SGX
 * `--disable-wasm-trap-handler` has to be added (platforms.md §1.2); it is not here because it costs 11 to 23 % of an
 * inference (MobileNetV2 of the corpus, p50) and a process outside SGX has working guard pages.
 */
export const nodeArguments = [
  "--permission",
  "--allow-fs-read={artefact}",
  "--allow-worker",
  "--no-addons",
  "--disable-sigusr1",
  "--disable-proto=delete",
  "--no-experimental-global-navigator",
  "--disable-warning=SecurityWarning",
  `{artefact}/${entryName}`,
] as const;

/** The same where models compute in processes of their own (the native engine), which start themselves no others. */
export const nativeNodeArguments = nodeArguments.map((argument) =>
  argument === "--allow-worker" ? "--allow-child-process" : argument,
);

/** Where `npm run artefact` puts it. */
export const defaultArtefact: string = fileURLToPath(new URL("../artefact", import.meta.url));

/** And the one of the native engine, all but the library, which its manifest names (`native-artefact.ts`). */
export const nativeParts: string = fileURLToPath(new URL("../artefact-native", import.meta.url));

/** Reads and hashes everything. Throws `ARTEFACT_INVALID`, `NODE_MISSING`. */
export async function measureArtefact(
  folder: string = defaultArtefact,
  options: MeasureOptions = {},
): Promise<ArtefactMeasurement> {
  const stored = await readManifest(folder);
  const node = options.node ?? findEnclaveNode();
  const names = (await readdir(folder)).filter((name) => name !== manifestName);
  const measured = await Promise.all([
    ...names.map((name) => measureFile(name, join(folder, name))),
    measureFile(nodeName, node),
  ]);
  const manifest = makeManifest(measured, stored.target, stored.arguments);
  const before = new Map(stored.files.map((file) => [file.name, file.sha256]));
  const after = new Map(manifest.files.map((file) => [file.name, file.sha256]));
  return {
    measurement: manifestDigest(manifest),
    manifest,
    expected: manifestDigest(stored),
    altered: [...new Set([...before.keys(), ...after.keys()])]
      .filter((name) => before.get(name) !== after.get(name))
      .sort(),
  };
}

/** A manifest of measured files, in canonical order. */
export function makeManifest(
  files: readonly ArtefactFile[],
  target: string,
  nodeArgs: readonly string[] = nodeArguments,
): ArtefactManifest {
  return {
    arguments: nodeArgs,
    files: [...files].sort((a, b) => (a.name < b.name ? -1 : 1)),
    format: "tf-trusted/artefact/1",
    target,
  };
}

/** What lies in `manifest.json`, and is hashed. */
export function encodeManifest(manifest: ArtefactManifest): string {
  return canonicalJson(manifest as unknown as JsonValue);
}

/** Size and SHA-256 of a file as it is. Throws `ARTEFACT_INVALID`. */
export async function measureFile(name: string, path: string): Promise<ArtefactFile> {
  const hash = createHash("sha256");
  try {
    const {size} = await stat(path);
    for await (const chunk of createReadStream(path, {highWaterMark: 1 << 20})) hash.update(chunk as Buffer);
    return {name, size, sha256: hash.digest("hex")};
  } catch (cause) {
    throw new EnclaveError("ARTEFACT_INVALID", `${path} can't be read; expected a file of the artefact`, {cause});
  }
}

function manifestDigest(manifest: ArtefactManifest): string {
  return createHash("sha256").update(encodeManifest(manifest)).digest("hex");
}

async function readManifest(folder: string): Promise<ArtefactManifest> {
  const path = join(folder, manifestName);
  try {
    const {arguments: nodeArgs, files, format, target} = JSON.parse(await readFile(path, "utf8")) as ArtefactManifest;
    if (format !== "tf-trusted/artefact/1" || !Array.isArray(files) || typeof target !== "string") {
      throw new TypeError(`format ${JSON.stringify(format)}`);
    }
    if (!Array.isArray(nodeArgs) || !nodeArgs.every((argument) => typeof argument === "string")) {
      throw new TypeError("no arguments");
    }
    return {arguments: nodeArgs, files, format, target};
  } catch (cause) {
    throw new EnclaveError("ARTEFACT_INVALID", `${path} can't be read, expected the manifest of an artefact`, {cause});
  }
}
