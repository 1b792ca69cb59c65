/**
 * The messages of tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape,types,function,op_def}.proto,
 * as far as a converter reads them. One table serves the binary and the text reader.
 */
import type {DType} from "@tf-trusted/tensor";
import type {MessageTable} from "../../bytes/wire.ts";

/** `DataType` of types.proto, in the project's names where it has them. Reference types are these plus 100. */
export const dataTypes: Readonly<Record<number, DType | "resource" | "variant">> = {
  1: "float32",
  2: "float64",
  3: "int32",
  4: "uint8",
  5: "int16",
  6: "int8",
  7: "string",
  8: "complex64",
  9: "int64",
  10: "bool",
  // Quantised types are read as the integers that they hold; their ranges are tensors of their own.
  11: "int8",
  12: "uint8",
  13: "int32",
  14: "bfloat16",
  15: "int16",
  16: "uint16",
  17: "uint16",
  18: "complex128",
  19: "float16",
  20: "resource",
  21: "variant",
  22: "uint32",
  23: "uint64",
  29: "int4",
};

/** Names of types in the text format (DT_…), and, in lower case, in the operator registry. */
export const dataTypeNumbers: Readonly<Record<string, number>> = {
  DT_INVALID: 0,
  DT_FLOAT: 1,
  DT_DOUBLE: 2,
  DT_INT32: 3,
  DT_UINT8: 4,
  DT_INT16: 5,
  DT_INT8: 6,
  DT_STRING: 7,
  DT_COMPLEX64: 8,
  DT_INT64: 9,
  DT_BOOL: 10,
  DT_QINT8: 11,
  DT_QUINT8: 12,
  DT_QINT32: 13,
  DT_BFLOAT16: 14,
  DT_QINT16: 15,
  DT_QUINT16: 16,
  DT_UINT16: 17,
  DT_COMPLEX128: 18,
  DT_HALF: 19,
  DT_RESOURCE: 20,
  DT_VARIANT: 21,
  DT_UINT32: 22,
  DT_UINT64: 23,
  DT_FLOAT8_E5M2: 24,
  DT_FLOAT8_E4M3FN: 25,
  DT_INT4: 29,
  DT_UINT4: 30,
};

const dim: MessageTable = {1: {name: "size", kind: "int64"}, 2: {name: "name", kind: "string"}};

export const tensorShape: MessageTable = {
  2: {name: "dim", kind: "message", repeated: true, message: () => dim},
  3: {name: "unknown_rank", kind: "bool"},
};

export const tensorProto: MessageTable = {
  1: {name: "dtype", kind: "enum", values: dataTypeNumbers},
  2: {name: "tensor_shape", kind: "message", message: () => tensorShape},
  3: {name: "version_number", kind: "int32"},
  4: {name: "tensor_content", kind: "bytes"},
  5: {name: "float_val", kind: "float", repeated: true},
  6: {name: "double_val", kind: "double", repeated: true},
  7: {name: "int_val", kind: "int32", repeated: true},
  8: {name: "string_val", kind: "bytes", repeated: true},
  9: {name: "scomplex_val", kind: "float", repeated: true},
  10: {name: "int64_val", kind: "int64", repeated: true},
  11: {name: "bool_val", kind: "bool", repeated: true},
  12: {name: "dcomplex_val", kind: "double", repeated: true},
  13: {name: "half_val", kind: "int32", repeated: true},
  16: {name: "uint32_val", kind: "uint32", repeated: true},
  17: {name: "uint64_val", kind: "uint64", repeated: true},
  18: {name: "float8_val", kind: "bytes"},
};

const listValue: MessageTable = {
  2: {name: "s", kind: "bytes", repeated: true},
  3: {name: "i", kind: "int64", repeated: true},
  4: {name: "f", kind: "float", repeated: true},
  5: {name: "b", kind: "bool", repeated: true},
  6: {name: "type", kind: "enum", repeated: true, values: dataTypeNumbers},
  7: {name: "shape", kind: "message", repeated: true, message: () => tensorShape},
  8: {name: "tensor", kind: "message", repeated: true, message: () => tensorProto},
  9: {name: "func", kind: "message", repeated: true, message: () => nameAttrList},
};

export const attrValue: MessageTable = {
  1: {name: "list", kind: "message", message: () => listValue},
  2: {name: "s", kind: "bytes"},
  3: {name: "i", kind: "int64"},
  4: {name: "f", kind: "float"},
  5: {name: "b", kind: "bool"},
  6: {name: "type", kind: "enum", values: dataTypeNumbers},
  7: {name: "shape", kind: "message", message: () => tensorShape},
  8: {name: "tensor", kind: "message", message: () => tensorProto},
  9: {name: "placeholder", kind: "string"},
  10: {name: "func", kind: "message", message: () => nameAttrList},
};

const nameAttrList: MessageTable = {
  1: {name: "name", kind: "string"},
  2: {name: "attr", kind: "map", message: () => attrValue},
};

export const nodeDef: MessageTable = {
  1: {name: "name", kind: "string"},
  2: {name: "op", kind: "string"},
  3: {name: "input", kind: "string", repeated: true},
  4: {name: "device", kind: "string"},
  5: {name: "attr", kind: "map", message: () => attrValue},
};

const argDef: MessageTable = {
  1: {name: "name", kind: "string"},
  2: {name: "description", kind: "string"},
  3: {name: "type", kind: "enum", values: dataTypeNumbers},
  4: {name: "type_attr", kind: "string"},
  5: {name: "number_attr", kind: "string"},
  6: {name: "type_list_attr", kind: "string"},
};

const opDef: MessageTable = {
  1: {name: "name", kind: "string"},
  2: {name: "input_arg", kind: "message", repeated: true, message: () => argDef},
  3: {name: "output_arg", kind: "message", repeated: true, message: () => argDef},
};

/** An entry of map<string, string>. */
const stringPair: MessageTable = {1: {name: "key", kind: "string"}, 2: {name: "value", kind: "string"}};

const functionDef: MessageTable = {
  1: {name: "signature", kind: "message", message: () => opDef},
  3: {name: "node_def", kind: "message", repeated: true, message: () => nodeDef},
  4: {name: "ret", kind: "message", repeated: true, message: () => stringPair},
  6: {name: "control_ret", kind: "message", repeated: true, message: () => stringPair},
};

const library: MessageTable = {1: {name: "function", kind: "message", repeated: true, message: () => functionDef}};

const versions: MessageTable = {
  1: {name: "producer", kind: "int32"},
  2: {name: "min_consumer", kind: "int32"},
  3: {name: "bad_consumers", kind: "int32", repeated: true},
};

export const graphDef: MessageTable = {
  1: {name: "node", kind: "message", repeated: true, message: () => nodeDef},
  2: {name: "library", kind: "message", message: () => library},
  3: {name: "version", kind: "int32"},
  4: {name: "versions", kind: "message", message: () => versions},
};
