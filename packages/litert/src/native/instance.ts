/**
 * One compiled model of fixed shapes in LiteRT's C library. The only file that runs the library; it runs in a model's own
 * process, because what the library does with a hostile file can't be undone in this one (specs/litert.md T1, §10.4).
 */
import {
  type FixedSignature,
  type FixedTensor,
  type FoundSignature,
  fixedBytes,
  type Instance,
  type InstanceMaker,
  type InstanceRun,
  meaningOf,
  orderSignatures,
  type SignatureOrder,
  zerosOf,
} from "../instance.ts";
import {LitertError} from "../litert-error.ts";
import {check, type Native, type Out, type Pointer} from "./binding.ts";
import {readingStderr} from "./captured-stderr.ts";
import {type Block, Memory} from "./memory.ts";
import {
  type GivenBuffer,
  giveBytes,
  isString,
  makeRoom,
  packedStrings,
  stringRoom,
  type TensorBuffer,
} from "./tensor-buffers.ts";

/** `LiteRtLayout` (specs/litert.md §2.2). */
const layoutBytes = 68;
const maxRank = 8;
const accelerateOnCpu = 1;

/** The library in this process: one environment, one set of options a purpose, for all instances. */
export class NativeRuntime {
  readonly native: Native;
  readonly memory: Memory;
  readonly environment: Pointer;
  /** Errors of a run go to a buffer that can be asked for; errors of compiling are lost with it (specs/litert.md §2.6). */
  readonly options: Pointer;
  /** Errors go to standard error. */
  readonly talkative: Pointer;

  constructor(native: Native, threads: number) {
    this.native = native;
    this.memory = new Memory(native);
    // Only the CPU: else it would look for libraries of accelerators to load. And only errors in the log.
    const settings = new Uint8Array(48);
    const view = new DataView(settings.buffer);
    for (const [at, [tag, value]] of [
      [24, accelerateOnCpu],
      [25, 3],
    ].entries()) {
      view.setInt32(24 * at, tag!, true);
      view.setInt32(24 * at + 8, 2, true);
      view.setBigInt64(24 * at + 16, BigInt(value!), true);
    }
    this.environment = made((out) => native.litert.CreateEnvironment(2, settings, out), "making an environment");
    this.options = this.#options(threads, 2);
    this.talkative = this.#options(threads, 1);
  }

  /** Compiles in this process. */
  get instances(): InstanceMaker {
    return async (file, signatures) => NativeInstance.compile(this, file, signatures);
  }

  #options(threads: number, errorReporter: number): Pointer {
    const {litert, libc} = this.native;
    const options = made((out) => litert.CreateOptions(out), "making options");
    check(litert.SetOptionsHardwareAccelerators(options, accelerateOnCpu), "making options");
    const texts = {
      // Both: the delegate reads one, the interpreter the other (specs/litert.md T9).
      xnnpack: `num_threads = ${threads}\n`,
      cpu_delegate: `num_threads = ${threads}\n`,
      runtime_options_string: `error_reporter_mode = ${errorReporter}\n`,
    };
    for (const [id, text] of Object.entries(texts)) {
      const opaque = made(
        (out) => litert.CreateOpaqueOptions(id, libc.strdup(text), libc.freeFunction, out),
        "making options",
      );
      check(litert.AddOpaqueOptions(options, opaque), "making options");
    }
    return options;
  }
}

/** Room for the outputs of a signature, in LiteRT's order, made for its first run and kept. */
interface Outputs {
  readonly tensors: readonly FixedTensor[];
  readonly buffers: readonly TensorBuffer[];
}

export class NativeInstance implements Instance {
  readonly #runtime: NativeRuntime;
  readonly #file: Block;
  #model: Pointer | undefined;
  #compiled: Pointer | undefined;
  #order: SignatureOrder = [];
  readonly #kept = new Map<number, Outputs>();
  #outputBytes = 0;
  #wiped = false;

  private constructor(runtime: NativeRuntime, file: Block) {
    this.#runtime = runtime;
    this.#file = file;
  }

  static compile(
    runtime: NativeRuntime,
    file: Uint8Array,
    signatures: readonly (FixedSignature | undefined)[],
  ): NativeInstance {
    const block = runtime.memory.allocate(file.length);
    block.bytes.set(file);
    const instance = new NativeInstance(runtime, block);
    try {
      instance.#compile(signatures);
      return instance;
    } catch (error) {
      instance.wipe();
      throw error;
    }
  }

