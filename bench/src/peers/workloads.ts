/** What the peers run: models of the repository and, where it is there, of the shared corpus, each with one input. */
import {readFile} from "node:fs/promises";
import {join} from "node:path";
import {convertModel} from "@tf-trusted/convert";
import {openFolder} from "@tf-trusted/convert/node";
import {readNpz, type Tensor} from "@tf-trusted/tensor";
import {readModel} from "@tf-trusted/tflite";
import {digitsWorkload, mobilenetWorkload, type Workload} from "../session/workloads.ts";
import type {PeerTensor} from "./peer.ts";

export interface PeerWorkload {
  readonly name: string;
  /** A `.tflite` file. */
  readonly model: Uint8Array;
  /** In the order of the file's inputs. */
  readonly inputs: readonly PeerTensor[];
  /** The model.json that the file was made from, if it is TensorFlow.js'. */
  readonly tfjs?: string;
}

/** Of the corpus: files as the official converter quantised them, a transformer, and TensorFlow.js' graph models. */
const tfliteFiles = ["mobilenet_v2_int8_float_io", "efficientnet_int8", "bert"] as const;
const tfjsModels = ["blazeface", "facemesh", "iris", "antispoof", "movenet-lightning", "esrgan-slim-x2"] as const;

export async function peerWorkloads(models: string | undefined): Promise<readonly PeerWorkload[]> {
  const own = [await digitsWorkload(), await mobilenetWorkload()].map(fromWorkload);
  if (models === undefined) return own;
  const files = await Promise.all(
    tfliteFiles.map(async (name): Promise<PeerWorkload> => {
      const model = await readFile(join(models, "tflite", `${name}.tflite`));
      const goldens = await readFile(join(models, "tflite", `${name}.npz`));
      return {name: `${name}.tflite`, model, inputs: inputsOf(model, goldens)};
    }),
  );
  const graphs = await Promise.all(tfjsModels.map((name) => fromTfjs(name, join(models, "real", name))));
  return [...own, ...files, ...graphs];
}

function fromWorkload({name, model, shape, values}: Workload): PeerWorkload {
  const base64 = Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
  return {name, model, inputs: [{dtype: "float32", shape, base64}]};
}

async function fromTfjs(name: string, folder: string): Promise<PeerWorkload> {
  // Some folders hold other forms of the model as well.
  const files = await openFolder(folder);
  const paths = files.paths.filter((path) => path.endsWith(".json") || path.endsWith(".bin"));
  const source = {...files, paths};
  const [input, ...others] = (await convertModel(source)).signature.inputs;
  const [values, ...more] = inputsIn(await readFile(join(folder, "io.npz"))).values();
  if (others.length > 0 || more.length > 0) throw new Error(`${folder}: expected one input`);
  // Not every peer takes a model whose sizes are open.
  const {model} = await convertModel(source, {inputs: [{name: input!.name, shape: values!.shape}]});
  return {name, model, inputs: [toPeerTensor(values!)], tfjs: join(folder, "model.json")};
}

/** In the order of the file. */
function inputsOf(model: Uint8Array, npz: Uint8Array): readonly PeerTensor[] {
  const goldens = inputsIn(npz);
  return inputNames(model).map((name) => toPeerTensor(goldens.get(name)!));
}

/** The corpus keeps inputs as `in:NAME`, and outputs beside them. */
function inputsIn(npz: Uint8Array): ReadonlyMap<string, Tensor> {
  return new Map(
    [...readNpz(npz)].flatMap(([key, value]) => (key.startsWith("in:") ? [[key.slice(3), value] as const] : [])),
  );
}

/** As callers name them, in the order of the file's first subgraph, which is that of peers without signatures. */
export function inputNames(model: Uint8Array): readonly string[] {
  const {subgraphs, signatures} = readModel(model);
  const {inputs, tensors} = subgraphs[0]!;
  return inputs.map(
    (tensor) => signatures[0]?.inputs.find((each) => each.tensor === tensor)?.name ?? tensors[tensor]!.name,
  );
}

function toPeerTensor({dtype, shape, bytes}: Tensor): PeerTensor {
  return {dtype, shape, base64: Buffer.from(bytes).toString("base64")};
}
