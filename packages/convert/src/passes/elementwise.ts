/** Operators of TensorFlow that work element by element, for passes that move others through them. */

const named = (names: readonly string[]): ReadonlySet<string> => new Set(names.map((name) => `tf.${name}`));

/** Of one operand. */
export const unaryOperators = named([
  "Abs",
  "Neg",
  "Sign",
  "Square",
  "Sqrt",
  "Rsqrt",
  "Exp",
  "Log",
  "Tanh",
  "Sigmoid",
  "Relu",
  "Relu6",
  "LeakyRelu",
  "Elu",
  "Selu",
  "Softplus",
  "Softsign",
  "Erf",
  "Floor",
  "Ceil",
  "Round",
  "Cast",
  "Identity",
  "Log1p",
  "Expm1",
]);

/** Of two, with broadcasting. */
export const binaryOperators = named([
  "Add",
  "AddV2",
  "Sub",
  "Mul",
  "RealDiv",
  "Maximum",
  "Minimum",
  "Pow",
  "SquaredDifference",
]);
