/**
 * Entry of a process that is a peer as `peer.ts` describes: an engine alone (`wasm`, `native`), or the whole attested call
 * to an enclave with that engine (`session-wasm`, `session-native`).
 */
import {readFile} from "node:fs/promises";
import {createInterface} from "node:readline";
import {connect, launchSimulated} from "@tf-trusted/client";
import {createNativeEngine, createWasmEngine, type Engine} from "@tf-trusted/litert";
import {type DType, Tensor} from "@tf-trusted/tensor";
import type {PeerModel, PeerOutput, PeerRequest, PeerTensor} from "./peer.ts";
import {inputNames} from "./workloads.ts";

type Outputs = Readonly<Record<string, Tensor>>;

interface OurPeer {
  readonly name: string;
  readonly predict: (inputs: Outputs) => Promise<Outputs>;
}

type Start = (model: Uint8Array, threads: number) => Promise<OurPeer>;

const alone =
  (create: () => Promise<Engine>): Start =>
  async (model, threads) => {
    const engine = await create();
    const loaded = await engine.load(model, {threads});
    const {name} = loaded.signatures[0]!;
    return {name: engine.id, predict: async (inputs) => (await loaded.run(name, inputs)).outputs};
  };

const attested =
  (engine: "wasm" | "native"): Start =>
  async (model, threads) => {
    const server = await launchSimulated({engine});
    const enclave = await connect({address: server.address, policy: server.policy});
    const loaded = await enclave.load(model, {name: "bench", threads});
    return {name: `attested session, ${enclave.claims.engine.id}`, predict: (inputs) => loaded.predict(inputs)};
  };

const starts: Readonly<Record<string, Start>> = {
  wasm: alone(createWasmEngine),
  native: alone(createNativeEngine),
  "session-wasm": attested("wasm"),
  "session-native": attested("native"),
};

let predict: () => Promise<Outputs>;
for await (const line of createInterface({input: process.stdin})) answer(await handle(JSON.parse(line) as PeerRequest));
process.exit(0);

async function handle(request: PeerRequest): Promise<object> {
  if ("model" in request) return start(request as PeerModel);
  if (!("runs" in request)) return {outputs: Object.values(await predict()).map(toPeerOutput)};
  const milliseconds: number[] = [];
  for (let i = 0; i < (request.runs as number); i++) {
    const begin = performance.now();
    await predict();
    milliseconds.push(performance.now() - begin);
  }
  return {milliseconds};
}

async function start({model, inputs, threads}: PeerModel): Promise<object> {
  const bytes = await readFile(model);
  const peer = await starts[process.argv[2]!]!(bytes, threads);
  const names = inputNames(bytes);
  const named = Object.fromEntries(inputs.map((input, i) => [names[i]!, toTensor(input)]));
  predict = () => peer.predict(named);
  return {name: peer.name};
}

function toTensor({dtype, shape, base64}: PeerTensor): Tensor {
  return new Tensor(dtype as DType, shape, Uint8Array.from(Buffer.from(base64, "base64")));
}

function toPeerOutput(tensor: Tensor): PeerOutput {
  const values = tensor.cast("float32");
  return {shape: values.shape, base64: Buffer.from(values.bytes).toString("base64")};
}

function answer(document: object): void {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}
