export {type Finding, type FindingCode, tfliteFindings} from "./check/finding.ts";
export {checkModel} from "./check-model.ts";
export {elements, tensorBytes} from "./element-bytes.ts";
export {
  type DynamicShape,
  type Inference,
  type InferredShape,
  inferableOperators,
  inferShapes,
  isDynamic,
  type Value,
} from "./infer-shapes.ts";
export {defaultLimits, type TfliteLimits} from "./limits.ts";
export type * from "./model.ts";
export {admitOperators, type EngineName, versionRange} from "./operators/admit.ts";
export {type Arity, arityOf} from "./operators/arity.ts";
export {checkKernels, type KernelRow, kernelRow} from "./operators/kernels.ts";
export {type OperatorNode, operatorNode, operatorVersion} from "./operators/versions.ts";
export {readModel} from "./read-model.ts";
export {type BatchedSignature, mixesRows} from "./rows/independent-rows.ts";
export {defaultOptions, optionsTableOf} from "./schema/schema.ts";
export {claimedShapes, shapesMetadata} from "./shapes/formulas.ts";
export {
  declaredShape,
  namedShapes,
  type Shapes,
  type Specialisation,
  specialise,
  specialiseModel,
} from "./specialise.ts";
export {printModel, printTensorType} from "./text.ts";
export {TfliteError, type TfliteErrorCode, tfliteErrors} from "./tflite-error.ts";
export {writeModel, writeModelParts} from "./write-model.ts";
