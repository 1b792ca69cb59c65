/**
 * One instance of LiteRT's WASM module holding one compiled model of fixed shapes. Runs in a worker (it blocks).
 *
 * LiteRT reports most failures only as a log line, while `run` goes on to return uninitialised memory (specs/litert.md
 * T2): each line that starts with `ERROR` is a failure here. After any failure the instance is unusable and has to be
 * wiped; nothing of it is trusted again (§10.3).
 */
import nodeCrypto from "node:crypto";
import {compileFunction} from "node:vm";
import {
  type FixedSignature,
  type FixedTensor,
  fixedBytes,
  type Instance,
  type InstanceMaker,
  type InstanceRun,
  meaningOf,
  orderSignatures,
  type SignatureOrder,
} from "../instance.ts";
import {LitertError, type LitertErrorCode} from "../litert-error.ts";
import type {
  Handle,
  LitertModule,
  ModuleFactory,
  RawCompiledModel,
  RawModel,
  TensorBuffer,
  Vector,
} from "./litert-module.ts";

/** Compiles LiteRT's script, which was hashed as this very text. Each worker does it once. */
export function compileGlue(source: string): ModuleFactory {
  const script = {exports: {} as unknown};
  // The script gets no file system: it would read the binary, which it is given instead.
  const require = (name: string): unknown => {
    if (name === "node:fs") return {};
    if (name === "node:crypto") return nodeCrypto;
    throw new Error(`the engine's script asks for ${name}`);
  };
  const run = compileFunction(source, ["module", "exports", "require", "__filename", "__dirname"], {
    filename: "litert.cjs",
  });
  run(script, script.exports, require, "litert.cjs", "");
  return script.exports as ModuleFactory;
}

/** Compiles in a fresh instance of the module each. */
export function wasmInstances(factory: ModuleFactory, binary: WebAssembly.Module): InstanceMaker {
  return async (file, signatures) => {
    const instance = await WasmInstance.create(factory, binary);
    try {
      await instance.compile(file, signatures);
      return instance;
    } catch (error) {
      instance.wipe();
      throw error;
    }
  };
}

export class WasmInstance implements Instance {
  readonly #module: LitertModule;
  readonly #log: EngineLog;
  /** By signature, for the next run. */
  readonly #inputs = new Map<number, readonly TensorBuffer[]>();
  /** Signatures whose outputs came as they should. */
  readonly #checked = new Set<number>();
  #compiled:
    | {readonly model: RawCompiledModel; readonly environment: Handle; readonly order: SignatureOrder}
    | undefined;

  private constructor(module: LitertModule, log: EngineLog) {
    this.#module = module;
    this.#log = log;
  }

  /** A fresh instance of the compiled binary: 6 to 30 ms, 17 MB of heap. */
  static async create(factory: ModuleFactory, binary: WebAssembly.Module): Promise<WasmInstance> {
    const log = new EngineLog();
    // The script asks for the number of cores, which Node 20 doesn't tell; the build has no threads.
    (globalThis as {navigator?: unknown}).navigator ??= {hardwareConcurrency: 1};
    const module = await log.guard("ENGINE_ERROR", "start", async () => {
      const started = factory({
        instantiateWasm: (imports, done) => {
          done(new WebAssembly.Instance(binary, imports), binary);
          return {};
        },
        print: log.add,
        printErr: log.add,
      });
      const made = await started;
      made.setupLogging();
      return made;
    });
    return new WasmInstance(module, log);
  }

  /** Bytes of the heap, which never shrinks. */
  get heapBytes(): number {
    return this.#module.HEAPU8.length;
  }

  /** The whole heap, for tests of wiping. */
  get heap(): Uint8Array {
    return this.#module.HEAPU8;
  }

