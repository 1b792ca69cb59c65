/**
 * The `tfl` dialect: TensorFlow Lite's operators as the lowering emits them. Attributes are the fields of the options
 * table (`data/tflite-schema.json`) in camelCase. A row says which options table there is, which dtypes the CPU kernel
 * computes rightly without quantisation (specs/convert.md §6.2, §6.3), and the types of the outputs.
 */
import type {DType} from "@tf-trusted/tensor";
import {unknownDim} from "../../ir/dims.ts";
import type {ValueDType} from "../../ir/graph.ts";
import {
  booleanAttribute,
  numberAttribute,
  type Operator,
  operatorTable,
  type Site,
  stringAttribute,
} from "../../ir/operators.ts";
import {broadcastShapes, concatenatedShape, integersOf, normalAxis, reducedShape} from "../shapes.ts";
import {tfTable} from "../tf/index.ts";

export interface TflOperator extends Operator {
  /** Name of the options table; absent where the operator has none. */
  readonly options?: string;
  /** Dtypes that the kernel computes rightly; absent: all that can be in a file. */
  readonly accepts?: readonly ValueDType[];
}

type Infer = Operator["infer"];

const float: readonly DType[] = ["float32"];
const floatInt: readonly DType[] = ["float32", "int32"];
const numeric: readonly DType[] = ["float32", "int32", "int64"];
const common: readonly DType[] = ["float32", "int8", "int16", "int32", "int64", "uint8"];
const movable: readonly DType[] = [...common, "bool"];

const same: Infer = ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape}];
const binary: Infer = (site) => [
  {dtype: site.inputs[0]!.dtype, shape: broadcastShapes(site, site.inputs[0]!.shape, site.inputs[1]!.shape)},
];
const comparison: Infer = (site) => [{...binary(site)[0]!, dtype: "bool"}];
const reducer: Infer = (site) => [
  {
    dtype: site.inputs[0]!.dtype,
    shape: reducedShape(site, site.inputs[0]!.shape, integersOf(site, 1), booleanAttribute(site, "keepDims")),
  },
];

/** What the operator of TensorFlow with the same operands gives; attributes by their names there. */
const asTensorFlow =
  (name: string, attributes: (site: Site) => Site["attributes"] = () => ({})): Infer =>
  (site) =>
    tfTable
      .get(`tf.${name}`)!
      .infer({...site, attributes: attributes(site)})
      .map(({dtype, shape}) => ({dtype, shape}));

const cast: Infer = (site) => [
  {dtype: stringAttribute(site, "outDataType").toLowerCase() as DType, shape: site.inputs[0]!.shape},
];

/** Operators whose outputs' types the lowering always gives: they are the source operator's. */
const given: Infer = (site) => {
  throw new TypeError(`${site.op}: the lowering gives the types`);
};

const row = (name: string, infer: Infer, options?: string, accepts?: readonly ValueDType[]): TflOperator => ({
  name: `tfl.${name}`,
  infer,
  ...(options === undefined ? {} : {options}),
  ...(accepts === undefined ? {} : {accepts}),
});

