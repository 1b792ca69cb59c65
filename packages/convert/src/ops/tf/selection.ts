/** Operators that count, suppress and draw. */
import type {DType} from "@tf-trusted/tensor";
import {unknownDim} from "../../ir/dims.ts";
import {type Operator, stringAttribute} from "../../ir/operators.ts";
import {dimsOf, integersOf} from "../shapes.ts";

const drawn = (name: string, dtypeAttribute: string): Operator => ({
  name: `tf.${name}`,
  infer: (site) => [{dtype: stringAttribute(site, dtypeAttribute) as DType, shape: dimsOf(site, 0)}],
});

export const selection: readonly Operator[] = [
  {
    name: "tf.DenseBincount",
    infer: (site) => {
      const [ids, , weights] = site.inputs;
      const size = integersOf(site, 1)?.[0] ?? unknownDim;
      return [{dtype: weights!.dtype, shape: ids!.shape && [...ids!.shape.slice(0, -1), size]}];
    },
  },
  {
    name: "tf.Bincount",
    infer: (site) => [{dtype: site.inputs[2]!.dtype, shape: [integersOf(site, 1)?.[0] ?? unknownDim]}],
  },
  {
    name: "tf.HistogramFixedWidth",
    infer: (site) => [
      {dtype: stringAttribute(site, "dtype", "int32") as DType, shape: [integersOf(site, 2)?.[0] ?? unknownDim]},
    ],
  },
  drawn("RandomUniform", "dtype"),
  drawn("RandomStandardNormal", "dtype"),
  {name: "tf.RandomUniformInt", infer: (site) => [{dtype: site.inputs[1]!.dtype, shape: dimsOf(site, 0)}]},
];
