/**
 * A model as its worker holds it: admitted once, compiled for each set of shapes that is asked for.
 *
 * Every compiled file has an instance of the engine of its own. A failed run leaves an instance in an unknown state; so it is wiped
 * and forgotten while the other shapes of the model, which share nothing with it, go on (specs/litert.md §10.3). They
 * share the worker, because calls of a model come one at a time anyway (T10) and a thread each would buy nothing.
 */
import {createHash} from "node:crypto";
import {Tensor} from "@tf-trusted/tensor";
import type {EngineName, Shapes, Value} from "@tf-trusted/tflite";
import {type AdmittedModel, admitModel} from "./admission.ts";
import type {Ask} from "./ask-shapes.ts";
import type {Limits, Signature} from "./engine.ts";
import {fixCall} from "./fix-call.ts";
import {type FixedSignature, type Instance, type InstanceMaker, zerosOf} from "./instance.ts";
import {compiledHeapBudget} from "./limits.ts";
import {LitertError} from "./litert-error.ts";
import type {Output} from "./messages.ts";
import {type FixedFile, isFixed} from "./specialise.ts";
import {inputsInFile, isAnswered, outputsOfFile, signatureInFile} from "./without-empty.ts";

interface Compiled {
  readonly instance: Instance;
  readonly signatures: readonly (FixedSignature | undefined)[];
  /** Whether it may run again (`settle-shapes.ts`). */
  readonly reusable: boolean;
  /** Digest of the inputs' elements that it was made for, "" for any. */
  readonly values: string;
}

/** In place of a digest: the engine was asked for data of the call, which no other call may meet. */
const forOneCall = "one call";
/** Runs on zeros after which V8's optimised code is in place (specs/litert.md §8). */
const warmUpRuns = 3;
/** A slow model isn't run again once this time has passed. */
const warmUpMs = 1_000;

export class WorkerModel {
  readonly #makeInstance: InstanceMaker;
  readonly #limits: Limits;
  readonly #admitted: AdmittedModel;
  /** Least recently used first. */
  #compiled: readonly Compiled[] = [];
  /** Signatures whose shapes depend on elements of inputs. */
  readonly #valued = new Set<number>();
  /** An instance that may not run again, until it is wiped. */
  #spent:
    | {readonly compiled: Compiled; readonly index: number; readonly shapes: Shapes; readonly replace: boolean}
    | undefined;

  /** Throws what `admitModel` throws. */
  constructor(file: Uint8Array, engine: EngineName, makeInstance: InstanceMaker, limits: Limits) {
    this.#makeInstance = makeInstance;
    this.#limits = limits;
    this.#admitted = admitModel(file, limits, engine);
  }

  get signatures(): readonly Signature[] {
    return this.#admitted.signatures;
  }

  get compiledCount(): number {
    return this.#compiled.length;
  }

  /** Of all instances. */
  get heapBytes(): number {
    const spent = this.#spent?.compiled.instance.heapBytes ?? 0;
    return this.#compiled.reduce((sum, {instance}) => sum + instance.heapBytes, spent);
  }

  /** Input shapes of signature `index` that are compiled, the least recently used first. */
  compiledShapes(index: number): readonly Shapes[] {
    return this.#compiled.map(({signatures}) => signatures[index]?.inputs.map(({dims}) => dims) ?? []);
  }

