/**
 * A bundle: one question to the verifier as one JSON, with evidence, collateral, time and policy. It is the form of the
 * cases of an index of test vectors, so that archived evidence, a bug report and a vector are the same thing. Members that
 * describe a case (`id`, `note`, `expect`, …) are left alone; those of its policy are read strictly (`bundle/policy.ts`).
 */
import {parseHex} from "@tf-trusted/core";
import {unexpected} from "../attestation-error.ts";
import {parseStrictJson, plainValue} from "../json/strict-json.ts";
import type {Tee} from "../policy/schema.ts";

export interface EvidenceBundle {
  readonly tee: Tee;
  /** The time for which everything is verified. */
  readonly time: Date;
  /** By part: `evidence`, `root`, and the collateral of this kind of TEE. */
  readonly files: Readonly<Record<string, BundleFile>>;
  readonly patches: readonly BundlePatch[];
  /** As it stands in the bundle. */
  readonly policy: Readonly<Record<string, unknown>>;
}

/** A path relative to the bundle, or the bytes themselves: `{"base64": …}`, `{"hex": …}` or `{"text": …}` in JSON. */
export type BundleFile = {readonly path: string} | {readonly bytes: Uint8Array<ArrayBuffer>};

/** A change to one file after it was loaded, by which vectors share files. */
export interface BundlePatch {
  readonly file: string;
  readonly at: number;
  /** How many bytes are taken away there, */
  readonly del: number;
  /** and which come in their place. */
  readonly ins: Uint8Array;
}

/** The parts of each kind of TEE; `root` is the only anchor where the policy names it. */
const dcapFiles = [
  "tcbInfo",
  "tcbInfoChain",
  "qeIdentity",
  "qeIdentityChain",
  "pckCrl",
  "pckCrlChain",
  "rootCrl",
  "pckChain",
] as const;

export const bundleFiles: Readonly<Record<Tee, readonly string[]>> = {
  sgx: ["evidence", "root", ...dcapFiles],
  tdx: ["evidence", "root", ...dcapFiles],
  snp: ["evidence", "root", "vcek", "amdChain", "amdCrl"],
  nitro: ["evidence", "root"],
};

/**
 * Reads a bundle from JSON text, or from the value that such text would give. Throws `BUNDLE_INVALID`, and `JSON_INVALID`
 * for text that isn't strict JSON.
 */
export function parseBundle(source: string | object): EvidenceBundle {
  const value = typeof source === "string" ? plainValue(parseStrictJson(source)) : source;
  const {tee, time, files, patch, policy} = objectAt(value, "the bundle");
  if (typeof tee !== "string" || !isTee(tee)) {
    throw invalid("tee", describe(tee), Object.keys(bundleFiles).join(", "));
  }
  const at = new Date(typeof time === "string" ? time : Number.NaN);
  if (Number.isNaN(at.getTime())) throw invalid("time", describe(time), "a time such as 2026-03-01T00:00:00Z");
  const parsed = Object.fromEntries(
    Object.entries(objectAt(files, "files")).map(([name, file]) => {
      if (!bundleFiles[tee].includes(name)) throw invalid(`files.${name}`, "a file", bundleFiles[tee].join(", "));
      return [name, readFile(file, `files.${name}`)];
    }),
  );
  const patches = patch === undefined || patch === null ? [] : patch;
  if (!Array.isArray(patches)) throw invalid("patch", describe(patches), "a list");
  return Object.freeze({
    tee,
    time: at,
    files: parsed,
    patches: patches.map((item, i) => readPatch(item, `patch[${i}]`)),
    policy: objectAt(policy, "policy"),
  });
}

/** Loads the files of a bundle, patched. `read` gives the bytes at a path. Throws `BUNDLE_INVALID` for a bad patch. */
export async function loadBundleFiles(
  {files, patches}: Pick<EvidenceBundle, "files" | "patches">,
  read: (path: string) => Uint8Array | Promise<Uint8Array>,
): Promise<Readonly<Record<string, Uint8Array>>> {
  const loaded: Record<string, Uint8Array> = {};
  for (const [name, file] of Object.entries(files)) loaded[name] = "bytes" in file ? file.bytes : await read(file.path);
  for (const {file, at, del, ins} of patches) {
    const bytes = loaded[file];
    if (bytes === undefined) throw invalid("patch", `a change of ${file}`, "one of a file that is there");
    if (at + del > bytes.length) throw invalid("patch", `bytes ${at} to ${at + del}`, `${bytes.length} of ${file}`);
    const patched = new Uint8Array(bytes.length - del + ins.length);
    patched.set(bytes.subarray(0, at));
    patched.set(ins, at);
    patched.set(bytes.subarray(at + del), at + ins.length);
    loaded[file] = patched;
  }
  return loaded;
}

function readFile(value: unknown, path: string): BundleFile {
  if (typeof value === "string") return {path: value};
  const file = objectAt(value, path);
  const [[encoding, text] = ["nothing", null], ...others] = Object.entries(file);
  const decode = decoders[encoding];
  if (decode === undefined || others.length > 0 || typeof text !== "string") {
    throw invalid(path, `an object with ${Object.keys(file).join(", ")}`, `a path, or one of ${encodings}, with text`);
  }
  const bytes = decode(text);
  if (bytes === null) throw invalid(path, `text that is no ${encoding}`, encoding);
  return {bytes};
}

const decoders: Readonly<Record<string, (text: string) => Uint8Array<ArrayBuffer> | null>> = {
  base64: (text) => {
    try {
      return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    } catch (error) {
      if (error instanceof DOMException) return null;
      throw error;
    }
  },
  hex: parseHexText,
  text: (text) => new TextEncoder().encode(text),
};
const encodings = Object.keys(decoders).join(", ");

function readPatch(value: unknown, path: string): BundlePatch {
  const {file, at, del, ins} = objectAt(value, path);
  const bytes = typeof ins === "string" ? parseHexText(ins) : null;
  if (typeof file !== "string" || !isCount(at) || !isCount(del) || bytes === null) {
    throw invalid(path, JSON.stringify(value).slice(0, 100), '{"file": name, "at": 0, "del": 0, "ins": "hex"}');
  }
  return {file, at, del, ins: bytes};
}

function parseHexText(text: string): Uint8Array<ArrayBuffer> | null {
  return text.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(text) ? parseHex(text) : null;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isTee = (text: string): text is Tee => Object.hasOwn(bundleFiles, text);

function objectAt(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(path, describe(value), "an object");
  }
  return value as Readonly<Record<string, unknown>>;
}

function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  return (JSON.stringify(value) ?? typeof value).slice(0, 60);
}

const invalid = (path: string, found: string, expected: string) =>
  unexpected("BUNDLE_INVALID", `${found} at ${path}`, expected);
