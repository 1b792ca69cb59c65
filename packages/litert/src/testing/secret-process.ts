/** A process with a secret in a model's weights, inputs and outputs, for the test that looks for it from outside. */
import {once} from "node:events";
import {Tensor} from "@tf-trusted/tensor";
import {engineKinds} from "./engines.ts";
import {binaryModel} from "./models.ts";

const elements = 64;

/** Writes the secret's floats into `bytes`, without a copy anywhere else; it is nowhere in the program's text either. */
function writeSecret(bytes: Uint8Array, offset: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let i = 0; i < elements; i++) view.setFloat32(offset + 4 * i, 31_337.25 + i, true);
}

const engine = await engineKinds.find(({name}) => name === process.argv[2])!.create();
// Two models: the secret as weights, and the secret as input and output. What comes from a model's process is read by
// Node.js into buffers of its own, which it frees as they are: natively, the outputs are zeros.
const native = process.argv[2] === "native";
const op = native ? "SUB" : "ADD";
const placeholder = new Uint8Array(4 * elements).fill(0x77);
const weighted = binaryModel(op, "float32", [elements], placeholder);
writeSecret(weighted, Buffer.from(weighted.buffer, weighted.byteOffset, weighted.length).indexOf(placeholder));
const plain = binaryModel(op, "float32", [elements]);
const input = new Tensor("float32", [elements], new Uint8Array(4 * elements));
writeSecret(input.bytes, 0);
const zero = new Tensor("float32", [elements], new Uint8Array(4 * elements));

const models = [await engine.load(weighted), await engine.load(plain)];
const results = [
  await models[0]!.run("serving_default", {x: native ? input : zero}),
  await models[1]!.run("serving_default", {x: input, c: native ? input : zero}),
];
// What this program itself holds is its own to wipe.
const wipeOwn = () => {
  for (const bytes of [weighted, input.bytes, ...results.map(({outputs}) => outputs.y!.bytes)]) bytes.fill(0);
};
await report("loaded");
wipeOwn();
await report("wiped by the caller");
await engine.close();
await report("closed");
process.exit(0);

async function report(state: string): Promise<void> {
  console.log(state);
  await once(process.stdin, "data");
}
