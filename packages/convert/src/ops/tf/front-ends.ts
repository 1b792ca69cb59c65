/**
 * What prepares data before a model: strings, records, encoded images. Nothing of it is lowered; the types are known, so
 * that what comes behind has shapes and a cut can be offered there.
 */
import type {DType} from "@tf-trusted/tensor";
import {isKnown, type Shape, unknownDim} from "../../ir/dims.ts";
import type {TensorType, ValueDType} from "../../ir/graph.ts";
import {numberAttribute, type Operator, type Site, stringAttribute, stringsAttribute} from "../../ir/operators.ts";
import {broadcastShapes} from "../shapes.ts";

const row = (name: string, infer: Operator["infer"]): Operator => ({name: `tf.${name}`, infer});

/** One result an element, of a fixed dtype or the one that an attribute names. */
const elementwise = (names: readonly string[], dtype: ValueDType | ((site: Site) => ValueDType)): readonly Operator[] =>
  names.map((name) =>
    row(name, (site) => [{dtype: typeof dtype === "string" ? dtype : dtype(site), shape: site.inputs[0]!.shape}]),
  );

const attributeDType = (key: string, fallback: DType) => (site: Site) => stringAttribute(site, key, fallback) as DType;

/** Height and width are the file's; animated GIFs and DecodeImage may have frames before them. */
const image = (name: string, rank: 3 | 4 | undefined): Operator =>
  row(name, (site) => {
    const channels = numberAttribute(site, "channels", 0);
    const last = channels > 0 ? channels : unknownDim;
    const dtype = stringAttribute(site, "dtype", "uint8") as DType;
    if (rank === undefined) return [{dtype, shape: undefined}];
    return [{dtype, shape: [...Array.from({length: rank - 1}, () => unknownDim), rank === 4 ? 3 : last]}];
  });

/** The dense features of records: the shapes that the attribute declares, behind those of the batch. */
function records(site: Site, batch: Shape | undefined): readonly TensorType[] {
  const shapes = site.attributes.dense_shapes as readonly Shape[] | undefined;
  return stringsAttribute(site, "Tdense", []).map((dtype, i) => {
    const declared = shapes?.[i];
    return {dtype: dtype as DType, shape: declared && batch && [...batch, ...declared.map(open)]};
  });
}

const open = (dim: Shape[number]) => (isKnown(dim) && dim < 0 ? unknownDim : dim);

/** Sparse features are three values each: indices, values, shape. */
function sparse(dtypes: readonly string[], rank: number | undefined): readonly TensorType[] {
  const width = rank === undefined ? unknownDim : rank + 1;
  return [
    ...dtypes.map((): TensorType => ({dtype: "int64", shape: [unknownDim, width]})),
    ...dtypes.map((dtype): TensorType => ({dtype: dtype as DType, shape: [unknownDim]})),
    ...dtypes.map((): TensorType => ({dtype: "int64", shape: [width]})),
  ];
}

const parser = (name: string, sparseKey: string): Operator =>
  row(name, (site) => {
    const batch = site.inputs[0]!.shape;
    const ragged = stringsAttribute(site, "ragged_value_types", []).map((dtype) => [dtype, unknownDim] as const);
    const splits = stringsAttribute(site, "ragged_split_types", []).map((dtype) => [dtype, unknownDim] as const);
    return [
      ...sparse(stringsAttribute(site, sparseKey, []), batch?.length),
      ...records(site, batch),
      ...[...ragged, ...splits].map(([dtype, dim]): TensorType => ({dtype: dtype as DType, shape: [dim]})),
    ];
  });

export const frontEnds: readonly Operator[] = [
  ...elementwise(
    ["StringLower", "StringUpper", "StringStrip", "RegexReplace", "StaticRegexReplace", "AsString"],
    "string",
  ),
  ...elementwise(["DecodeBase64", "EncodeBase64"], "string"),
  ...elementwise(["StringLength"], "int32"),
  ...elementwise(["StringToHashBucketFast", "StringToHashBucketStrong", "StringToHashBucket"], "int64"),
  ...elementwise(["RegexFullMatch", "StaticRegexFullMatch"], "bool"),
  ...elementwise(["StringToNumber"], attributeDType("out_type", "float32")),
  row("StringJoin", (site) => [
    {dtype: "string", shape: broadcastShapes(site, ...site.inputs.map(({shape}) => shape))},
  ]),
  row("Substr", (site) => [
    {dtype: "string", shape: broadcastShapes(site, site.inputs[0]!.shape, site.inputs[1]!.shape)},
  ]),
  // Of tables whose keys aren't constants of the graph; the others are gone when operators are typed.
  row("LookupTableFindV2", (site) => [{dtype: attributeDType("Tout", "int64")(site), shape: site.inputs[1]!.shape}]),
  row("LookupTableSizeV2", () => [{dtype: "int64", shape: []}]),
  row("ReadFile", () => [{dtype: "string", shape: []}]),
  row("DecodeRaw", (site) => [
    {
      dtype: stringAttribute(site, "out_type") as DType,
      shape: site.inputs[0]!.shape && [...site.inputs[0]!.shape, unknownDim],
    },
  ]),
  image("DecodeJpeg", 3),
  image("DecodeAndCropJpeg", 3),
  image("DecodePng", 3),
  image("DecodeBmp", 3),
  image("DecodeGif", 4),
  image("DecodeImage", undefined),
  parser("ParseExample", "sparse_types"),
  parser("ParseExampleV2", "sparse_types"),
  parser("ParseSingleExample", "sparse_types"),
];
