/** LiteRT's WASM module without anything of ours around it: what the `wasm` engine is measured against. */
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {compileFunction} from "node:vm";
import {installedFiles} from "@tf-trusted/litert";
import {readModel} from "@tf-trusted/tflite";
import type {PeerTimes} from "./line-peer.ts";

interface Handle {
  delete(): void;
}
interface Vector<T> extends Handle {
  push_back(value: T): void;
}
interface RawBuffer extends Handle {
  lock(mode: unknown): number;
  unlock(): void;
  packedSize(): number;
}
interface RawModule {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  setupLogging(): void;
  loadModel(environment: Handle, address: number, bytes: number): Handle;
  compileModel(
    environment: Handle,
    model: Handle,
    options: object,
  ): {
    run(signature: number, inputs: readonly RawBuffer[]): Promise<readonly RawBuffer[]>;
  };
  readonly LiteRtEnvironment: {create(options: null): Handle};
  readonly VectorInt32: new () => Vector<number>;
  readonly LiteRtLayout: {create(dimensions: Vector<number>): Handle};
  readonly LiteRtRankedTensorType: {create(elementType: {value: number}, layout: Handle): Handle};
  readonly LiteRtTensorBufferType: {readonly HOST_MEMORY: unknown};
  readonly LiteRtTensorBufferLockMode: {readonly READ: unknown; readonly WRITE: unknown};
  readonly LiteRtTensorBuffer: {
    createManaged(environment: Handle, type: unknown, tensorType: Handle, bytes: number): RawBuffer;
  };
}

/** `LiteRtElementType` and bytes of what the benchmark's models take. */
const elementTypes: Readonly<Record<string, {readonly code: number; readonly bytes: number}>> = {
  float32: {code: 1, bytes: 4},
  int32: {code: 2, bytes: 4},
  uint8: {code: 3, bytes: 1},
  int64: {code: 4, bytes: 8},
  int8: {code: 9, bytes: 1},
};

/** What runs a file of fixed shapes on zeros. */
export async function loadRaw(file: Uint8Array): Promise<(runs: number) => Promise<PeerTimes>> {
  const {glue, wasm} = installedFiles();
  const script = {exports: {} as unknown};
  const parameters = ["module", "exports", "require", "__filename", "__dirname"];
  compileFunction(readFileSync(glue, "utf8"), parameters)(
    script,
    script.exports,
    createRequire(import.meta.url),
    "litert.cjs",
    "",
  );
  (globalThis as {navigator?: unknown}).navigator ??= {hardwareConcurrency: 1};
  const factory = script.exports as (options: object) => Promise<RawModule>;
  const module = await factory({wasmBinary: readFileSync(wasm), print: () => {}, printErr: () => {}});
  module.setupLogging();
  const environment = module.LiteRtEnvironment.create(null);
  const address = module._malloc(file.length);
  module.HEAPU8.set(file, address);
  const compiled = module.compileModel(environment, module.loadModel(environment, address, file.length), {
    accelerator: "wasm",
    cpuOptions: {numThreads: 1},
    environment: {liteRtEnvironment: environment, options: {}},
    gpuOptions: {},
  });
  const {READ, WRITE} = module.LiteRtTensorBufferLockMode;
  const {tensors, inputs: indices} = readModel(file).subgraphs[0]!;
  const inputs = indices.map((at) => tensors[at]!);
  const once = async () => {
    const start = performance.now();
    const buffers = inputs.map(({type: name, shape}) => {
      const {code, bytes} = elementTypes[name]!;
      const size = shape.reduce((product, dim) => product * dim, bytes);
      const dims = new module.VectorInt32();
      for (const dim of shape) dims.push_back(dim);
      const layout = module.LiteRtLayout.create(dims);
      const type = module.LiteRtRankedTensorType.create({value: code}, layout);
      const {HOST_MEMORY} = module.LiteRtTensorBufferType;
      const buffer = module.LiteRtTensorBuffer.createManaged(environment, HOST_MEMORY, type, size);
      const to = buffer.lock(WRITE);
      module.HEAPU8.set(new Uint8Array(size), to);
      buffer.unlock();
      for (const handle of [type, layout, dims]) handle.delete();
      return buffer;
    });
    const before = performance.now();
    const outputs = await compiled.run(0, buffers);
    const after = performance.now();
    for (const output of outputs) {
      const from = output.lock(READ);
      module.HEAPU8.slice(from, from + output.packedSize());
      output.unlock();
      output.delete();
    }
    for (const buffer of buffers) buffer.delete();
    return [after - before, performance.now() - start] as const;
  };
  return async (runs) => {
    const invoke: number[] = [];
    const whole: number[] = [];
    for (let run = 0; run < runs; run++) {
      const [compute, all] = await once();
      invoke.push(compute);
      whole.push(all);
    }
    return {invoke, whole};
  };
}
