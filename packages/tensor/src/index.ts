export {type DType, dtypes, isDType} from "./dtype.ts";
export {elementCount, type Shape, Tensor, TensorError, tensorErrors} from "./tensor.ts";