  /** Compiles the signatures of fixed shapes, so that what can't be compiled fails at loading. */
  async prepare(): Promise<void> {
    for (const [index, signature] of this.signatures.entries()) {
      if (isFixed(signature))
        await this.#prepare(
          index,
          signature.inputs.map(({shape}) => shape),
        );
    }
  }

  /**
   * Runs the signatures of fixed shapes on zeros. Throws if the model can't run at all. A model that fails on zeros only
   * (a division, an index table) is no failure of loading: its instance is dropped.
   */
  async warmUp(): Promise<void> {
    for (const [index, signature] of this.signatures.entries()) {
      if (!isFixed(signature)) continue;
      const shapes = signature.inputs.map(({shape}) => shape);
      const start = performance.now();
      try {
        for (let run = 0; run < warmUpRuns && performance.now() - start < warmUpMs; run++) {
          await this.renew();
          const fixed = (await this.#prepare(index, shapes)).signatures[index]!;
          const zeros = fixed.inputs.map(zerosOf);
          const {outputs} = await this.run(index, shapes, zeros);
          // What a model gives for zeros tells of its weights.
          for (const {bytes} of outputs) bytes.fill(0);
        }
      } catch (error) {
        if (!failsOnlyOnZeros(error)) throw error;
      }
    }
    await this.renew();
    // The zeros must not be the first call that a stateful model remembers.
    if (this.signatures.some(({stateful}) => stateful)) this.wipe();
  }

  /**
   * One inference; the inputs' memory is overwritten. The outputs are valid until `renew` or the next call, and the
   * caller's to overwrite. Any failure drops the instance that was used.
   */
  async run(
    index: number,
    shapes: Shapes,
    inputs: readonly Uint8Array[],
  ): Promise<{readonly outputs: readonly Output[]; readonly engineMs: number}> {
    this.#wipeSpent();
    const compiled = await this.#prepare(index, shapes, inputs);
    const fixed = compiled.signatures[index]!;
    if (isAnswered(fixed)) {
      for (const bytes of inputs) bytes.fill(0);
      if (compiled.values === forOneCall) this.#drop(compiled);
      return {outputs: fixed.outputs.map(({dims}) => ({bytes: new Uint8Array(0), shape: dims})), engineMs: 0};
    }
    try {
      const file = signatureInFile(fixed);
      const {outputs: given, engineMs} = await compiled.instance.run(index, file, inputsInFile(fixed, inputs));
      const outputs = outputsOfFile(fixed, given, () => new Uint8Array(0));
      if (!compiled.reusable) {
        this.#compiled = this.#compiled.filter((each) => each !== compiled);
        this.#spent = {compiled, index, shapes, replace: compiled.values === ""};
      }
      return {outputs: outputs.map((bytes, at) => ({bytes, shape: fixed.outputs[at]!.dims})), engineMs};
    } catch (error) {
      this.#drop(compiled);
      throw error;
    } finally {
      for (const bytes of inputs) bytes.fill(0);
    }
  }

  /**
   * After a run that used up its instance: wipes that and, where another call may need it, compiles another for the same
   * shapes. To be called when the answer is out, so that the next call finds it ready.
   */
  async renew(): Promise<void> {
    if (this.#spent === undefined) return;
    const {index, shapes, replace} = this.#spent;
    this.#wipeSpent();
    if (replace) await this.#prepare(index, shapes);
  }

  /** Overwrites all heaps. */
  wipe(): void {
    this.#wipeSpent();
    for (const compiled of this.#compiled) this.#drop(compiled);
  }

  #wipeSpent(): void {
    this.#spent?.compiled.instance.wipe();
    this.#spent = undefined;
  }

  /** @param inputs elements of the inputs, where there is a call; without them shapes must not depend on any */
  async #prepare(index: number, shapes: Shapes, inputs: readonly Uint8Array[] = []): Promise<Compiled> {
    const known = this.#valued.has(index) ? smallValues(this.signatures[index]!, shapes, inputs) : [];
    const digest = digestOf(known);
    const found = this.#compiled.find(({signatures, values}) => {
      const fixed = signatures[index];
      return values === digest && fixed?.inputs.every(({dims}, at) => `${dims}` === `${shapes[at]}`);
    });
    if (found !== undefined) {
      this.#compiled = [...this.#compiled.filter((each) => each !== found), found];
      return found;
    }
    if (this.#compiled.length > 0 && this.signatures[index]!.stateful) {
      throw new LitertError(
        "INVALID_INPUT",
        "this model keeps state, so its shapes are fixed by the first call; load it again for other shapes",
      );
    }
    const fix = (values: readonly (Value | undefined)[], ask?: Ask) =>
      fixCall(this.#admitted, index, shapes, (file) => this.#probe(file, index), this.#limits, values, ask);
    let usedFor = digest;
    const fixed = await fix(known).catch((error: unknown) => {
      const isDynamic = error instanceof LitertError && error.code === "DYNAMIC_OUTPUT";
      if (!isDynamic || inputs.length === 0) throw error;
      const values = smallValues(this.signatures[index]!, shapes, inputs);
      if (this.#valued.has(index) || values.every((each) => each === undefined)) {
        usedFor = forOneCall;
        return fix(known, (file) => this.#ask(file, inputs));
      }
      this.#valued.add(index);
      return undefined;
    });
    // Once more, with what the inputs hold.
    if (fixed === undefined) return this.#prepare(index, shapes, inputs);
    const {reusable, signatures} = fixed;
    if (!reusable && this.signatures[index]!.stateful) {
      throw new LitertError("UNSUPPORTED_OP", "this model keeps state and has tensors that change their size in a run");
    }
    const compiled = {instance: await this.#compile(fixed), signatures, reusable, values: usedFor};
    this.#compiled = [...this.#compiled, compiled];
    this.#evict();
    return compiled;
  }

  async #compile({file, signatures}: FixedFile): Promise<Instance> {
    try {
      return await this.#makeInstance(
        file,
        signatures.map((each) => each && signatureInFile(each)),
      );
    } finally {
      // The instance has its copy; weights are as secret as inputs.
      file.fill(0);
    }
  }

  /** What a file gives for the call's inputs, in an instance that is thrown away. */
  async #ask(fixed: FixedFile, inputs: readonly Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
    const instance = await this.#compile(fixed);
    try {
      const [signature] = fixed.signatures as [FixedSignature];
      const {outputs} = await instance.run(0, signatureInFile(signature), inputsInFile(signature, inputs));
      // A copy: the instance's memory goes with it.
      return outputs[0]!.slice();
    } finally {
      instance.wipe();
    }
  }

  /** Output dimensions that the engine comes to on zeros, in an instance that is thrown away. */
  async #probe(fixed: FixedFile, index: number): Promise<Shapes> {
    const instance = await this.#compile(fixed);
    try {
      const signature = fixed.signatures[index]!;
      return outputsOfFile(signature, await instance.probe(index, signatureInFile(signature)), ({dims}) => dims);
    } finally {
      instance.wipe();
    }
  }

  #evict(): void {
    const tooMany = () =>
      this.#compiled.length > Math.max(1, this.#limits.maxCompiled) ||
      (this.#compiled.length > 1 &&
        this.#compiled.reduce((sum, {instance}) => sum + instance.heapBytes, 0) > compiledHeapBudget);
    while (tooMany()) this.#drop(this.#compiled[0]!);
  }

  #drop(compiled: Compiled): void {
    this.#compiled = this.#compiled.filter((each) => each !== compiled);
    compiled.instance.wipe();
  }
}