  /**
   * Compiles a file of fixed shapes. `file` is copied into the heap. Throws `UNSUPPORTED_OP`,
   * `OUT_OF_MEMORY`, `ENGINE_CRASHED`, `ENGINE_ERROR`.
   */
  async compile(file: Uint8Array, signatures: readonly (FixedSignature | undefined)[]): Promise<void> {
    const module = this.#module;
    this.#compiled = await this.#log.guard("ENGINE_ERROR", "compiling", async () => {
      const environment = module.LiteRtEnvironment.create(null);
      const address = module._malloc(file.length);
      if (address === 0) throw new LitertError("OUT_OF_MEMORY", `no room for the model's ${file.length} bytes`);
      module.HEAPU8.set(file, address);
      const raw = module.loadModel(environment, address, file.length);
      const model = module.compileModel(environment, raw, {
        accelerator: "wasm",
        cpuOptions: {numThreads: 1},
        environment: {liteRtEnvironment: environment, options: {}},
        gpuOptions: {},
      });
      return {model, environment, order: orderSignatures(foundSignatures(raw), signatures)};
    });
  }

  /**
   * One inference of `signature` (an index into those given to `compile`). `inputs` are the engine's bytes in the order
   * of the signature. What it wrote into the heap for inputs and outputs is overwritten before it returns. Throws
   * `OUT_OF_MEMORY`, `DYNAMIC_OUTPUT`, `ENGINE_CRASHED`, `ENGINE_ERROR`.
   */
  run(signature: number, fixed: FixedSignature, inputs: readonly Uint8Array[]): Promise<InstanceRun> {
    return this.#log.guard("ENGINE_ERROR", "running", async () => {
      const {model, environment, order} = this.#compiled!;
      const row = order[signature]!;
      // Made once: a call that takes no time otherwise would spend most of it on handles.
      let buffers = this.#inputs.get(signature);
      if (buffers === undefined) {
        buffers = row.inputs.map((index) => this.#makeInput(environment, fixed.inputs[index]!));
        this.#inputs.set(signature, buffers);
      }
      for (const [position, index] of row.inputs.entries()) {
        this.#fillInput(buffers[position]!, fixed.inputs[index]!, inputs[index]!);
      }
      const start = performance.now();
      const results = await model.run(row.index, buffers);
      const engineMs = performance.now() - start;
      this.#log.check("ENGINE_ERROR", "running");
      if (results.length !== fixed.outputs.length) {
        throw new LitertError("ENGINE_ERROR", `${results.length} outputs came, expected ${fixed.outputs.length}`);
      }
      const outputs: Uint8Array<ArrayBuffer>[] = [];
      row.outputs.forEach((index, position) => {
        const tensor = fixed.outputs[index]!;
        // All shapes of the file are fixed: a later run can't give other types or dimensions than the first.
        if (!this.#checked.has(signature)) checkType(results[position]!, tensor);
        outputs[index] = this.#takeOutput(results[position]!, tensor);
      });
      this.#checked.add(signature);
      for (const [position, index] of row.inputs.entries()) this.#overwrite(buffers[position]!, fixed.inputs[index]!);
      return {outputs, engineMs};
    });
  }

  /**
   * The dimensions of the outputs after two runs on zeros, of a file that declares them too large; the values are wrong
   * in some models and are not looked at (specs/litert.md §5.2). The instance has to be wiped afterwards.
   */
  probe(signature: number, fixed: FixedSignature): Promise<readonly (readonly number[])[]> {
    return this.#log.guard("ENGINE_ERROR", "probing", async () => {
      const {model, environment, order} = this.#compiled!;
      const row = order[signature]!;
      const buffers = row.inputs.map((index) => {
        const tensor = fixed.inputs[index]!;
        const buffer = this.#makeInput(environment, tensor);
        this.#fillInput(buffer, tensor, new Uint8Array(fixedBytes(tensor)));
        return buffer;
      });
      await model.run(row.index, buffers);
      this.#log.check("ENGINE_ERROR", "probing");
      const shapes: (readonly number[])[] = [];
      (await model.run(row.index, buffers)).forEach((buffer, position) => {
        const layout = buffer.tensorType().layout();
        shapes[row.outputs[position]!] = takeAll(layout.dimensions());
      });
      return shapes;
    });
  }

  /** Overwrites the whole heap: inputs, outputs, weights, intermediate values. The instance is unusable afterwards. */
  wipe(): void {
    this.#compiled = undefined;
    this.#inputs.clear();
    this.#module.HEAPU8.fill(0);
  }

  #makeInput(environment: Handle, tensor: FixedTensor): TensorBuffer {
    const module = this.#module;
    const dims = new module.VectorInt32();
    for (const dim of tensor.dims) dims.push_back(dim);
    const layout = module.LiteRtLayout.create(dims);
    const type = module.LiteRtRankedTensorType.create({value: tensor.type.code}, layout);
    const buffer = module.LiteRtTensorBuffer.createManaged(
      environment,
      module.LiteRtTensorBufferType.HOST_MEMORY,
      type,
      fixedBytes(tensor),
    );
    for (const handle of [type, layout, dims]) handle.delete();
    return buffer;
  }

  #fillInput(buffer: TensorBuffer, tensor: FixedTensor, bytes: Uint8Array): void {
    const module = this.#module;
    const size = fixedBytes(tensor);
    if (bytes.length !== size) {
      // The front has checked the sizes; the heap must not depend on it.
      throw new LitertError("INVALID_INPUT", `input "${tensor.name}" has ${bytes.length} bytes, expected ${size}`);
    }
    const address = buffer.lock(module.LiteRtTensorBufferLockMode.WRITE);
    // Re-read after every call that may allocate: growth replaces the view.
    module.HEAPU8.set(bytes, address);
    buffer.unlock();
  }

  /** Copies, overwrites and frees. */
  #takeOutput(buffer: TensorBuffer, expected: FixedTensor): Uint8Array<ArrayBuffer> {
    const size = fixedBytes(expected);
    if (buffer.packedSize() < size) {
      throw new LitertError(
        "ENGINE_ERROR",
        `output "${expected.name}" came with ${buffer.packedSize()} bytes, expected ${size}`,
      );
    }
    const address = buffer.lock(this.#module.LiteRtTensorBufferLockMode.READ_WRITE);
    const heap = this.#module.HEAPU8;
    const copy = heap.slice(address, address + size) as Uint8Array<ArrayBuffer>;
    heap.fill(0, address, address + size);
    buffer.unlock();
    buffer.delete();
    return copy;
  }

  #overwrite(buffer: TensorBuffer, tensor: FixedTensor): void {
    const address = buffer.lock(this.#module.LiteRtTensorBufferLockMode.WRITE);
    this.#module.HEAPU8.fill(0, address, address + fixedBytes(tensor));
    buffer.unlock();
  }
}

