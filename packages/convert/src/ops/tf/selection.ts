/** Operators that count, suppress and draw. */
import type {DType} from "@tf-trusted/tensor";
import {unknownDim} from "../../ir/dims.ts";
import {booleanAttribute, type Operator, type Site, stringAttribute} from "../../ir/operators.ts";
import {dimsOf, integersOf} from "../shapes.ts";

const drawn = (name: string, dtypeAttribute: string): Operator => ({
  name: `tf.${name}`,
  infer: (site) => [{dtype: stringAttribute(site, dtypeAttribute) as DType, shape: dimsOf(site, 0)}],
});

const suppressed = (site: Site) =>
  booleanAttribute(site, "pad_to_max_output_size") ? (integersOf(site, 2)?.[0] ?? unknownDim) : unknownDim;

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
    name: "tf.HistogramFixedWidth",
    infer: (site) => [
      {dtype: stringAttribute(site, "dtype", "int32") as DType, shape: [integersOf(site, 2)?.[0] ?? unknownDim]},
    ],
  },
  {name: "tf.NonMaxSuppressionV3", infer: () => [{dtype: "int32", shape: [unknownDim]}]},
  {
    name: "tf.NonMaxSuppressionV4",
    infer: (site) => [
      {dtype: "int32", shape: [suppressed(site)]},
      {dtype: "int32", shape: []},
    ],
  },
  {
    name: "tf.NonMaxSuppressionV5",
    infer: (site) => [
      {dtype: "int32", shape: [suppressed(site)]},
      {dtype: site.inputs[1]!.dtype, shape: [suppressed(site)]},
      {dtype: "int32", shape: []},
    ],
  },
  drawn("RandomUniform", "dtype"),
  drawn("RandomStandardNormal", "dtype"),
  {name: "tf.RandomUniformInt", infer: (site) => [{dtype: site.inputs[1]!.dtype, shape: dimsOf(site, 0)}]},
];
