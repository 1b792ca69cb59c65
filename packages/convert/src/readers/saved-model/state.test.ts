/** State that is kept: calls in their order against TensorFlow's (fixtures/saved-model/state.json), and what is refused. */
import assert from "node:assert/strict";
import {join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {readModel} from "@tf-trusted/tflite";
import {convertSavedModel, type SavedModelOptions} from "../../convert-saved-model.ts";
import {openFolder} from "../../node/folder.ts";
import type {NodeDef} from "../graphdef/graph-def.ts";
import {indexNodes} from "../graphdef/select.ts";
import {freezeVariables} from "./freeze.ts";
import {executed, scheduleOf, threadState, writtenVariables} from "./state.ts";

const folder = join(fileURLToPath(new URL("../../../../../fixtures/saved-model", import.meta.url)), "state");
const convertState = async (options: SavedModelOptions) => convertSavedModel(await openFolder(folder), options);

test("without being asked for, state is refused by the names of what writes it", async () => {
  await assert.rejects(
    convertState({signature: "serving_default"}),
    /CONVERT_NOT_FROZEN.*"AssignVariableOp".*write variables when it is called; keepState \(--keep-state\) keeps it/s,
  );
});

test("variables are read first and assigned last, with one initialiser for all signatures", async () => {
  const {model, report, signatures} = await convertState({
    keepState: true,
    signature: ["serving_default", "peek", "reset"],
    verify: true,
  });
  const {subgraphs, operatorCodes} = readModel(model);
  const operators = subgraphs.map((graph) =>
    graph.operators.map(({opcodeIndex}) => operatorCodes[opcodeIndex]!.builtin),
  );
  const initialisers = new Set(
    subgraphs.flatMap((graph) => graph.operators.flatMap(({options}) => options?.initSubgraphIndex ?? [])),
  );
  assert.equal(initialisers.size, 1);
  for (const [i, list] of operators.entries()) {
    if (initialisers.has(i)) continue;
    assert.equal(list.indexOf("CALL_ONCE"), 0);
    const firstOther = list.findIndex((each) => !["CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE"].includes(each));
    assert.ok(list.lastIndexOf("READ_VARIABLE") < firstOther);
    const firstAssign = list.indexOf("ASSIGN_VARIABLE");
    assert.ok(firstAssign < 0 || list.slice(firstAssign).every((each) => each === "ASSIGN_VARIABLE"));
  }
  assert.deepEqual(
    signatures.map(({inputs}) => inputs.map(({name}) => name)),
    [["x"], [], ["x"]],
  );
  assert.match(report.notes.join("\n"), /int32 \[\], is kept from call to call/);
});

for (const signature of ["in_condition", "in_loop"]) {
  test(`a write ${signature.replace("_", " a ")} is refused`, async () => {
    await assert.rejects(
      convertState({keepState: true, signature}),
      /CONVERT_STATE.*AssignAddVariableOp" writes a variable in a condition or a loop/s,
    );
  });
}

test("of all signatures, those that can't keep their state are left out", async () => {
  const {signatures, report} = await convertState({keepState: true});
  assert.deepEqual(signatures.map(({name}) => name).sort(), ["peek", "reset", "serving_default"]);
  assert.match(report.notes.join("\n"), /"in_loop" is left out: CONVERT_STATE/);
});

const node = (name: string, op: string, ...inputs: readonly string[]): NodeDef => ({
  name,
  op,
  inputs,
  attributes: new Map(),
});
const common = [node("v", "VarHandleOp"), node("x", "Placeholder"), node("add", "AssignAddVariableOp", "v", "x")];

function thread(outputs: readonly string[], ...nodes: readonly NodeDef[]) {
  const graph = {nodes: [...common, ...nodes], functions: [], producer: 0};
  const schedule = scheduleOf(graph);
  const order = executed(schedule, outputs);
  const handleOf = (ref: string) => (ref.split(":")[0] === "v" ? "v" : undefined);
  return threadState(schedule, order, indexNodes(graph), writtenVariables(order, handleOf), handleOf);
}

test("a write that only a control edge waits for is state, too", async () => {
  const read = [node("read", "ReadVariableOp", "v", "^add"), node("y", "Identity", "read")];
  const graph = {nodes: [...common, ...read], functions: [], producer: 0};
  await assert.rejects(
    freezeVariables({graph}, [["y:0"]], undefined, false),
    /CONVERT_NOT_FROZEN.*"add" writes a variable/s,
  );
});

test("a read before a write sees the old value, one behind it the new one, by control edges alone", () => {
  const {nodes, variables} = thread(
    ["sum"],
    node("old", "ReadVariableOp", "v"),
    node("new", "ReadVariableOp", "v", "^write"),
    node("write", "AssignAddVariableOp", "v", "x", "^old"),
    node("sum", "AddV2", "old", "new"),
  );
  assert.deepEqual(nodes.get("old")!.inputs, ["v:0"]);
  assert.deepEqual(nodes.get("new")!.inputs, ["write:0"]);
  assert.deepEqual([nodes.get("write")!.op, nodes.get("write")!.inputs], ["AddV2", ["v:0", "x"]]);
  assert.deepEqual(variables, [{name: "v", after: "write:0"}]);
});

test("where the order isn't told, or the handle goes elsewhere, it is refused", () => {
  const unordered = [node("read", "ReadVariableOp", "v"), node("y", "AddV2", "read", "x", "^add")];
  assert.throws(() => thread(["y"], ...unordered), /CONVERT_STATE.*the order of "(read|add)" and "(read|add)"/);
  const two = [node("again", "AssignAddVariableOp", "v", "x"), node("y", "Identity", "x", "^add", "^again")];
  assert.throws(() => thread(["y"], ...two), /CONVERT_STATE.*the order of/);
  const elsewhere = [node("loop", "While", "v"), node("y", "Identity", "loop", "^add")];
  assert.throws(() => thread(["y"], ...elsewhere), /CONVERT_STATE.*"loop" \(While\) uses the variable "v"/);
});

test("what doesn't run isn't counted: writes that no output waits for", () => {
  const {variables} = thread(["read"], node("read", "ReadVariableOp", "v"));
  assert.deepEqual(variables, []);
});
