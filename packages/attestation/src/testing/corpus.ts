/** Where the shared test corpus is: `TF_TRUSTED_CORPUS`, or the folder `shared` beside the repository. */
import {existsSync, readFileSync} from "node:fs";
import {join} from "node:path";
import {fileURLToPath} from "node:url";

const corpus = process.env.TF_TRUSTED_CORPUS ?? fileURLToPath(new URL("../../../../../shared", import.meta.url));

/** The folder of the attestation vectors, or `null` with the reason for a skipped test. */
export const vectorsFolder: {readonly path: string} | {readonly skip: string} = existsSync(
  join(corpus, "vectors/attestation/index.json"),
)
  ? {path: join(corpus, "vectors/attestation")}
  : {skip: "no attestation vectors: set TF_TRUSTED_CORPUS, or put the corpus in ../shared"};

export interface VectorCase {
  readonly id: string;
  readonly tee: string;
  readonly kind: string;
  readonly time: string;
  readonly files: Readonly<Record<string, string>>;
  readonly patch?: readonly {readonly file: string; readonly at: number; readonly del: number; readonly ins: string}[];
  readonly policy: Readonly<Record<string, unknown>>;
  readonly expect: {
    readonly verdict: "accept" | "refuse";
    readonly tcbStatus: string | null;
    readonly advisories: readonly string[] | null;
    readonly reason: string | null;
    readonly claims: Readonly<Record<string, unknown>>;
  };
}

export function readVectorCases(folder: string): readonly VectorCase[] {
  return (JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as {cases: VectorCase[]}).cases;
}

/** Reads the files of cases, each once. */
export function vectorReader(folder: string): (path: string) => Uint8Array<ArrayBuffer> {
  const known = new Map<string, Uint8Array<ArrayBuffer>>();
  return (path) => {
    const bytes = known.get(path) ?? Uint8Array.from(readFileSync(join(folder, path)));
    known.set(path, bytes);
    return bytes;
  };
}
