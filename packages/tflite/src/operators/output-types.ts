/**
 * Which element types an operator's outputs may have. Kernels write what they compute into whatever the file declares, so a
 * false declaration (a string where floats are written) corrupts memory (run: SIGSEGV, SIGABRT).
 */

/**
 * Output types, output by output (the last holds for all that follow); alternatives with `|`. `0`, `1` …: the type of that
 * input; `numeric`: anything but strings and handles.
 */
const rows: readonly (readonly [types: string, operators: string])[] = [
  [
    "0",
    "ABS CEIL COS ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC LOG_SOFTMAX NEG RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 " +
      "ROUND RSQRT SIGN SIN SQRT SQUARE TANH ZEROS_LIKE SOFTMAX SQUEEZE L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION " +
      "AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D SPACE_TO_DEPTH DEPTH_TO_SPACE DENSIFY MATRIX_DIAG UNPACK RESHAPE CONCATENATION " +
      "PACK ADD_N ADD SUB MUL DIV POW MAXIMUM MINIMUM SQUARED_DIFFERENCE FLOOR_DIV FLOOR_MOD ATAN2 BITWISE_XOR RIGHT_SHIFT " +
      "PRELU PAD PADV2 MIRROR_PAD TILE TRANSPOSE GATHER GATHER_ND REVERSE_V2 REVERSE_SEQUENCE SEGMENT_SUM CUMSUM MEAN SUM " +
      "REDUCE_MAX REDUCE_MIN REDUCE_PROD EXPAND_DIMS BROADCAST_TO BROADCAST_ARGS MATRIX_SET_DIAG SLICE STRIDED_SLICE " +
      "SPLIT_V UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM SPACE_TO_BATCH_ND " +
      "BATCH_TO_SPACE_ND DYNAMIC_UPDATE_SLICE RANGE CONV_2D DEPTHWISE_CONV_2D CONV_3D RESIZE_BILINEAR " +
      "RESIZE_NEAREST_NEIGHBOR FAKE_QUANT DILATE REDUCE_WINDOW SVDF RNN UNIDIRECTIONAL_SEQUENCE_RNN " +
      "BIDIRECTIONAL_SEQUENCE_RNN UNIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_LSTM STABLEHLO_ADD STABLEHLO_AND " +
      "STABLEHLO_MAXIMUM STABLEHLO_MINIMUM STABLEHLO_MULTIPLY STABLEHLO_PAD STABLEHLO_REDUCE_WINDOW STABLEHLO_SHIFT_LEFT " +
      "STABLEHLO_GATHER STABLEHLO_SCATTER",
  ],
  ["1", "SPLIT SELECT SELECT_V2 FILL SCATTER_ND"],
  ["2", "ONE_HOT SPARSE_TO_DENSE TRANSPOSE_CONV CONV_3D_TRANSPOSE"],
  [
    "bool",
    "EQUAL NOT_EQUAL LESS LESS_EQUAL GREATER GREATER_EQUAL LOGICAL_AND LOGICAL_OR LOGICAL_NOT REDUCE_ANY REDUCE_ALL",
  ],
  ["int32|int64", "SHAPE ARG_MAX ARG_MIN MULTINOMIAL"],
  ["int32", "RANK BUCKETIZE"],
  ["int64", "WHERE HASHTABLE_SIZE"],
  ["0,int32|int64", "UNIQUE"],
  ["0,int32|int16", "TOPK_V2"],
  ["int32", "NON_MAX_SUPPRESSION_V4"],
  ["int32,float32,int32", "NON_MAX_SUPPRESSION_V5"],
  ["complex64", "RFFT2D"],
  ["float32|float64", "COMPLEX_ABS REAL IMAG"],
  ["float32", "RANDOM_UNIFORM RANDOM_STANDARD_NORMAL EMBEDDING_LOOKUP_SPARSE"],
  ["1|float32", "EMBEDDING_LOOKUP"],
  ["0|int32", "BATCH_MATMUL"],
  ["0|int16", "FULLY_CONNECTED"],
  ["0", "LSTM"],
  ["numeric", "CAST BITCAST"],
  ["int4|uint4|int2|int8|uint8|int16|int32|float32", "QUANTIZE"],
  ["float32|float16", "DEQUANTIZE"],
  ["resource", "VAR_HANDLE HASHTABLE"],
  ["2", "HASHTABLE_FIND"],
];

const handles: readonly string[] = ["string", "resource", "variant"];

/** For each output the alternatives: a type, `numeric`, or the index of an input. */
const table: ReadonlyMap<string, readonly (readonly string[])[]> = new Map(
  rows.flatMap(([types, operators]) => {
    const outputs = types.split(",").map((alternatives) => alternatives.split("|"));
    return operators.split(" ").map((operator) => [operator, outputs] as const);
  }),
);

/**
 * What output `index` has to be, given the types of the inputs; `undefined` if it is, or if the operator isn't in the table
 * (control flow, custom ones, tables and variables).
 */
export function wrongOutputType(
  operator: string,
  index: number,
  type: string,
  inputs: readonly (string | undefined)[],
): string | undefined {
  const outputs = table.get(operator);
  const alternatives = outputs?.[Math.min(index, outputs.length - 1)];
  if (alternatives === undefined) return undefined;
  const expected = alternatives.map((each) => (/^\d$/.test(each) ? (inputs[Number(each)] ?? "") : each));
  const fits = expected.some((each) => each === type || (each === "numeric" && !handles.includes(type)));
  return fits ? undefined : expected.join(" or ");
}
