/**
 * The part of LiteRT's raw WASM module (Embind classes of `@litertjs/core` 2.5.3) that the engine drives. The package's
 * own wrapper knows three dtypes and loads files by script tags, hence the raw module (specs/litert.md §3.1, §3.5).
 */

/** A C++ object: lives until `delete`. */
export interface Handle {
  delete(): void;
}

export interface Vector<T> extends Handle {
  size(): number;
  get(index: number): T;
  push_back(value: T): void;
}

/** A value of an Embind enumeration. */
export interface EnumValue {
  readonly value: number;
}

export interface Layout extends Handle {
  dimensions(): Vector<number>;
}

export interface RankedTensorType extends Handle {
  elementType(): EnumValue;
  layout(): Layout;
}

export interface TensorBuffer extends Handle {
  /** Address of the data in the heap. */
  lock(mode: EnumValue): number;
  unlock(): void;
  tensorType(): RankedTensorType;
  packedSize(): number;
  size(): number;
}

export interface SimpleSignature extends Handle {
  key(): string;
  inputNames(): Vector<string>;
  outputNames(): Vector<string>;
}

export interface RawModel extends Handle {
  getNumSignatures(): number;
  getSignature(index: number): SimpleSignature;
}

export interface RawCompiledModel extends Handle {
  run(signature: number, inputs: readonly TensorBuffer[]): Promise<readonly TensorBuffer[]>;
}

export interface LitertModule {
  /** Replaced whenever the heap grows: never keep it over a call. */
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(address: number): void;
  setupLogging(): void;
  loadModel(environment: Handle, address: number, bytes: number): RawModel;
  compileModel(environment: Handle, model: RawModel, options: object): RawCompiledModel;
  readonly LiteRtEnvironment: {create(options: null): Handle};
  readonly VectorInt32: new () => Vector<number>;
  readonly LiteRtLayout: {create(dimensions: Vector<number>): Layout};
  readonly LiteRtRankedTensorType: {create(elementType: EnumValue, layout: Layout): RankedTensorType};
  readonly LiteRtTensorBufferType: {readonly HOST_MEMORY: EnumValue};
  readonly LiteRtTensorBufferLockMode: {
    readonly READ: EnumValue;
    readonly WRITE: EnumValue;
    readonly READ_WRITE: EnumValue;
  };
  readonly LiteRtTensorBuffer: {
    createManaged(environment: Handle, type: EnumValue, tensorType: RankedTensorType, bytes: number): TensorBuffer;
  };
}

/** What the script defines. */
export type ModuleFactory = (overrides: {
  readonly instantiateWasm: (
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ) => object;
  readonly print: (line: string) => void;
  readonly printErr: (line: string) => void;
}) => Promise<LitertModule>;