/** Inputs with more elements than shapes have aren't what shapes depend on. */
const maxValues = 64;

/** The elements of small inputs, `undefined` for the others. */
function smallValues(
  {inputs: specs}: Signature,
  shapes: Shapes,
  inputs: readonly Uint8Array[],
): readonly (Value | undefined)[] {
  return specs.map(({dtype}, at) => {
    const count = shapes[at]!.reduce((product, dim) => product * dim, 1);
    const isSmall = count <= maxValues && ["int32", "int64", "bool", "float32"].includes(dtype);
    if (!isSmall) return undefined;
    const values = Array.from(new Tensor(dtype, shapes[at]!, inputs[at]!).data as ArrayLike<number | bigint>, Number);
    return values.every((each) => !Number.isInteger(each) || Number.isSafeInteger(each)) ? values : undefined;
  });
}

/** Strings can't be overwritten; so that none holds what a caller sent, their digest is kept. */
function digestOf(values: readonly (Value | undefined)[]): string {
  if (values.every((each) => each === undefined)) return "";
  return createHash("sha256").update(JSON.stringify(values)).digest("hex");
}

/** The engine prepares a graph before its first run; what fails after that may be due to the zeros. */
function failsOnlyOnZeros(error: unknown): boolean {
  if (!(error instanceof LitertError)) return false;
  if (error.code === "ENGINE_CRASHED") return true;
  return (
    error.code === "ENGINE_ERROR" && /failed to invoke/i.test(error.message) && !/prepare|allocate/i.test(error.message)
  );
}
