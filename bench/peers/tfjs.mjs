// Peer: TensorFlow.js with its WASM backend. A run makes the inputs' tensors, predicts, and reads the outputs.
import {readFileSync} from "node:fs";
import {dirname, join} from "node:path";
import "@tensorflow/tfjs-backend-cpu";
import {setThreadsCount, setWasmPaths} from "@tensorflow/tfjs-backend-wasm";
import {loadGraphModel} from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import {loadLayersModel} from "@tensorflow/tfjs-layers";
import {arrayOf, serve} from "./peer.mjs";

await serve(async ({model: path, inputs, threads}) => {
  setWasmPaths(
    `${join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "node_modules/@tensorflow/tfjs-backend-wasm/dist")}/`,
  );
  setThreadsCount(threads);
  await tf.setBackend("wasm");
  const model = await load(path);
  const names = model.inputs.map(({name}) => name);
  const values = inputs.map((input) => ({...input, values: arrayOf(input)}));
  const predict = () => {
    const tensors = values.map(({values: data, shape, dtype}) => tf.tensor(data, shape, dtype));
    const answers = [
      model.predict(tensors.length === 1 ? tensors[0] : Object.fromEntries(names.map((name, i) => [name, tensors[i]]))),
    ].flat();
    const read = answers.map((tensor) => ({shape: tensor.shape, values: tensor.dataSync()}));
    tf.dispose([tensors, answers]);
    return read;
  };
  return {name: `TensorFlow.js ${tf.version_core} (${tf.getBackend()})`, run: predict, outputs: predict};
});

/** A folder's model.json with its shards, without the network that TensorFlow.js would go to. */
async function load(path) {
  const document = JSON.parse(readFileSync(path, "utf8"));
  const shards = document.weightsManifest.flatMap(({paths}) =>
    paths.map((name) => readFileSync(join(dirname(path), name))),
  );
  const artifacts = {
    ...document,
    weightSpecs: document.weightsManifest.flatMap(({weights}) => weights),
    weightData: Uint8Array.from(Buffer.concat(shards)).buffer,
  };
  const handler = {load: async () => artifacts};
  return document.format === "layers-model" ? loadLayersModel(handler) : loadGraphModel(handler);
}