function checkType(buffer: TensorBuffer, expected: FixedTensor): void {
  const type = buffer.tensorType();
  const layout = type.layout();
  const dims = takeAll(layout.dimensions());
  const code = type.elementType().value;
  for (const handle of [layout, type]) handle.delete();
  if (code === expected.type.code && `${dims}` === `${expected.dims}`) return;
  throw new LitertError(
    "ENGINE_ERROR",
    `output "${expected.name}" came as type ${code} [${dims.join(", ")}], ` +
      `expected type ${expected.type.code} [${expected.dims.join(", ")}]`,
  );
}

function foundSignatures(raw: RawModel) {
  return Array.from({length: raw.getNumSignatures()}, (_, index) => {
    const signature = raw.getSignature(index);
    const row = {
      index,
      key: signature.key(),
      inputs: takeAll(signature.inputNames()),
      outputs: takeAll(signature.outputNames()),
    };
    signature.delete();
    return row;
  });
}

function takeAll<T>(vector: Vector<T>): T[] {
  const items = Array.from({length: vector.size()}, (_, index) => vector.get(index));
  vector.delete();
  return items;
}

/** Lines kept for a message, and characters of each: a hostile model may make the engine say a lot. */
const maxLines = 8;
const maxLineLength = 300;

/** What the engine says while it works, and what that means. */
class EngineLog {
  #errors: string[] = [];

  readonly add = (line: string): void => {
    if (/^(ERROR|FATAL|F\d|Aborted)/.test(line) && this.#errors.length < maxLines) {
      this.#errors.push(line.slice(0, maxLineLength));
    }
  };

  /** Throws if the engine reported an error since the last check. */
  check(code: LitertErrorCode, doing: string): void {
    if (this.#errors.length === 0) return;
    const said = this.#errors.join(" · ");
    this.#errors = [];
    throw new LitertError(meaningOf(said) ?? code, `LiteRT reported while ${doing}: ${said}`);
  }

  /** Runs `work`; exceptions and error lines become coded errors, `code` where they say nothing better. */
  async guard<T>(code: LitertErrorCode, doing: string, work: () => Promise<T>): Promise<T> {
    this.#errors = [];
    let result: T;
    try {
      result = await work();
    } catch (cause) {
      if (cause instanceof LitertError) throw cause;
      const said = [...this.#errors, describe(cause)].join(" · ");
      throw new LitertError(
        isCrash(cause)
          ? /out of memory|OOM/i.test(said)
            ? "OUT_OF_MEMORY"
            : "ENGINE_CRASHED"
          : (meaningOf(said) ?? code),
        `LiteRT ${isCrash(cause) ? "crashed" : "failed"} while ${doing}: ${said}`,
      );
    }
    this.check(code, doing);
    return result;
  }
}

/** Traps, aborts, exits and exhausted stacks: the module's state is broken. */
function isCrash(cause: unknown): boolean {
  return (
    cause instanceof WebAssembly.RuntimeError ||
    cause instanceof RangeError ||
    (typeof cause === "object" && cause !== null && "name" in cause && cause.name === "ExitStatus")
  );
}

function describe(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : `an exception of type ${typeof cause}`;
  return text.slice(0, maxLineLength);
}
