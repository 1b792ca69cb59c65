/** Operators whose output has the shape of an input, or of inputs broadcast together. */
import {broadcast, each, require, type ShapeRules} from "./rule.ts";

export const elementwiseShapes: ShapeRules = {
  ...each(
    "ABS CEIL COS ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGICAL_NOT LOGISTIC LOG_SOFTMAX NEG RELU RELU6 RELU_0_TO_1 " +
      "RELU_N1_TO_1 ROUND RSQRT SIGN SIN SQRT SQUARE TANH ZEROS_LIKE SOFTMAX CAST QUANTIZE DEQUANTIZE FAKE_QUANT " +
      "L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION BUCKETIZE COMPLEX_ABS REAL IMAG DENSIFY CUMSUM REVERSE_V2 " +
      "REVERSE_SEQUENCE DYNAMIC_UPDATE_SLICE STABLEHLO_SCATTER",
    (node) => [node.shape(0)],
  ),
  ...each(
    "ADD SUB MUL DIV POW MAXIMUM MINIMUM SQUARED_DIFFERENCE FLOOR_DIV FLOOR_MOD EQUAL NOT_EQUAL LESS LESS_EQUAL GREATER " +
      "GREATER_EQUAL LOGICAL_AND LOGICAL_OR BITWISE_XOR RIGHT_SHIFT PRELU",
    (node) => [broadcast(node.shape(0), node.shape(1))],
  ),
  ...each(
    "STABLEHLO_ADD STABLEHLO_AND STABLEHLO_MAXIMUM STABLEHLO_MINIMUM STABLEHLO_MULTIPLY STABLEHLO_SHIFT_LEFT",
    (node) => {
      require(node.shape(0).join() === node.shape(1).join(), `[${node.shape(0)}] and [${node.shape(1)}] differ`);
      return [node.shape(0)];
    },
  ),
  // Neither broadcasts: the kernels take the first shape and read past the other operands (run).
  ...each("ATAN2 ADD_N", (node) => {
    const first = node.shape(0);
    for (let index = 1; index < node.inputCount; index++) {
      require(node.shape(index).join() === first.join(), `[${first}] and [${node.shape(index)}] differ`);
    }
    return [first];
  }),
  MATRIX_SET_DIAG: (node) => {
    const [input, diagonal] = [node.shape(0), node.shape(1)];
    const length = Math.min(...input.slice(-2));
    require(input.length >= 2 &&
      diagonal.join() === [...input.slice(0, -2), length].join(), `[${diagonal}] as the diagonal of [${input}]`);
    return [input];
  },
  // The condition may be of rank 1 and pick rows; it never broadcasts.
  SELECT: (node) => {
    require(node.shape(1).join() === node.shape(2).join(), `[${node.shape(1)}] and [${node.shape(2)}] differ`);
    return [node.shape(1)];
  },
  SELECT_V2: (node) => [broadcast(node.shape(0), broadcast(node.shape(1), node.shape(2)))],
};
