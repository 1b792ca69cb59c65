// Peer: ONNX Runtime's Node.js binding.
import {readFileSync} from "node:fs";
import {InferenceSession, Tensor} from "onnxruntime-node";
import {arrayOf, serve} from "./peer.mjs";

const {version} = JSON.parse(
  readFileSync(new URL("node_modules/onnxruntime-node/package.json", import.meta.url), "utf8"),
);

await serve(async ({model, inputs, threads}) => {
  const session = await InferenceSession.create(model, {intraOpNumThreads: threads, interOpNumThreads: 1});
  const feeds = Object.fromEntries(
    inputs.map((input, i) => [session.inputNames[i], new Tensor(input.dtype, arrayOf(input), input.shape)]),
  );
  const run = () => session.run(feeds);
  return {
    name: `onnxruntime-node ${version}`,
    run,
    outputs: async () => {
      const results = await run();
      return session.outputNames.map((name) => ({shape: results[name].dims, values: results[name].data}));
    },
  };
});
