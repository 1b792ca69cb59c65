/** Tensors ↔ messages. Elements are passed as they are: a message holds a tensor's own bytes, and the other way round. */
import {create} from "@bufbuild/protobuf";
import {type DType, dtypes, encodeStrings, Tensor} from "@tf-trusted/tensor";
import {DataType, type NamedTensor, NamedTensorSchema} from "./gen/tf_trusted/v1/tensor_pb.ts";
import {ProtocolError} from "./protocol-error.ts";

/** The most dimensions and tensors that a message may have. */
export const tensorLimits = {dimensions: 64, tensors: 1024, nameLength: 1024} as const;

const dataTypes: Readonly<Record<DType, DataType>> = {
  float16: DataType.FLOAT16,
  bfloat16: DataType.BFLOAT16,
  float32: DataType.FLOAT32,
  float64: DataType.FLOAT64,
  int4: DataType.INT4,
  int8: DataType.INT8,
  int16: DataType.INT16,
  int32: DataType.INT32,
  int64: DataType.INT64,
  uint8: DataType.UINT8,
  uint16: DataType.UINT16,
  uint32: DataType.UINT32,
  uint64: DataType.UINT64,
  bool: DataType.BOOL,
  string: DataType.STRING,
  complex64: DataType.COMPLEX64,
  complex128: DataType.COMPLEX128,
};
const dtypeOf = new Map((Object.keys(dtypes) as DType[]).map((dtype) => [dataTypes[dtype], dtype]));

export function dtypeToMessage(dtype: DType): DataType {
  return dataTypes[dtype];
}

/** Throws `TENSOR_MESSAGE` for an unknown type. */
export function dtypeFromMessage(dataType: DataType): DType {
  const dtype = dtypeOf.get(dataType);
  if (dtype === undefined) throw new ProtocolError("TENSOR_MESSAGE", `data type ${dataType} is not known`);
  return dtype;
}

/** One message a tensor, in the order of `tensors`. Not copied, but for strings, which are views. */
export function tensorsToMessages(tensors: Readonly<Record<string, Tensor>>): NamedTensor[] {
  return Object.entries(tensors).map(([name, tensor]) =>
    create(NamedTensorSchema, {
      name,
      dataType: dataTypes[tensor.dtype],
      shape: tensor.shape.map(BigInt),
      ...(tensor.dtype === "string"
        ? {strings: tensor.stringBytes() as Uint8Array<ArrayBuffer>[]}
        : {data: tensor.bytes as Uint8Array<ArrayBuffer>}),
    }),
  );
}

/**
 * Tensors by name, views of the messages' bytes. Throws `TENSOR_MESSAGE`, and what `Tensor` says of sizes and values
 * (`TENSOR_SIZE`, `TENSOR_SHAPE`, `TENSOR_VALUE`).
 */
export function tensorsFromMessages(messages: readonly NamedTensor[]): Record<string, Tensor> {
  if (messages.length > tensorLimits.tensors) {
    throw new ProtocolError("TENSOR_MESSAGE", `${messages.length} tensors, ${tensorLimits.tensors} at most`);
  }
  // No prototype: a tensor may be called __proto__.
  const tensors: Record<string, Tensor> = Object.create(null) as Record<string, Tensor>;
  for (const message of messages) {
    const {name} = message;
    if (name === "" || name.length > tensorLimits.nameLength) {
      throw new ProtocolError("TENSOR_MESSAGE", `a name of ${name.length} characters, expected 1 to 1024`);
    }
    if (name in tensors) throw new ProtocolError("TENSOR_MESSAGE", `tensor ${JSON.stringify(name)} occurs twice`);
    tensors[name] = tensorFromMessage(message);
  }
  return tensors;
}

function tensorFromMessage({name, dataType, shape, data, strings}: NamedTensor): Tensor {
  const refuse = (problem: string) => new ProtocolError("TENSOR_MESSAGE", `tensor ${JSON.stringify(name)}: ${problem}`);
  const dtype = dtypeOf.get(dataType);
  if (dtype === undefined) throw refuse(`data type ${dataType} is not known`);
  if (shape.length > tensorLimits.dimensions) throw refuse(`${shape.length} dimensions`);
  const wrong = shape.find((dimension) => dimension < 0n || dimension > BigInt(Number.MAX_SAFE_INTEGER));
  if (wrong !== undefined) throw refuse(`a dimension of ${wrong}`);
  const dimensions = shape.map(Number);
  if (dtype !== "string") {
    if (strings.length > 0) throw refuse(`${dtype} with strings`);
    return new Tensor(dtype, dimensions, data);
  }
  if (data.length > 0) throw refuse("string with data; its elements belong in `strings`");
  const count = dimensions.reduce((product, dimension) => product * dimension, 1);
  if (count !== strings.length) throw refuse(`${strings.length} strings for a shape of ${count} elements`);
  return new Tensor(dtype, dimensions, encodeStrings(strings));
}