export const tflOperators: readonly TflOperator[] = [
  row("ADD", binary, "AddOptions", numeric),
  row("SUB", binary, "SubOptions", numeric),
  row("MUL", binary, "MulOptions", [...numeric, "complex64"]),
  row("DIV", binary, "DivOptions", floatInt),
  row("FLOOR_DIV", binary, "FloorDivOptions", floatInt),
  row("FLOOR_MOD", binary, "FloorModOptions", numeric),
  row("MAXIMUM", binary, "MaximumMinimumOptions", common),
  row("MINIMUM", binary, "MaximumMinimumOptions", common),
  row("POW", binary, "PowOptions", floatInt),
  row("SQUARED_DIFFERENCE", binary, "SquaredDifferenceOptions", floatInt),
  row("ATAN2", same, "ATan2Options", float),
  row("BITWISE_XOR", binary, "BitwiseXorOptions", ["int8", "int16", "int32", "uint8", "uint16", "uint32"]),
  row("RIGHT_SHIFT", binary, "RightShiftOptions", ["int8", "int16", "int32", "uint8", "uint16", "uint32"]),
  row("LESS", comparison, "LessOptions", numeric),
  row("LESS_EQUAL", comparison, "LessEqualOptions", numeric),
  row("GREATER", comparison, "GreaterOptions", numeric),
  row("GREATER_EQUAL", comparison, "GreaterEqualOptions", numeric),
  row("EQUAL", comparison, "EqualOptions", [...numeric, "bool", "string"]),
  row("NOT_EQUAL", comparison, "NotEqualOptions", [...numeric, "bool", "string"]),
  row("LOGICAL_AND", comparison, "LogicalAndOptions", ["bool"]),
  row("LOGICAL_OR", comparison, "LogicalOrOptions", ["bool"]),
  row("LOGICAL_NOT", same, "LogicalNotOptions", ["bool"]),
  row("ABS", same, "AbsOptions", floatInt),
  row("NEG", same, "NegOptions", numeric),
  row("SIGN", same, "SignOptions", floatInt),
  row("CEIL", same, undefined, float),
  row("FLOOR", same, undefined, float),
  row("ROUND", same, undefined, float),
  row("EXP", same, "ExpOptions", float),
  row("LOG", same, undefined, float),
  row("SQRT", same, undefined, float),
  row("RSQRT", same, undefined, float),
  row("SQUARE", same, "SquareOptions", float),
  row("SIN", same, undefined, float),
  row("COS", same, "CosOptions", float),
  row("TANH", same, undefined, float),
  row("LOGISTIC", same, undefined, float),
  row("RELU", same, undefined, float),
  row("RELU6", same, undefined, float),
  row("RELU_N1_TO_1", same, undefined, float),
  row("LEAKY_RELU", same, "LeakyReluOptions", float),
  row("ELU", same, undefined, float),
  row("GELU", same, "GeluOptions", float),
  row("HARD_SWISH", same, "HardSwishOptions", float),
  row("PRELU", same, undefined, float),
  row("SOFTMAX", same, "SoftmaxOptions", float),
  row("LOG_SOFTMAX", same, "LogSoftmaxOptions", float),
  row("L2_NORMALIZATION", same, "L2NormOptions", float),
  row("LOCAL_RESPONSE_NORMALIZATION", same, "LocalResponseNormalizationOptions", float),
  row("CUMSUM", same, "CumsumOptions", numeric),
  row("REVERSE_V2", same, "ReverseV2Options", movable),
  row("REVERSE_SEQUENCE", same, "ReverseSequenceOptions", ["float32", "int16", "int32", "int64", "uint8"]),
  row("MATRIX_SET_DIAG", same, "MatrixSetDiagOptions"),
  row("FAKE_QUANT", same, "FakeQuantOptions", float),
  row("ZEROS_LIKE", same, "ZerosLikeOptions", numeric),
  row("CAST", cast, "CastOptions"),
  row("QUANTIZE", given, "QuantizeOptions"),
  row("DEQUANTIZE", given, "DequantizeOptions"),
  row(
    "SELECT_V2",
    (site) => [{dtype: site.inputs[1]!.dtype, shape: broadcastShapes(site, ...site.inputs.map((i) => i.shape))}],
    "SelectV2Options",
  ),
  row("SELECT", (site) => [{dtype: site.inputs[1]!.dtype, shape: site.inputs[1]!.shape}], "SelectOptions"),
  row("SUM", reducer, "ReducerOptions", numeric),
  row("MEAN", reducer, "ReducerOptions", numeric),
  row("REDUCE_PROD", reducer, "ReducerOptions", numeric),
  row("REDUCE_MAX", reducer, "ReducerOptions", common),
  row("REDUCE_MIN", reducer, "ReducerOptions", common),
  row("REDUCE_ANY", reducer, "ReducerOptions", ["bool"]),
  row("REDUCE_ALL", reducer, "ReducerOptions", ["bool"]),
  row("SHAPE", (site) => [{dtype: "int32", shape: [site.inputs[0]!.shape?.length ?? unknownDim]}], "ShapeOptions"),
  row("TRANSPOSE", asTensorFlow("Transpose"), "TransposeOptions"),
  row("PAD", asTensorFlow("Pad"), "PadOptions", movable),
  row("PADV2", asTensorFlow("PadV2"), "PadV2Options", movable),
  row("MIRROR_PAD", asTensorFlow("MirrorPad"), "MirrorPadOptions"),
  row("SLICE", asTensorFlow("Slice"), "SliceOptions"),
  row("TILE", asTensorFlow("Tile"), "TileOptions"),
  row("BROADCAST_TO", asTensorFlow("BroadcastTo"), "BroadcastToOptions"),
  row("FILL", asTensorFlow("Fill"), "FillOptions"),
  row(
    "BATCH_MATMUL",
    asTensorFlow("BatchMatMulV2", (site) => ({
      adj_x: site.attributes.adjX ?? false,
      adj_y: site.attributes.adjY ?? false,
    })),
    "BatchMatMulOptions",
    float,
  ),
  row(
    "GATHER",
    (site) => {
      const axis = numberAttribute(site, "axis", 0);
      const [params, indices] = site.inputs;
      if (!params!.shape || !indices!.shape) return [{dtype: params!.dtype, shape: undefined}];
      const at = normalAxis(site, axis, params!.shape.length);
      const tail = indices!.shape.slice(numberAttribute(site, "batchDims", 0));
      return [{dtype: params!.dtype, shape: [...params!.shape.slice(0, at), ...tail, ...params!.shape.slice(at + 1)]}];
    },
    "GatherOptions",
    [...movable, "string"],
  ),
  row(
    "CONCATENATION",
    (site) => [
      {
        dtype: site.inputs[0]!.dtype,
        shape: concatenatedShape(
          site,
          site.inputs.map((i) => i.shape),
          numberAttribute(site, "axis"),
        ),
      },
    ],
    "ConcatenationOptions",
    [...movable, "uint32"],
  ),
  row(
    "PACK",
    asTensorFlow("Pack", (site) => ({axis: numberAttribute(site, "axis", 0)})),
    "PackOptions",
    [...common, "uint32"],
  ),
  row("RESHAPE", given, "ReshapeOptions"),
  row("SQUEEZE", given, "SqueezeOptions"),
  row("EXPAND_DIMS", given, "ExpandDimsOptions"),
  row("STRIDED_SLICE", given, "StridedSliceOptions"),
  row("SPLIT", given, "SplitOptions", common),
  row("SPLIT_V", given, "SplitVOptions", common),
  row("UNPACK", given, "UnpackOptions", ["float32", "int8", "int16", "int32", "uint8", "bool"]),
  row("WHILE", given, "WhileOptions"),
  // State: emitted after all passes (tflite/variables.ts).
  row("CALL_ONCE", given, "CallOnceOptions"),
  row("VAR_HANDLE", given, "VarHandleOptions"),
  row("READ_VARIABLE", given, "ReadVariableOptions"),
  row("ASSIGN_VARIABLE", given, "AssignVariableOptions"),
  row("DYNAMIC_UPDATE_SLICE", given, "DynamicUpdateSliceOptions", [...movable, "float16", "complex64"]),
  row("CONV_2D", given, "Conv2DOptions", float),
  row("DEPTHWISE_CONV_2D", given, "DepthwiseConv2DOptions", float),
  row("TRANSPOSE_CONV", given, "TransposeConvOptions", float),
  row("CONV_3D", given, "Conv3DOptions", float),
  row("CONV_3D_TRANSPOSE", given, "Conv3DOptions", float),
  row("FULLY_CONNECTED", given, "FullyConnectedOptions", float),
  row("MAX_POOL_2D", given, "Pool2DOptions", float),
  row("AVERAGE_POOL_2D", given, "Pool2DOptions", float),
  row("RESIZE_BILINEAR", given, "ResizeBilinearOptions", float),
  row("RESIZE_NEAREST_NEIGHBOR", given, "ResizeNearestNeighborOptions", ["float32", "int8", "int16", "int32", "uint8"]),
  row("SPACE_TO_DEPTH", given, "SpaceToDepthOptions", ["float32", "int32", "int64", "uint8"]),
  row("DEPTH_TO_SPACE", given, "DepthToSpaceOptions", ["float32", "int32", "int64", "uint8"]),
  row("SPACE_TO_BATCH_ND", given, "SpaceToBatchNDOptions"),
  row("BATCH_TO_SPACE_ND", given, "BatchToSpaceNDOptions"),
  row("ARG_MAX", given, "ArgMaxOptions", floatInt),
  row("ARG_MIN", given, "ArgMinOptions", floatInt),
  row("TOPK_V2", given, "TopKV2Options", common),
  row("ONE_HOT", given, "OneHotOptions", ["float32", "int32", "int64", "bool"]),
  row("GATHER_ND", given, "GatherNdOptions", movable),
  row("SCATTER_ND", given, "ScatterNdOptions", floatInt),
  row("RANGE", given, "RangeOptions", numeric),
  row("BITCAST", given, "BitcastOptions"),
  row("BROADCAST_ARGS", given, undefined, ["int32", "int64"]),
  row("WHERE", given, "WhereOptions", ["float32", "int32", "int64", "bool"]),
  row("UNIQUE", given, "UniqueOptions", common),
  row("MATRIX_DIAG", given, "MatrixDiagOptions", movable),
  row("SPARSE_TO_DENSE", given, "SparseToDenseOptions", numeric),
  row("SEGMENT_SUM", given, "SegmentSumOptions", floatInt),
  row("UNSORTED_SEGMENT_SUM", given, "UnsortedSegmentSumOptions", floatInt),
  row("UNSORTED_SEGMENT_MAX", given, "UnsortedSegmentMaxOptions", floatInt),
  row("UNSORTED_SEGMENT_MIN", given, "UnsortedSegmentMinOptions", floatInt),
  row("UNSORTED_SEGMENT_PROD", given, "UnsortedSegmentProdOptions", floatInt),
  row("BUCKETIZE", given, "BucketizeOptions", ["float32", "int32", "int64"]),
  row("NON_MAX_SUPPRESSION_V4", given, "NonMaxSuppressionV4Options", float),
  row("NON_MAX_SUPPRESSION_V5", given, "NonMaxSuppressionV5Options", float),
  row("COMPLEX_ABS", given),
  row("REAL", given),
  row("IMAG", given),
  row("RFFT2D", given, "Rfft2dOptions", float),
  row("RANDOM_UNIFORM", given, "RandomOptions"),
  row("RANDOM_STANDARD_NORMAL", given, "RandomOptions"),
];

export const tflTable: ReadonlyMap<string, TflOperator> = new Map(tflOperators.map((each) => [each.name, each]));

/** Both dialects: what a graph holds while it is being lowered. */
export const mixedTable = operatorTable([...tfTable.values()], tflOperators);
