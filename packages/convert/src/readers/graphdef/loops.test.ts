/** Loops of both kinds as they are imported, on the text of the IR. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {convert} from "../../convert.ts";
import {float, floats, int32, ints, node, placeholder} from "../../testing/graphs.ts";

const bool = "type: DT_BOOL";
const encode = (text: string) => new TextEncoder().encode(text);

function imported(graph: string, outputs: readonly string[]): string {
  let text = "";
  convert(encode(graph), {
    outputs,
    verify: true,
    dumpPass: (name, each) => {
      if (name === "import") text = each;
    },
  });
  return text;
}

const enter = (name: string, input: string, type: string, constant: boolean) =>
  node(name, "Enter", [input], {T: type, frame_name: 's: "frame"', is_constant: `b: ${constant}`});

/** i from 0 to 3; x = x · w in each turn. w is a constant that the loop reads. */
const loopOfVersion1 = [
  placeholder("x", [2]),
  floats("w", [2], [2, 3]),
  ints("zero", [], [0]),
  enter("enter_i", "zero", int32, false),
  enter("enter_x", "x", float, false),
  enter("enter_w", "w", float, true),
  node("merge_i", "Merge", ["enter_i", "next_i"], {T: int32, N: "i: 2"}),
  node("merge_x", "Merge", ["enter_x", "next_x"], {T: float, N: "i: 2"}),
  ints("three", [], [3]),
  node("less", "Less", ["merge_i", "three"], {T: int32}),
  node("loop_cond", "LoopCond", ["less"]),
  node("switch_i", "Switch", ["merge_i", "loop_cond"], {T: int32}),
  node("switch_x", "Switch", ["merge_x", "loop_cond"], {T: float}),
  ints("one", [], [1]),
  node("add", "Add", ["switch_i:1", "one"], {T: int32}),
  node("mul", "Mul", ["switch_x:1", "enter_w"], {T: float}),
  node("next_i", "NextIteration", ["add"], {T: int32}),
  node("next_x", "NextIteration", ["mul"], {T: float}),
  node("exit_x", "Exit", ["switch_x"], {T: float}),
].join("\n");

test("a loop of TensorFlow 1: variables, what it reads, and nothing else", () => {
  assert.equal(
    imported(loopOfVersion1, ["exit_x"]),
    `graph
input "x" = x:0
output "exit_x" = exit_x:0
x = input() : float32[2]
w = const() {value: float32[2] <2, 3>} : float32[2]
zero = const() {value: int32[] <0>} : int32[] = (0)
frame/While = tf.While(zero:0, x:0) : int32[]; float32[2]
  region body
    graph
    input "frame/While/body/argument_0" = frame/While/body/argument_0:0
    input "frame/While/body/argument_1" = frame/While/body/argument_1:0
    output "frame/While/body/add" = frame/While/body/add:0
    output "frame/While/body/mul" = frame/While/body/mul:0
    frame/While/body/argument_0 = input() : int32[]
    frame/While/body/argument_1 = input() : float32[2]
    frame/While/body/argument_2 = const() {value: float32[2] <2, 3>} : float32[2]
    frame/While/body/one = const() {value: int32[] <1>} : int32[] = (1)
    frame/While/body/add = tf.Add(frame/While/body/argument_0:0, frame/While/body/one:0) {T: "int32"} : int32[]
    frame/While/body/mul = tf.Mul(frame/While/body/argument_1:0, frame/While/body/argument_2:0) {T: "float32"} : float32[2]
  region cond
    graph
    input "frame/While/cond/argument_0" = frame/While/cond/argument_0:0
    input "frame/While/cond/argument_1" = frame/While/cond/argument_1:0
    output "frame/While/cond/less" = frame/While/cond/less:0
    frame/While/cond/argument_0 = input() : int32[]
    frame/While/cond/argument_1 = input() : float32[2]
    frame/While/cond/argument_2 = const() {value: float32[2] <2, 3>} : float32[2]
    frame/While/cond/three = const() {value: int32[] <3>} : int32[] = (3)
    frame/While/cond/less = tf.Less(frame/While/cond/argument_0:0, frame/While/cond/three:0) {T: "int32"} : bool[]
exit_x = tf.Identity(frame/While:1) {T: "float32"} : float32[2]
`,
  );
});

test("a frame without LoopCond, and a Merge without NextIteration, are refused by name", () => {
  const broken = {
    "no LoopCond": loopOfVersion1.replace('op: "LoopCond"', 'op: "Identity"').replace('["less"]', "[]"),
    "no NextIteration": loopOfVersion1.replaceAll('op: "NextIteration"', 'op: "Identity"'),
  };
  for (const [message, graph] of Object.entries(broken)) {
    assert.throws(() => convert(encode(graph), {outputs: ["exit_x"]}), {
      code: "CONVERT_GRAPH_INVALID",
      message: new RegExp(message),
    });
  }
});

const argument = (name: string, type: string) => `input_arg { name: "${name}" ${type} }`;
const functionOf = (name: string, args: string, results: readonly string[], body: string, types: readonly string[]) => `
  function {
    signature { name: "${name}" ${args} ${results.map((_, i) => `output_arg { name: "r${i}" ${types[i]} }`).join(" ")} }
    ${body.replaceAll("node {", "node_def {")}
    ${results.map((ref, i) => `ret { key: "r${i}" value: "${ref}" }`).join(" ")}
  }`;
const called = (name: string) => `func { name: "${name}" }`;

test("a While that calls itself, and one whose variables change their type, are refused", () => {
  const cond = functionOf("cond", argument("i", float), ["l:z:0"], node("l", "IsFinite", ["i"], {T: float}), [bool]);
  const loop = (body: string) => `
    ${placeholder("x", [])}
    ${node("loop", "While", ["x"], {T: "list { type: DT_FLOAT }", cond: called("cond"), body: called("body")})}
    library { ${cond} ${body} }`;
  const recursive = functionOf(
    "body",
    argument("i", float),
    ["w:output:0"],
    node("w", "While", ["i"], {T: "list { type: DT_FLOAT }", cond: called("cond"), body: called("body")}),
    [float],
  );
  assert.throws(() => convert(encode(loop(recursive)), {outputs: ["loop"]}), {code: "CONVERT_LIMIT"});
  const cast = node("c", "Cast", ["i"], {SrcT: float, DstT: int32});
  const changing = functionOf("body", argument("i", float), ["c:y:0"], cast, [int32]);
  assert.throws(() => convert(encode(loop(changing)), {outputs: ["loop"]}), {
    code: "CONVERT_GRAPH_INVALID",
    message: /variable 0 is float32 before a turn and int32 after it/,
  });
  const missing = functionOf("other", argument("i", float), ["i"], "", [float]);
  assert.throws(() => convert(encode(loop(missing)), {outputs: ["loop"]}), {
    code: "CONVERT_GRAPH_INVALID",
    message: /function "body", which the graph doesn't have/,
  });
});
