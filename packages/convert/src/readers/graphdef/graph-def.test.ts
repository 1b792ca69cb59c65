import assert from "node:assert/strict";
import {test} from "node:test";
import {decodeMessage} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import {encodeGraphText, encodeMessage} from "../../testing/graph-bytes.ts";
import {smallNet} from "../../testing/graphs.ts";
import {parseGraphDef, recogniseGraphDef} from "./graph-def.ts";
import {graphDef, tensorProto} from "./schema.ts";
import {decodeTensorProto} from "./tensor-proto.ts";
import {parseTextMessage} from "./text-format.ts";

const code = (wanted: string) => (error: unknown) => error instanceof ConvertError && error.code === wanted;
const tensorOf = (text: string) => decodeTensorProto(parseTextMessage(tensorProto, text), "c", {bytes: 1 << 20});
const values = (text: string) => Array.from(tensorOf(text).data as ArrayLike<number | bigint>, Number);

test("binary and text give the same graph", () => {
  const bytes = encodeGraphText(smallNet);
  assert.equal(recogniseGraphDef(bytes), "graphdef");
  assert.equal(recogniseGraphDef(new TextEncoder().encode(smallNet)), "graphdef-text");
  assert.deepEqual(parseGraphDef(bytes), parseGraphDef(new TextEncoder().encode(smallNet)));
});

test("repeated numbers come packed or not", () => {
  const packed = Uint8Array.from([0x3a, 3, 1, 2, 0x7f]);
  const single = Uint8Array.from([0x38, 1, 0x38, 2, 0x38, 0x7f]);
  assert.deepEqual(decodeMessage(tensorProto, packed).int_val, [1, 2, 127]);
  assert.deepEqual(decodeMessage(tensorProto, single).int_val, [1, 2, 127]);
});

test("negative int32 take ten bytes", () => {
  const bytes = encodeMessage(tensorProto, {int_val: [-5]});
  assert.equal(bytes.length, 11);
  assert.deepEqual(decodeMessage(tensorProto, bytes).int_val, [-5]);
});

test("fields that nobody knows are skipped", () => {
  assert.deepEqual(decodeMessage(tensorProto, Uint8Array.from([0x08, 3, 0xfa, 0x07, 2, 9, 9])), {dtype: 3});
});

// specs/convert.md §1.1
test("the last value repeats, none at all is zeros, too many are cut", () => {
  const dims = "tensor_shape { dim { size: 4 } }";
  assert.deepEqual(values(`dtype: DT_INT32 ${dims} int_val: 7 int_val: 8`), [7, 8, 8, 8]);
  assert.deepEqual(values(`dtype: DT_INT32 ${dims}`), [0, 0, 0, 0]);
  assert.deepEqual(values(`dtype: DT_INT32 ${dims} int_val: [1, 2, 3, 4, 5]`), [1, 2, 3, 4]);
  assert.deepEqual(values(`dtype: DT_FLOAT ${dims} int_val: 7`), [0, 0, 0, 0]);
  assert.deepEqual(
    values(`dtype: DT_COMPLEX64 tensor_shape { dim { size: 2 } } scomplex_val: 1 scomplex_val: 2`),
    [1, 2, 1, 2],
  );
});

test("tensor_content wins, and its length has to match", () => {
  assert.deepEqual(
    values('dtype: DT_UINT8 tensor_shape { dim { size: 2 } } tensor_content: "\\001\\002" int_val: 9'),
    [1, 2],
  );
  assert.throws(
    () => tensorOf('dtype: DT_UINT8 tensor_shape { dim { size: 3 } } tensor_content: "ab"'),
    code("CONVERT_TENSOR"),
  );
});

test("constants of unknown shape or absurd size are refused", () => {
  assert.throws(() => tensorOf("dtype: DT_FLOAT tensor_shape { dim { size: -1 } }"), code("CONVERT_TENSOR"));
  assert.throws(() => tensorOf("dtype: DT_FLOAT tensor_shape { unknown_rank: true }"), code("CONVERT_TENSOR"));
  assert.throws(
    () => tensorOf("dtype: DT_FLOAT tensor_shape { dim { size: 99999999 } } float_val: 1"),
    code("CONVERT_LIMIT"),
  );
  assert.throws(
    () =>
      tensorOf(
        "dtype: DT_FLOAT tensor_shape { dim { size: 1000000 } dim { size: 0 } dim { size: 9 } dim { size: 99999999999999 } }",
      ).size,
    code("CONVERT_TENSOR"),
  );
});

test("strings by value and by content", () => {
  const text = (tensor: string) => tensorOf(tensor).values();
  assert.deepEqual(text('dtype: DT_STRING tensor_shape { dim { size: 3 } } string_val: "a" string_val: "bc"'), [
    "a",
    "bc",
    "bc",
  ]);
  assert.deepEqual(text('dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: "\\001\\002abc"'), [
    "a",
    "bc",
  ]);
});

// specs/convert.md §1.6
test("the text format: separators, brackets, comments, escapes, adjacent strings", () => {
  const text = `
    # a comment
    node < name: 'a' 'b', op: "C\\157nst"; input: ["x", "^y"]
      attr { key: "value" value { i: 0x10 } } attr { key: "f" value { f: 1.5f } }
      [some.extension] { a: 1 }
    >
    unknown { deep { x: 1 } } versions { producer: 027 }`;
  const {nodes, producer} = parseGraphDef(new TextEncoder().encode(text), "graphdef-text");
  assert.equal(nodes[0]!.name, "ab");
  assert.equal(nodes[0]!.op, "Const");
  assert.deepEqual(nodes[0]!.inputs, ["x", "^y"]);
  assert.deepEqual(nodes[0]!.attributes.get("value"), {i: 16n});
  assert.deepEqual(nodes[0]!.attributes.get("f"), {f: 1.5});
  assert.equal(producer, 23);
});

test("inf, nan and negative numbers", () => {
  assert.deepEqual(values("dtype: DT_DOUBLE tensor_shape { dim { size: 4 } } double_val: [inf, -inf, nan, -1e3]"), [
    Infinity,
    -Infinity,
    NaN,
    -1000,
  ]);
});

test("a syntax error names the line", () => {
  const broken = 'node {\n name: "a"\n op "Const"\n}';
  assert.throws(
    () => parseTextMessage(graphDef, broken),
    (error) => code("CONVERT_TEXT_SYNTAX")(error) && /line 3/.test((error as Error).message),
  );
  assert.throws(() => parseTextMessage(graphDef, 'node { name: "a'), code("CONVERT_TEXT_SYNTAX"));
  assert.throws(
    () => parseTextMessage(graphDef, `${"node { attr { value { list { func { attr { value { ".repeat(20)}`),
    code("CONVERT_TEXT_SYNTAX"),
  );
});

test("what isn't a graph, and what ends too soon", () => {
  assert.throws(() => parseGraphDef(new TextEncoder().encode("hello, world")), code("CONVERT_NOT_A_GRAPH"));
  assert.throws(() => parseGraphDef(new Uint8Array(0)), code("CONVERT_NOT_A_GRAPH"));
  const bytes = encodeGraphText(smallNet);
  assert.throws(() => parseGraphDef(bytes.subarray(0, bytes.length - 5)), code("CONVERT_TRUNCATED"));
});
