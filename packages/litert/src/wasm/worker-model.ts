/**
 * A model as its worker holds it: admitted once, compiled for each set of shapes that is asked for.
 *
 * Every compiled file has a WASM instance of its own. A failed run leaves an instance in an unknown state; so it is wiped
 * and forgotten while the other shapes of the model, which share nothing with it, go on (specs/litert.md §10.3). They
 * share the worker, because calls of a model come one at a time anyway (T10) and a thread each would buy nothing.
 */
import {type AdmittedModel, admitModel} from "../admission.ts";
import {engineBytes} from "../element-types.ts";
import type {Limits, Signature} from "../engine.ts";
import {compiledHeapBudget} from "../limits.ts";
import {LitertError} from "../litert-error.ts";
import {outputShapes} from "../output-shapes.ts";
import {fixShapes, type FixedFile, isFixed} from "../specialise.ts";
import {type FixedSignature, Instance} from "./instance.ts";
import type {ModuleFactory} from "./litert-module.ts";
import type {Output} from "./messages.ts";

interface Compiled {
  readonly instance: Instance;
  readonly signatures: readonly (FixedSignature | undefined)[];
}

/** Runs on zeros after which V8's optimised code is in place (specs/litert.md §8). */
const warmUpRuns = 3;
/** A slow model isn't run again once this time has passed. */
const warmUpMs = 1_000;

export class WorkerModel {
  readonly #factory: ModuleFactory;
  readonly #binary: WebAssembly.Module;
  readonly #limits: Limits;
  readonly #admitted: AdmittedModel;
  /** Least recently used first. */
  #compiled: readonly Compiled[] = [];

  /** Throws what `admitModel` throws. */
  constructor(file: Uint8Array, factory: ModuleFactory, binary: WebAssembly.Module, limits: Limits) {
    this.#factory = factory;
    this.#binary = binary;
    this.#limits = limits;
    this.#admitted = admitModel(file, limits, "wasm");
  }

  get signatures(): readonly Signature[] {
    return this.#admitted.signatures;
  }

  get compiledCount(): number {
    return this.#compiled.length;
  }

  /**
   * Compiles and warms up the signatures of fixed shapes. Throws if the model can't be prepared. A model that fails on
   * zeros only (a division, an index table) is no failure of loading: its instance is dropped.
   */
  async warmUp(): Promise<void> {
    for (const [index, signature] of this.signatures.entries()) {
      if (!isFixed(signature)) continue;
      const shapes = signature.inputs.map(({shape}) => shape);
      const start = performance.now();
      try {
        for (let run = 0; run < warmUpRuns && performance.now() - start < warmUpMs; run++) {
          const fixed = (await this.#prepare(index, shapes)).signatures[index]!;
          const zeros = fixed.inputs.map(
            ({type, dims}) => new Uint8Array(engineBytes(type, dims.reduce((product, dim) => product * dim, 1))),
          );
          await this.run(index, shapes, zeros);
        }
      } catch (error) {
        if (!failsOnlyOnZeros(error)) throw error;
      }
    }
    // The zeros must not be the first call that a stateful model remembers.
    if (this.signatures.some(({stateful}) => stateful)) this.wipe();
  }

  /** One inference; the inputs' memory is overwritten. Any failure drops the instance that was used. */
  async run(
    index: number,
    shapes: readonly (readonly number[])[],
    inputs: readonly Uint8Array[],
  ): Promise<{readonly outputs: readonly Output[]; readonly engineMs: number}> {
    const compiled = await this.#prepare(index, shapes);
    const fixed = compiled.signatures[index]!;
    try {
      const {outputs, engineMs} = await compiled.instance.run(index, fixed, inputs);
      return {outputs: outputs.map((bytes, at) => ({bytes, shape: fixed.outputs[at]!.dims})), engineMs};
    } catch (error) {
      this.#drop(compiled);
      throw error;
    } finally {
      for (const bytes of inputs) bytes.fill(0);
    }
  }

  /** Overwrites all heaps. */
  wipe(): void {
    for (const compiled of this.#compiled) this.#drop(compiled);
  }

  async #prepare(index: number, shapes: readonly (readonly number[])[]): Promise<Compiled> {
    const found = this.#compiled.find(({signatures}) => {
      const fixed = signatures[index];
      return fixed?.inputs.every(({dims}, at) => `${dims}` === `${shapes[at]}`);
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
    const outputs = await outputShapes(this.#admitted, index, shapes, (file) => this.#probe(file, index), this.#limits);
    const fixed = fixShapes(this.#admitted, index, shapes, outputs, this.#limits);
    const compiled = {instance: await this.#compile(fixed), signatures: fixed.signatures};
    this.#compiled = [...this.#compiled, compiled];
    this.#evict();
    return compiled;
  }

  async #compile({file, signatures}: FixedFile): Promise<Instance> {
    const instance = await Instance.create(this.#factory, this.#binary);
    try {
      await instance.compile(file, signatures);
      return instance;
    } catch (error) {
      instance.wipe();
      throw error;
    } finally {
      // The instance has its copy; weights are as secret as inputs.
      file.fill(0);
    }
  }

  /** Output dimensions that the engine comes to on zeros, in an instance that is thrown away. */
  async #probe(fixed: FixedFile, index: number): Promise<readonly (readonly number[])[]> {
    const instance = await this.#compile(fixed);
    try {
      return await instance.probe(index, fixed.signatures[index]!);
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

/** The engine prepares a graph before its first run; what fails after that may be due to the zeros. */
function failsOnlyOnZeros(error: unknown): boolean {
  if (!(error instanceof LitertError)) return false;
  if (error.code === "ENGINE_CRASHED") return true;
  return error.code === "ENGINE_ERROR" && /failed to invoke/i.test(error.message) && !/prepare|allocate/i.test(error.message);
}
