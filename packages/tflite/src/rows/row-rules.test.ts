/** One operator each: along the batch it is refused, beside it it isn't. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {ints, type OneOperator, type Operand, oneOperator} from "../testing/build.ts";
import {mixesRows} from "./independent-rows.ts";

const open = (...rest: readonly number[]): Operand => ({shape: [-1, ...rest]});
const weights = (...shape: readonly number[]): Operand => ({
  shape,
  constant: Array.from({length: shape.reduce((product, dim) => product * dim, 1)}, () => 1),
});
const openInts = (...rest: readonly number[]): Operand => ({shape: [-1, ...rest], type: "int32"});

/** Why it is refused, or nothing. */
function reason(operator: OneOperator): string | undefined {
  const model = oneOperator(operator);
  const {inputs, outputs, tensors} = model.subgraphs[0]!;
  const rowShapes = inputs.map((tensor) => tensors[tensor]!.shape.slice(1));
  return mixesRows(model, {key: "", subgraph: 0, inputs, outputs, rowShapes}, 4);
}

const apart: readonly OneOperator[] = [
  {builtin: "ADD", inputs: [open(3), weights(3)], outputs: [open(3)]},
  {builtin: "ADD", inputs: [open(3), weights(1, 3)], outputs: [open(3)]},
  {builtin: "ADD", inputs: [open(3), open(3)], outputs: [open(3)]},
  {builtin: "FULLY_CONNECTED", inputs: [open(6), weights(4, 6), null], outputs: [open(4)]},
  {builtin: "BATCH_MATMUL", inputs: [open(2, 3), open(3, 5)], outputs: [open(2, 5)]},
  {builtin: "BATCH_MATMUL", inputs: [open(2, 3), weights(3, 5)], outputs: [open(2, 5)]},
  {builtin: "MEAN", inputs: [open(2, 3), ints([1])], outputs: [open(3)]},
  {builtin: "ARG_MAX", inputs: [open(3), ints(1)], outputs: [{shape: [-1], type: "int32"}]},
  {builtin: "TRANSPOSE", inputs: [open(2, 3), ints([0, 2, 1])], outputs: [open(3, 2)]},
  {builtin: "CONCATENATION", inputs: [open(2), open(3)], outputs: [open(5)], options: {axis: -1}},
  {builtin: "PACK", inputs: [open(2), open(2)], outputs: [open(2, 2)], options: {axis: 1, valuesCount: 2}},
  {builtin: "PAD", inputs: [open(2), {...ints([0, 0, 1, 1]), shape: [2, 2]}], outputs: [open(4)]},
  {builtin: "TILE", inputs: [open(2), ints([1, 2])], outputs: [open(4)]},
  {builtin: "GATHER", inputs: [weights(5, 2), openInts(3)], outputs: [open(3, 2)]},
  {builtin: "GATHER", inputs: [open(5), ints([0, 2])], outputs: [open(2)], options: {axis: 1}},
  {builtin: "SLICE", inputs: [open(4), ints([0, 1]), ints([-1, 2])], outputs: [open(2)]},
  {builtin: "SELECT_V2", inputs: [{...open(3), type: "bool"}, open(3), weights(3)], outputs: [open(3)]},
  {builtin: "TOPK_V2", inputs: [open(5), ints(2)], outputs: [open(2), openInts(2)]},
];

const mixing: readonly (readonly [OneOperator, RegExp])[] = [
  // A part for each row, of a batch of the one size that fits.
  [{builtin: "ADD", inputs: [open(3), weights(4, 3)], outputs: [open(3)]}, /has a part for each row|broadcast/],
  // Rows of one input to features of another.
  [{builtin: "ADD", inputs: [open(1), open()], outputs: [open(-1)]}, /broadcasts along the batch|isn't the batch/],
  [{builtin: "FULLY_CONNECTED", inputs: [open(6), weights(4, 12), null], outputs: [open(4)]}, /FULLY_CONNECTED/],
  [{builtin: "FULLY_CONNECTED", inputs: [weights(2, 3), open(3), null], outputs: [open(-1)]}, /has no rows/],
  [{builtin: "BATCH_MATMUL", inputs: [weights(4, 3), open(5)], outputs: [open(5)]}, /BATCH_MATMUL/],
  [
    {builtin: "BATCH_MATMUL", inputs: [open(3), open(3)], outputs: [open(-1)], options: {adjY: true}},
    /within its matrices/,
  ],
  [{builtin: "MEAN", inputs: [open(2, 3), ints([0])], outputs: [open(3)]}, /along the batch/],
  [{builtin: "SUM", inputs: [open(2, 3), ints([1, -3])], outputs: [open()]}, /along the batch/],
  [{builtin: "ARG_MAX", inputs: [open(3), ints(0)], outputs: [{shape: [3], type: "int32"}]}, /along the batch/],
  [{builtin: "TRANSPOSE", inputs: [open(2, 3), ints([1, 0, 2])], outputs: [open(-1, 3)]}, /moves the batch/],
  [{builtin: "CONCATENATION", inputs: [open(2), open(2)], outputs: [open(2)], options: {axis: 0}}, /along the batch/],
  [
    {builtin: "PACK", inputs: [open(2), open(2)], outputs: [{shape: [2, -1, 2]}], options: {axis: 0, valuesCount: 2}},
    /along the batch/,
  ],
  [{builtin: "PAD", inputs: [open(2), {...ints([1, 0, 0, 0]), shape: [2, 2]}], outputs: [open(2)]}, /pads the batch/],
  [{builtin: "TILE", inputs: [open(2), ints([2, 1])], outputs: [open(2)]}, /TILE/],
  [{builtin: "GATHER", inputs: [open(2), openInts()], outputs: [open(2)]}, /picks rows|picks by/],
  [{builtin: "GATHER", inputs: [open(2), ints([0])], outputs: [open(2)]}, /picks rows/],
  [{builtin: "SLICE", inputs: [open(4), ints([0, 0]), ints([1, 4])], outputs: [open(4)]}, /SLICE/],
  [{builtin: "SOFTMAX", inputs: [open()], outputs: [open()]}, /no dimension beside the batch/],
  [{builtin: "TOPK_V2", inputs: [open(), ints(1)], outputs: [{shape: [1]}, {shape: [1], type: "int32"}]}, /TOPK_V2/],
  [{builtin: "CUMSUM", inputs: [open(2), ints(0)], outputs: [open(2)]}, /along the batch/],
  [{builtin: "SHAPE", inputs: [open(2)], outputs: [{shape: [2], type: "int32"}]}, /has no rows/],
  // Not in the table: random numbers, the order of segments.
  [{builtin: "UNIQUE", inputs: [open()], outputs: [open(), openInts()]}, /not known to treat rows apart/],
  [
    {
      builtin: "SPACE_TO_BATCH_ND",
      inputs: [open(4, 1), ints([2]), {...ints([0, 0]), shape: [1, 2]}],
      outputs: [open(2, 1)],
    },
    /not known/,
  ],
];

test("operators that treat rows apart", () => {
  for (const operator of apart) assert.equal(reason(operator), undefined, JSON.stringify(operator));
});

test("operators that mix rows, or may", () => {
  for (const [operator, expected] of mixing)
    assert.match(reason(operator) ?? "nothing", expected, JSON.stringify(operator));
});
