/** The networks of the shared corpus, with what the official converter makes of them where that is known. */
import {existsSync, readFileSync} from "node:fs";
import {join, resolve} from "node:path";
import {fileURLToPath} from "node:url";
import {readNpz, type Tensor} from "@tf-trusted/tensor";

/** Where to look: the corpus, and a folder of further official files (`NAME.tflite`), if any. */
export interface Folders {
  readonly models: string;
  readonly official?: string | undefined;
}

export interface Net {
  readonly name: string;
  /** The frozen graph. */
  readonly file: string;
  readonly outputs: readonly string[];
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** What the corpus tells of the official file; its operators are those of all subgraphs. */
  readonly officialBytes: number;
  readonly officialOperators: number;
  /** The official file itself. */
  readonly official: Uint8Array | undefined;
}

interface IndexLine {
  readonly id: string;
  readonly kind: string;
  readonly io: string;
  readonly outputs: readonly {readonly name: string}[];
  readonly official?: string;
  readonly official_bytes?: number;
  readonly official_ops?: number;
}

/** The corpus beside the repository, or where `TF_TRUSTED_CORPUS` says; `undefined` where there is none. */
export function findModels(): string | undefined {
  const repository = resolve(fileURLToPath(import.meta.url), "../../../..");
  const models = join(process.env.TF_TRUSTED_CORPUS ?? resolve(repository, "../shared"), "models");
  return existsSync(join(models, "index.jsonl")) ? models : undefined;
}

/** All networks that the official converter takes. */
export async function readNets({models, official}: Folders): Promise<readonly Net[]> {
  const lines = readFileSync(join(models, "index.jsonl"), "utf8").trim().split("\n");
  const cases = lines.map((line) => JSON.parse(line) as IndexLine);
  const nets = cases.filter((each) => each.kind === "nets" && each.official === "ok");
  return Promise.all(
    nets.map(async (each): Promise<Net> => {
      const name = each.id.slice("nets/".length);
      const places = [
        join(models, "tflite", `${name}.tflite`),
        ...(official ? [join(official, `${name}.tflite`)] : []),
      ];
      const file = places.find((place) => existsSync(place));
      return {
        name,
        file: join(models, each.id, "model.pb"),
        outputs: each.outputs.map((output) => output.name),
        inputs: await readInputs(join(models, each.io)),
        officialBytes: each.official_bytes!,
        officialOperators: each.official_ops!,
        official: file === undefined ? undefined : readFileSync(file),
      };
    }),
  );
}

/** The arrays `in:NAME` of an .npz. */
async function readInputs(file: string): Promise<Record<string, Tensor>> {
  const arrays = [...(await readNpz(readFileSync(file)))].filter(([key]) => key.startsWith("in:"));
  return Object.fromEntries(arrays.map(([key, value]) => [key.slice("in:".length).replace(/:0$/, ""), value]));
}
