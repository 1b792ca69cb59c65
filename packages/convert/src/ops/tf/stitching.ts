/** Operators that put rows together by indices, losses by class, and draws by weight: types. */
import type {DType} from "@tf-trusted/tensor";
import {unknownDim} from "../../ir/dims.ts";
import {type Operator, type Site, stringAttribute} from "../../ir/operators.ts";
import {dimsOf, integers} from "../shapes.ts";

/** Rows of the result: one more than the greatest index. `undefined` where an index is computed. */
export function stitchedRows(site: Site): number | undefined {
  const lists = site.constants.slice(0, site.inputs.length / 2);
  if (!lists.every((list) => list !== undefined)) return undefined;
  return lists.flatMap(integers).reduce((rows, index) => Math.max(rows, index + 1), 0);
}

const stitch = (name: string): Operator => ({
  name: `tf.${name}`,
  infer: (site) => {
    const count = site.inputs.length / 2;
    const [indices, data] = [site.inputs[0]!, site.inputs[count]!];
    const known = indices.shape && data.shape;
    return [
      {
        dtype: data.dtype,
        shape: known && [stitchedRows(site) ?? unknownDim, ...data.shape!.slice(indices.shape!.length)],
      },
    ];
  },
});

export const stitching: readonly Operator[] = [
  stitch("DynamicStitch"),
  stitch("ParallelDynamicStitch"),
  {
    name: "tf.ParallelConcat",
    infer: ({inputs: [x, ...others]}) => [
      {dtype: x!.dtype, shape: x!.shape && [others.length + 1, ...x!.shape.slice(1)]},
    ],
  },
  {name: "tf.SparseTensorDenseAdd", infer: ({inputs}) => [{dtype: inputs[3]!.dtype, shape: inputs[3]!.shape}]},
  {
    name: "tf.SparseSoftmaxCrossEntropyWithLogits",
    infer: ({inputs: [logits]}) => [
      {dtype: logits!.dtype, shape: logits!.shape?.slice(0, -1)},
      {dtype: logits!.dtype, shape: logits!.shape},
    ],
  },
  {
    name: "tf.TruncatedNormal",
    infer: (site) => [{dtype: stringAttribute(site, "dtype") as DType, shape: dimsOf(site, 0)}],
  },
  {
    name: "tf.Multinomial",
    infer: (site) => [
      {
        dtype: stringAttribute(site, "output_dtype", "int64") as DType,
        shape: [site.inputs[0]!.shape?.[0] ?? unknownDim, dimsOf(site, 1)?.[0] ?? unknownDim],
      },
    ],
  },
];
