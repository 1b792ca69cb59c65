/**
 * A `.tflite` file as plain values: what the reader gives, the writer takes, and what lowering and admission speak of.
 * Field names follow the official schema in camelCase; defaults are filled in by the reader.
 */

import type {DType, LazyBytes} from "@tf-trusted/tensor";

/** `TensorType` of the schema, in the project's dtype names; `resource` and `variant` are internal to a graph. */
export type TfliteType = DType | "resource" | "variant" | "uint4" | "int2" | "float8_e4m3fn" | "float8_e5m2";

export interface Quantization {
  readonly scale: readonly number[];
  readonly zeroPoint: readonly bigint[];
  readonly quantizedDimension: number;
  readonly min?: readonly number[];
  readonly max?: readonly number[];
  /** Schemes beyond scale and zero point (`BlockwiseQuantization` …), recognised so that they can be refused by name. */
  readonly details?: {readonly type: string; readonly value: Options};
}

export interface TfliteTensor {
  readonly name: string;
  readonly type: TfliteType;
  /** Dimensions, 1 where unknown. */
  readonly shape: readonly number[];
  /** Dimensions with -1 where unknown; absent where `shape` is exact. */
  readonly shapeSignature?: readonly number[];
  /** Index into `buffers`; 0 = no data (computed at run time). */
  readonly buffer: number;
  readonly quantization?: Quantization;
  readonly isVariable?: boolean;
  readonly hasRank?: boolean;
  /** What a `variant` or `resource` tensor holds, where the file says so. */
  readonly variantTensors?: readonly {
    readonly shape: readonly number[];
    readonly type: TfliteType;
    readonly hasRank: boolean;
  }[];
  /** Sparse tensors are recognised so that they can be refused by name. */
  readonly sparse?: boolean;
}

/**
 * Fields of an options table, by schema name in camelCase; enums as their schema names, vectors as arrays. Scalars are
 * always there (the reader fills in defaults, the writer leaves defaults out); absent vectors and strings are left out,
 * because kernels tell an absent list from an empty one (SQUEEZE).
 */
export type OptionValue =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | readonly OptionValue[]
  | {readonly [key: string]: OptionValue};
export type Options = {readonly [field: string]: OptionValue};

export interface TfliteOperator {
  /** Index into `operatorCodes`. */
  readonly opcodeIndex: number;
  /** Tensor indices; -1 = optional input left out. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Name of the options table (`Conv2DOptions`), absent where the file stores none. */
  readonly optionsType?: string;
  readonly options?: Options;
  readonly customOptions?: Uint8Array;
  readonly mutatingVariableInputs?: readonly boolean[];
  readonly intermediates?: readonly number[];
}

export interface OperatorCode {
  /** Schema name of the builtin operator, `CUSTOM` for custom ones. */
  readonly builtin: string;
  readonly version: number;
  readonly customCode?: string;
}

export interface Subgraph {
  readonly name: string;
  readonly tensors: readonly TfliteTensor[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly operators: readonly TfliteOperator[];
}

export interface SignatureDef {
  readonly key: string;
  readonly subgraph: number;
  readonly inputs: readonly {readonly name: string; readonly tensor: number}[];
  readonly outputs: readonly {readonly name: string; readonly tensor: number}[];
}

/** Weights; those of a model that is being made may be lazy. */
export type BufferData = Uint8Array | LazyBytes;

export interface TfliteModel {
  readonly version: number;
  readonly description: string;
  readonly operatorCodes: readonly OperatorCode[];
  readonly subgraphs: readonly Subgraph[];
  /** `buffers[0]` is empty. The reader gives views into the file. A constant without elements has an empty one, too. */
  readonly buffers: readonly BufferData[];
  readonly metadata: readonly {readonly name: string; readonly buffer: number}[];
  readonly signatures: readonly SignatureDef[];
}
