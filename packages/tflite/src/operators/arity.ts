/**
 * How many inputs and outputs each operator takes. Kernels mostly check, not always before use: DEPTHWISE_CONV_2D with two
 * inputs kills the process (specs/convert.md §6.4), so all are checked here.
 */

/** Counts are inclusive; `optional` lists the inputs that may be left out (-1). */
export interface Arity {
  readonly inputs: readonly [min: number, max: number];
  readonly outputs: readonly [min: number, max: number];
  readonly optional: readonly number[];
}

const many = Number.POSITIVE_INFINITY;

/** `"2>1"`: two inputs, one output; `"1-*>1"`: one or more inputs. Then the operators, `/i,j` behind one: optional inputs. */
const rows: readonly (readonly [counts: string, operators: string])[] = [
  ["0>0", "CALL_ONCE"],
  ["0>1", "VAR_HANDLE HASHTABLE"],
  [
    "1>1",
    "ABS CEIL COS ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGICAL_NOT LOGISTIC LOG_SOFTMAX NEG RELU RELU6 RELU_0_TO_1 " +
      "RELU_N1_TO_1 ROUND RSQRT SIGN SIN SQRT SQUARE TANH ZEROS_LIKE SOFTMAX CAST QUANTIZE DEQUANTIZE FAKE_QUANT SHAPE RANK " +
      "SQUEEZE L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D SPACE_TO_DEPTH " +
      "DEPTH_TO_SPACE BITCAST BUCKETIZE COMPLEX_ABS REAL IMAG DENSIFY WHERE MATRIX_DIAG READ_VARIABLE HASHTABLE_SIZE " +
      "RANDOM_STANDARD_NORMAL RANDOM_UNIFORM SKIP_GRAM",
  ],
  ["1>2", "UNIQUE STABLEHLO_RNG_BIT_GENERATOR"],
  ["1>1-*", "UNPACK"],
  ["1-2>1", "RESHAPE"],
  ["1-*>1", "CONCATENATION PACK ADD_N"],
  ["2>0", "ASSIGN_VARIABLE"],
  [
    "2>1",
    "ADD SUB MUL DIV POW MAXIMUM MINIMUM SQUARED_DIFFERENCE FLOOR_DIV FLOOR_MOD ATAN2 EQUAL NOT_EQUAL LESS LESS_EQUAL " +
      "GREATER GREATER_EQUAL LOGICAL_AND LOGICAL_OR BITWISE_XOR RIGHT_SHIFT PRELU BATCH_MATMUL PAD MIRROR_PAD TILE " +
      "TRANSPOSE GATHER GATHER_ND FILL REVERSE_V2 REVERSE_SEQUENCE SEGMENT_SUM CUMSUM ARG_MAX ARG_MIN MEAN SUM REDUCE_MAX " +
      "REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR EXPAND_DIMS BROADCAST_TO " +
      "BROADCAST_ARGS EMBEDDING_LOOKUP MATRIX_SET_DIAG RFFT2D MULTINOMIAL STABLEHLO_ADD STABLEHLO_AND STABLEHLO_GATHER " +
      "STABLEHLO_MAXIMUM STABLEHLO_MINIMUM STABLEHLO_MULTIPLY STABLEHLO_PAD STABLEHLO_REDUCE_WINDOW STABLEHLO_SHIFT_LEFT",
  ],
  ["2>2", "TOPK_V2"],
  ["2>1-*", "SPLIT"],
  ["2-3>1", "CONV_3D/2 LSH_PROJECTION/2"],
  ["2-3>1-2", "FULLY_CONNECTED/2"],
  ["3>0", "HASHTABLE_IMPORT"],
  [
    "3>1",
    "CONV_2D DEPTHWISE_CONV_2D SLICE PADV2 RANGE SCATTER_ND SELECT SELECT_V2 UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN " +
      "UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND HASHTABLE_FIND DYNAMIC_UPDATE_SLICE " +
      "DILATE STABLEHLO_SCATTER",
  ],
  ["3>2", "HASHTABLE_LOOKUP"],
  ["3>1-*", "SPLIT_V"],
  ["3-4>1", "TRANSPOSE_CONV/3 CONV_3D_TRANSPOSE/3"],
  ["4>1", "STRIDED_SLICE ONE_HOT SPARSE_TO_DENSE"],
  ["5>1", "EMBEDDING_LOOKUP_SPARSE RNN UNIDIRECTIONAL_SEQUENCE_RNN SVDF/3 REDUCE_WINDOW"],
  ["5>2", "NON_MAX_SUPPRESSION_V4"],
  ["6>3", "NON_MAX_SUPPRESSION_V5"],
  ["12>1-2", "BIDIRECTIONAL_SEQUENCE_RNN/4,8,9,10,11"],
  ["5-24>1-4", "LSTM/1,5,9,10,11,12,16,17,20,21,22,23"],
  ["20-24>1", "UNIDIRECTIONAL_SEQUENCE_LSTM/1,2,3,4,5,6,7,8,9,10,11,12,16,17,20,21,22,23"],
  ["48>1-2", "BIDIRECTIONAL_SEQUENCE_LSTM/1,5,9,10,11,12,16,17,18,22,26,27,28,29,33,34,39,40,41,42,43,44,45,46,47"],
  ["1-*>0-*", "IF"],
  ["1-*>1-*", "WHILE STABLEHLO_CASE"],
  ["0-*>0-*", "STABLEHLO_COMPOSITE"],
  ["3>4", "TFLite_Detection_PostProcess"],
  ["2>1", "Mfcc NumericVerify MaxUnpooling2D"],
  ["1>1", "AudioSpectrogram aeq.hadamard_rotation"],
  ["1>2", "MaxPoolingWithArgmax2D"],
  ["2-3>1", "Convolution2DTransposeBias"],
];

const table: ReadonlyMap<string, Arity> = new Map(
  rows.flatMap(([counts, operators]) => {
    const [inputs, outputs] = counts.split(">").map(range) as [Arity["inputs"], Arity["outputs"]];
    return operators.split(" ").map((entry): [string, Arity] => {
      const [name, optional] = entry.split("/") as [string, string?];
      return [name, {inputs, outputs, optional: optional === undefined ? [] : optional.split(",").map(Number)}];
    });
  }),
);

/** What an operator (a custom one by its code) takes; `undefined` where it isn't known. */
export function arityOf(operator: string): Arity | undefined {
  return table.get(operator);
}

function range(text: string): readonly [number, number] {
  const [min, max = min] = text.split("-") as [string, string?];
  return [Number(min), max === "*" ? many : Number(max)];
}
