import assert from "node:assert/strict";
import {test} from "node:test";
import {readModel} from "@tf-trusted/tflite";
import {convert} from "./convert.ts";
import {ConvertError} from "./convert-error.ts";
import {inspectGraph} from "./inspect.ts";
import {encodeGraphText} from "./testing/graph-bytes.ts";
import {float, floats, int32, ints, node, placeholder, smallNet} from "./testing/graphs.ts";

const bytesOf = (...nodes: readonly string[]) => new TextEncoder().encode(nodes.join("\n"));
const failure =
  (code: string, ...words: readonly (string | RegExp)[]) =>
  (error: unknown) => {
    assert.ok(error instanceof ConvertError, String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.match(error.message, typeof word === "string" ? new RegExp(word) : word);
    return true;
  };

test("a small net becomes three operators with everything folded and fused", () => {
  const {model, report, signature} = convert(encodeGraphText(smallNet), {verify: true});
  assert.deepEqual(report.operators, {CONV_2D: 1, FULLY_CONNECTED: 1, MEAN: 1, SOFTMAX: 1});
  assert.deepEqual(signature, {
    name: "serving_default",
    inputs: [{name: "x", dtype: "float32", shape: [-1, 6, 6, 2]}],
    outputs: [{name: "probabilities", dtype: "float32", shape: [-1, 3]}],
  });
  const [graph] = readModel(model).subgraphs;
  const conv = graph!.operators[0]!;
  assert.equal(conv.options!.fusedActivationFunction, "RELU");
  assert.equal(conv.options!.padding, "SAME");
  assert.deepEqual(graph!.tensors[conv.inputs[1]!]!.shape, [4, 3, 3, 2]);
  assert.equal(conv.inputs.length, 3);
});

test("the same bytes and options give the same file, from either format", () => {
  const first = convert(encodeGraphText(smallNet)).model;
  assert.deepEqual(convert(encodeGraphText(smallNet)).model, first);
  assert.deepEqual(convert(bytesOf(smallNet)).model, first);
});

test("inputs and outputs can be cut anywhere, with other shapes", () => {
  const {signature, report} = convert(bytesOf(smallNet), {
    inputs: [{name: "pooled:0", shape: [2, 4]}],
    outputs: ["logits:0", "sum"],
  });
  assert.deepEqual(signature.inputs, [{name: "pooled", dtype: "float32", shape: [2, 4]}]);
  assert.deepEqual(
    signature.outputs.map((each) => each.name),
    ["logits", "sum"],
  );
  assert.deepEqual(report.operators, {ADD: 1, FULLY_CONNECTED: 1});
  assert.deepEqual(
    convert(bytesOf(smallNet), {inputs: [{name: "x", shape: [1, 6, 6, 2]}]}).signature.outputs[0]!.shape,
    [1, 3],
  );
});

test("a .tflite file passes through with its signature", () => {
  const {model} = convert(bytesOf(smallNet));
  const again = convert(model);
  assert.equal(again.model, model);
  assert.equal(again.report.format, "tflite");
  assert.deepEqual(again.signature, convert(bytesOf(smallNet)).signature);
});

test("every unsupported node is told at once", () => {
  const graph = bytesOf(
    placeholder("x", [4]),
    node("a", "Ndtri", ["x"], {T: float}),
    node("b", "FrobnicateV7", ["a"]),
    node("c", "NextAfter", ["x", "x"], {T: float}),
    node("y", "AddV2", ["b", "c"], {T: float}),
  );
  assert.throws(
    () => convert(graph),
    failure("CONVERT_OP_UNSUPPORTED", "Ndtri", '"a"', "FrobnicateV7", '"b"', "NextAfter", '"c"'),
  );
  assert.deepEqual(
    inspectGraph(graph)
      .unsupported.map((each) => each.node)
      .sort(),
    ["a", "b", "c"],
  );
});

test("what contradicts itself is refused by name", () => {
  const x = placeholder("x", [2, 3]);
  const add = (name: string, a: string, b: string) => node(name, "AddV2", [a, b], {T: float});
  assert.throws(() => convert(bytesOf(x, x)), failure("CONVERT_GRAPH_INVALID", 'two nodes named "x"'));
  assert.throws(
    () => convert(bytesOf(x, add("y", "x", "nowhere"))),
    failure("CONVERT_GRAPH_INVALID", '"y"', '"nowhere"'),
  );
  assert.throws(
    () => convert(bytesOf(x, add("y", "x", "z"), add("z", "x", "y")), {outputs: ["y"]}),
    failure("CONVERT_GRAPH_INVALID", "cycle", '"y"', '"z"'),
  );
  assert.throws(
    () => convert(bytesOf(x, ints("k", [3], [1, 2, 3]), add("y", "x", "k"))),
    failure("CONVERT_GRAPH_INVALID", '"y"', "int32", "float32"),
  );
  assert.throws(
    () => convert(bytesOf(x, floats("k", [2], [1, 2]), add("y", "x", "k"))),
    failure("CONVERT_SHAPE", '"y"', "broadcast"),
  );
  assert.throws(() => convert(bytesOf(x, add("y", "x", "x:1"))), failure("CONVERT_GRAPH_INVALID", "output 1"));
  assert.throws(() => convert(bytesOf(x, node("y", "Cast", ["x"]))), failure("CONVERT_ATTRIBUTE", '"y"', "missing"));
  assert.throws(() => convert(bytesOf(x), {outputs: ["q"]}), failure("CONVERT_NAME_UNKNOWN", '"q"'));
  assert.throws(
    () => convert(bytesOf(x, add("y", "x", "x")), {outputs: ["y:3"]}),
    failure("CONVERT_NAME_UNKNOWN", '"y"', "no output 3"),
  );
  assert.throws(
    () => convert(bytesOf(x, add("y", "x", "x")), {inputs: [{name: "x", shape: [2, 4]}]}),
    failure("CONVERT_INPUT_SHAPE", "doesn't fit"),
  );
  assert.throws(
    () => convert(bytesOf(node("x", "Placeholder", [], {dtype: float}))),
    failure("CONVERT_INPUT_SHAPE", "unknown rank"),
  );
  assert.throws(
    () => convert(bytesOf(node("v", "VariableV2", [], {dtype: float, shape: "shape { }"}), add("y", "v", "v"))),
    failure("CONVERT_NOT_FROZEN", '"v"'),
  );
  assert.throws(
    () => convert(bytesOf(x, placeholder("z", [3]), add("y", "x", "z")), {inputs: ["x"]}),
    failure("CONVERT_NAME_UNKNOWN", '"z"'),
  );
});

test("attributes that no operator has are told of by the node, before and after everything else", () => {
  const conv = (padding: string, stride: string) => {
    const attributes = {T: float, strides: `list { i: [1, ${stride}, 1, 1] }`, padding: `s: "${padding}"`};
    return () =>
      convert(
        bytesOf(
          placeholder("x", [1, 4, 4, 1]),
          floats("w", [1, 1, 1, 1], [1]),
          node("y", "Conv2D", ["x", "w"], attributes),
        ),
      );
  };
  assert.doesNotThrow(conv("SAME", "2"));
  assert.throws(conv("SAMF", "2"), failure("CONVERT_ATTRIBUTE", '"y"', 'padding" is "SAMF", expected SAME, VALID'));
  assert.throws(conv("SAME", "4294967296"), failure("CONVERT_ATTRIBUTE", '"y"', "4294967296"));
  const pool = node("y", "MaxPool", ["x"], {
    T: float,
    ksize: "list { i: [1, 2] }",
    strides: "list { i: [1, 1, 1, 1] }",
    padding: 's: "SAME"',
  });
  assert.throws(
    () => convert(bytesOf(placeholder("x", [1, 4, 4, 1]), pool)),
    failure("CONVERT_ATTRIBUTE", '"y"', "ksize", "as many elements as 2, expected at least 4"),
  );
});

test("a value is named once, and odd names stand for no arithmetic", () => {
  assert.throws(() => convert(bytesOf(smallNet), {outputs: ["sum", "sum:0"]}), failure("CONVERT_NAME_TWICE", "sum"));
  // "2*b.0" would be twice the dimension 0 of b.
  const graph = bytesOf(
    placeholder("b", [-1, 2]),
    placeholder("2*b", [-1, 1]),
    ints("axis", [], [0]),
    node("c", "ConcatV2", ["b", "b", "axis"], {T: float, Tidx: int32, N: "i: 2"}),
    node("y", "AddV2", ["c", "2*b"], {T: float}),
  );
  assert.deepEqual(convert(graph).signature.outputs[0]!.shape, [-1, 2]);
});

test("nodes that no output needs may be anything", () => {
  const {report} = convert(
    bytesOf(placeholder("x", [2]), node("y", "Relu", ["x"], {T: float}), node("z", "Svd", ["x"])),
    {outputs: ["y"]},
  );
  assert.deepEqual(report.operators, {RELU: 1});
});

test("float64 is computed in float32, and the interface keeps it", () => {
  const double = "type: DT_DOUBLE";
  const {signature, report} = convert(bytesOf(placeholder("x", [2, 3], double), node("y", "Tanh", ["x"], {T: double})));
  assert.equal(signature.inputs[0]!.dtype, "float64");
  assert.equal(signature.outputs[0]!.dtype, "float64");
  assert.deepEqual(report.operators, {CAST: 2, TANH: 1});
  assert.ok(report.changes.some(({effect, what}) => effect === "narrowed" && what === "float64 computed in float32"));
});

test("small integers are computed in int32", () => {
  const type = "type: DT_UINT8";
  const {report} = convert(
    bytesOf(placeholder("x", [2], type), placeholder("z", [2], type), node("y", "AddV2", ["x", "z"], {T: type})),
  );
  assert.deepEqual(report.operators, {ADD: 1, CAST: 3});
});

test("functions are inlined, calls that don't end are refused", () => {
  const body = (target: string) => `library { function {
    signature { name: "f" input_arg { name: "a" type: DT_FLOAT } output_arg { name: "r" type: DT_FLOAT } }
    node_def { name: "n" op: "${target}" input: "a" attr { key: "T" value { type: DT_FLOAT } } attr { key: "f" value { func { name: "f" } } }
      attr { key: "Tin" value { list { type: DT_FLOAT } } } attr { key: "Tout" value { list { type: DT_FLOAT } } } }
    ret { key: "r" value: "n:${target === "Relu" ? "activations" : "output"}:0" } } }`;
  const call = node("y", "PartitionedCall", ["x"], {
    Tin: "list { type: DT_FLOAT }",
    Tout: "list { type: DT_FLOAT }",
    f: 'func { name: "f" }',
  });
  assert.deepEqual(convert(bytesOf(placeholder("x", [2]), call, body("Relu"))).report.operators, {RELU: 1});
  assert.throws(
    () => convert(bytesOf(placeholder("x", [2]), call, body("PartitionedCall"))),
    failure("CONVERT_GRAPH_INVALID", "nested"),
  );
});

test("inspect tells what is there", () => {
  const structure = inspectGraph(bytesOf(smallNet));
  assert.equal(structure.nodes, 16);
  assert.deepEqual(structure.inputs, [{name: "x", dtype: "float32", shape: [-1, 6, 6, 2]}]);
  assert.deepEqual(structure.outputs, [{name: "probabilities", dtype: "float32", shape: [-1, 3]}]);
  assert.equal(structure.operators.Conv2D, 1);
  assert.deepEqual(structure.unsupported, []);
  assert.equal(structure.constantBytes, (72 + 16 + 12 + 3 + 2) * 4);
});

test("limits hold before anything is read", () => {
  assert.throws(() => convert(bytesOf(smallNet), {limits: {maxBytes: 100}}), failure("CONVERT_LIMIT"));
  assert.throws(() => convert(bytesOf(smallNet), {limits: {maxNodes: 3}}), failure("CONVERT_LIMIT"));
  assert.throws(() => convert(bytesOf(smallNet), {limits: {maxConstantBytes: 100}}), failure("CONVERT_LIMIT"));
});

test("float64 is computed in float32 with a note, or refused by who needs more digits", () => {
  const double = "type: DT_DOUBLE";
  const graph = bytesOf(placeholder("x", [2], double), node("y", "Exp", ["x"], {T: double}));
  const {changes} = convert(graph).report;
  assert.equal(changes.find(({what}) => what === "float64 computed in float32")!.nodes.length, 2);
  assert.throws(() => convert(graph, {float64: "refuse"}), failure("CONVERT_PRECISION", "2 nodes"));
  const single = bytesOf(placeholder("x", [2]), node("y", "Exp", ["x"], {T: float}));
  assert.deepEqual(convert(single, {float64: "refuse"}).report.operators, {EXP: 1});
});