  /** The file, and its weights once more as XNNPACK packs them; outputs. */
  get heapBytes(): number {
    return 2 * this.#file.bytes.length + this.#outputBytes;
  }

  async run(signature: number, fixed: FixedSignature, inputs: readonly Uint8Array[]): Promise<InstanceRun> {
    const row = this.#order[signature]!;
    const {tensors, buffers} = this.#outputs(signature, fixed, inputs);
    const engineMs = this.#invoke(row, fixed, inputs, buffers);
    const shapes = this.#outputShapes(row.index, buffers.length);
    const outputs: Uint8Array<ArrayBuffer>[] = [];
    for (const [position, tensor] of tensors.entries()) {
      const shape = shapes[position]!;
      if (`${shape}` !== `${tensor.dims}`) {
        throw new LitertError(
          "ENGINE_ERROR",
          `output "${tensor.name}" came as [${shape.join(", ")}], expected [${tensor.dims.join(", ")}]`,
        );
      }
      const {bytes} = buffers[position]!;
      outputs[row.outputs[position]!] = isString(tensor) ? packedStrings(tensor, bytes) : bytes;
    }
    return {outputs, engineMs};
  }

  async probe(signature: number, fixed: FixedSignature): Promise<readonly (readonly number[])[]> {
    const row = this.#order[signature]!;
    const inputs = fixed.inputs.map(zerosOf);
    const {buffers} = this.#outputs(signature, fixed, inputs);
    for (let run = 0; run < 2; run++) this.#invoke(row, fixed, inputs, buffers);
    const shapes: (readonly number[])[] = [];
    this.#outputShapes(row.index, buffers.length).forEach((shape, position) => {
      shapes[row.outputs[position]!] = shape;
    });
    return shapes;
  }

  wipe(): void {
    if (this.#wiped) return;
    this.#wiped = true;
    const {native, memory} = this.#runtime;
    for (const [signature, outputs] of this.#kept) this.#drop(signature, outputs);
    if (this.#compiled !== undefined) native.litert.DestroyCompiledModel(this.#compiled);
    if (this.#model !== undefined) native.litert.DestroyModel(this.#model);
    // The library uses the file in place until here.
    memory.free(this.#file);
  }

  #compile(signatures: readonly (FixedSignature | undefined)[]): void {
    const {native, environment, options, talkative} = this.#runtime;
    const {litert} = native;
    this.#model = made(
      (out) => litert.CreateModelFromBuffer(environment, this.#file.pointer, this.#file.bytes.length, out),
      "reading the file",
    );
    const model = this.#model;
    this.#order = orderSignatures(foundSignatures(native, model), signatures);
    const compiled: Out = [null];
    const status = litert.CreateCompiledModel(environment, model, options, compiled);
    if (status === 0) {
      this.#compiled = compiled[0]!;
      return;
    }
    // Once more, only to be told why.
    const again: Out = [null];
    const said = readingStderr(native.libc, () => {
      if (litert.CreateCompiledModel(environment, model, talkative, again) === 0)
        litert.DestroyCompiledModel(again[0]!);
    });
    throw engineError(said, "compiling", status);
  }

  /** Runs once; the milliseconds that it took. Throws what it says when it fails. */
  #invoke(
    row: NonNullable<SignatureOrder[number]>,
    fixed: FixedSignature,
    inputs: readonly Uint8Array[],
    outputs: readonly TensorBuffer[],
  ): number {
    const {litert} = this.#runtime.native;
    const given: GivenBuffer[] = [];
    try {
      for (const at of row.inputs) {
        const [tensor, bytes] = [fixed.inputs[at]!, inputs[at]!];
        if (!isString(tensor) && bytes.length !== fixedBytes(tensor)) {
          // The front has checked the sizes; memory must not depend on it.
          const expected = fixedBytes(tensor);
          throw new LitertError(
            "INVALID_INPUT",
            `input "${tensor.name}" has ${bytes.length} bytes, expected ${expected}`,
          );
        }
        given.push(giveBytes(this.#runtime, tensor, bytes));
      }
      const [from, to] = [handlesOf(given), handlesOf(outputs)];
      const start = performance.now();
      const status = litert.RunCompiledModel(this.#compiled!, row.index, given.length, from, outputs.length, to);
      const took = performance.now() - start;
      if (status !== 0) throw engineError(this.#messages(), "running", status);
      return took;
    } finally {
      for (const {release} of given) release();
    }
  }

  /** What the last failed run said. */
  #messages(): string {
    const {litert, libc, text} = this.#runtime.native;
    const messages: Out = [null];
    const status = litert.CompiledModelGetErrorMessages(this.#compiled!, messages);
    if (status !== 0 || messages[0] === null) return "";
    const said = text(messages[0]);
    libc.free(messages[0]);
    litert.CompiledModelClearErrors(this.#compiled!);
    return said;
  }

  #outputShapes(index: number, count: number): readonly (readonly number[])[] {
    const layouts = new Uint8Array(layoutBytes * count);
    check(
      this.#runtime.native.litert.GetCompiledModelOutputTensorLayouts(this.#compiled!, index, count, layouts, false),
      "telling the outputs' shapes",
    );
    const view = new DataView(layouts.buffer);
    return Array.from({length: count}, (_, at) => {
      const rank = view.getUint32(layoutBytes * at, true) & 0x7f;
      return Array.from({length: Math.min(rank, maxRank)}, (__, axis) =>
        view.getInt32(layoutBytes * at + 4 + 4 * axis, true),
      );
    });
  }

  /** Room for outputs: kept from run to run, but for strings, which take as much as the inputs let expect. */
  #outputs(signature: number, fixed: FixedSignature, inputs: readonly Uint8Array[]): Outputs {
    const kept = this.#kept.get(signature);
    if (kept !== undefined && !kept.tensors.some(isString)) return kept;
    if (kept !== undefined) this.#drop(signature, kept);
    const given = inputs.reduce((sum, {length}) => sum + length, 0);
    const tensors = this.#order[signature]!.outputs.map((at) => fixed.outputs[at]!);
    const buffers: TensorBuffer[] = [];
    const outputs = {tensors, buffers};
    this.#kept.set(signature, outputs);
    for (const tensor of tensors) {
      const size = isString(tensor) ? stringRoom(tensor, given) : fixedBytes(tensor);
      buffers.push(makeRoom(this.#runtime, tensor, size));
      this.#outputBytes += size;
    }
    return outputs;
  }

  #drop(signature: number, {buffers}: Outputs): void {
    for (const {bytes, release} of buffers) {
      this.#outputBytes -= bytes.length;
      release();
    }
    this.#kept.delete(signature);
  }
}

function handlesOf(buffers: readonly GivenBuffer[]): BigUint64Array {
  // An empty array has no address.
  return BigUint64Array.from(buffers.length === 0 ? [0n] : buffers.map(({buffer}) => buffer));
}

/** Runs a function that makes an object. Throws `ENGINE_ERROR`. */
function made(make: (out: Out) => number, doing: string): Pointer {
  const out: Out = [null];
  check(make(out), doing);
  return out[0]!;
}

function foundSignatures({litert}: Native, model: Pointer): readonly FoundSignature[] {
  const count = told<number>((out) => litert.GetNumModelSignatures(model, out));
  return Array.from({length: count}, (_, index) => {
    const signature = told<Pointer>((out) => litert.GetModelSignature(model, index, out));
    const inputs = told<number>((out) => litert.GetNumSignatureInputs(signature, out));
    const outputs = told<number>((out) => litert.GetNumSignatureOutputs(signature, out));
    return {
      index,
      key: told<string>((out) => litert.GetSignatureKey(signature, out)),
      inputs: Array.from({length: inputs}, (__, at) =>
        told<string>((out) => litert.GetSignatureInputName(signature, at, out)),
      ),
      outputs: Array.from({length: outputs}, (__, at) =>
        told<string>((out) => litert.GetSignatureOutputName(signature, at, out)),
      ),
    };
  });
}

function told<T>(ask: (out: Out<T>) => number): T {
  const out: Out<T> = [null];
  check(ask(out), "reading the signatures");
  return out[0]!;
}

/** Characters of a message that are kept: a hostile model may make the engine say a lot. */
const maxSaid = 2_000;

function engineError(said: string, doing: string, status: number): LitertError {
  const text = said.replaceAll(/\s+/g, " ").trim().slice(0, maxSaid);
  return new LitertError(
    meaningOf(text) ?? (status === 2 ? "OUT_OF_MEMORY" : "ENGINE_ERROR"),
    `LiteRT failed while ${doing} (status ${status})${text === "" ? "" : `: ${text}`}`,
    {details: {status}},
  );
}
