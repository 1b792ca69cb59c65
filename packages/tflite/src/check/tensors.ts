/** Tensors by themselves: shapes, sizes, constants, quantisation (specs/litert.md §4, §10.2). */
import {bytesOf} from "@tf-trusted/tensor";
import {elements, tensorBytes} from "../element-bytes.ts";
import type {TfliteLimits} from "../limits.ts";
import type {Quantization, TfliteModel, TfliteTensor} from "../model.ts";
import type {Findings, Place} from "./finding.ts";

/** Kernels keep shapes in arrays of 8. */
export const MAX_RANK = 8;

/** Zero points that a quantised type can hold. */
const zeroPointRange: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int2: [-2n, 1n],
  int4: [-8n, 7n],
  uint4: [0n, 15n],
  int8: [-128n, 127n],
  uint8: [0n, 255n],
  int16: [-32768n, 32767n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

export function checkTensors(model: TfliteModel, findings: Findings, limits: TfliteLimits): void {
  let total = 0;
  model.subgraphs.forEach(({tensors}, subgraph) => {
    tensors.forEach((tensor, index) => {
      const place = {subgraph, tensor: index};
      if (tensor.sparse === true) findings.add(model, "SPARSE", place, "is stored sparse; expected dense values");
      if (!checkShape(model, tensor, place, findings)) return;
      const bytes = tensorBytes(tensor.type, tensor.shape) ?? elements(tensor.shape);
      total += bytes;
      if (bytes > limits.maxTensorBytes) {
        findings.add(model, "LIMIT", place, `takes ${bytes} bytes; the limit is ${limits.maxTensorBytes}`);
        return;
      }
      checkConstant(model, tensor, place, findings);
      const problem = tensor.quantization && quantizationProblem(tensor, tensor.quantization);
      if (problem !== undefined) findings.add(model, "QUANTIZATION", place, problem);
    });
  });
  if (total > limits.maxTotalTensorBytes) {
    findings.add(model, "LIMIT", {}, `all tensors take ${total} bytes; the limit is ${limits.maxTotalTensorBytes}`);
  }
}

function checkShape(model: TfliteModel, tensor: TfliteTensor, place: Place, findings: Findings): boolean {
  const {shape, shapeSignature} = tensor;
  if (shape.length > MAX_RANK) {
    findings.add(model, "SHAPE", place, `has ${shape.length} dimensions; kernels take ${MAX_RANK} at most`);
    return false;
  }
  if (shape.some((dimension) => dimension < 0)) {
    findings.add(model, "SHAPE", place, `has the shape [${shape}]; expected dimensions >= 0`);
    return false;
  }
  if (shapeSignature === undefined) return true;
  const fits =
    shapeSignature.length === shape.length &&
    shapeSignature.every((dimension, axis) => dimension === -1 || dimension === shape[axis]);
  if (!fits) {
    findings.add(
      model,
      "SHAPE",
      place,
      `has the shape [${shape}], which its signature [${shapeSignature}] contradicts`,
    );
  }
  return fits;
}

function checkConstant(model: TfliteModel, tensor: TfliteTensor, place: Place, findings: Findings): void {
  const data = model.buffers[tensor.buffer]!;
  if (tensor.buffer === 0 || data.length === 0) return;
  if (tensor.isVariable === true) {
    findings.add(model, "CONSTANT", place, "is a variable with data; engines take initial values by assignment only");
    return;
  }
  if (tensor.type === "string") {
    const problem = stringPackingProblem(bytesOf(data), elements(tensor.shape));
    if (problem !== undefined) findings.add(model, "CONSTANT", place, problem);
    return;
  }
  const expected = tensorBytes(tensor.type, tensor.shape);
  if (expected === undefined) findings.add(model, "CONSTANT", place, `is a constant of type ${tensor.type}`);
  else if (expected !== data.length) {
    const shape = `${tensor.type} [${tensor.shape}]`;
    findings.add(model, "CONSTANT", place, `holds ${data.length} bytes; ${shape} takes ${expected}`);
  }
}

/**
 * TFLite's packing of strings: int32 count, int32 offsets[count + 1] from the start of the data, then the bytes. Gives
 * what is wrong with it, `undefined` if nothing.
 */
export function stringPackingProblem(data: Uint8Array, count: number): string | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const found = data.length >= 4 ? view.getInt32(0, true) : -1;
  if (found !== count) return `packs ${found} strings; its shape has ${count}`;
  const head = 4 * (count + 2);
  if (data.length < head) return `has ${data.length} bytes; the offsets of ${count} strings take ${head}`;
  let previous = head;
  for (let index = 0; index <= count; index++) {
    const offset = view.getInt32(4 + 4 * index, true);
    if (offset < previous || offset > data.length || (index === 0 && offset !== head)) {
      return `string ${index} starts at ${offset}, expected ${index === 0 ? head : `${previous} to ${data.length}`}`;
    }
    previous = offset;
  }
  return previous === data.length ? undefined : `${data.length - previous} bytes follow the last string`;
}

/** What is wrong with a tensor's quantisation, `undefined` if nothing. */
function quantizationProblem(
  tensor: TfliteTensor,
  {scale, zeroPoint, quantizedDimension, details}: Quantization,
): string | undefined {
  if (details !== undefined) return `uses ${details.type}; only scale and zero point are supported`;
  if (scale.length !== zeroPoint.length) return `has ${scale.length} scales and ${zeroPoint.length} zero points`;
  const bad = scale.find((value) => !(value > 0 && Number.isFinite(value)));
  if (bad !== undefined) return `has the scale ${bad}; expected a finite number above 0`;
  if (scale.length > 1 && tensor.shape[quantizedDimension] !== scale.length) {
    return `has ${scale.length} scales for dimension ${quantizedDimension} of [${tensor.shape}]`;
  }
  const range = zeroPointRange[tensor.type];
  const outside = range && zeroPoint.find((value) => value < range[0] || value > range[1]);
  return outside === undefined ? undefined : `has the zero point ${outside}, which ${tensor.type} doesn't hold`;
}
