/** Graphs that differ in names only are the same; any other difference counts. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {sameGraph} from "./same-graph.ts";
import {parseGraph} from "./text.ts";

const graph = (x: string, y: string, value: string, op: string, attributes: string, output: string) =>
  parseGraph(`input "x" = ${x}:0
output "${output}" = ${y}:0
${x} = input() : float32[${x}.0,2]
${x}_w = const() {value: float32[2] <${value}>} : float32[2]
${y} = tf.${op}(${x}:0, ${x}_w:0) {${attributes}} : float32[${x}.0,2]
`);

test("names of nodes don't count, everything else does", () => {
  const one = graph("a", "b", "1, 2", "AddV2", "k: 1", "y");
  assert.ok(sameGraph(one, graph("serve_x", "other", "1, 2", "AddV2", "k: 1", "y")));
  const others = [
    graph("a", "b", "1, 3", "AddV2", "k: 1", "y"),
    graph("a", "b", "1, 2", "Mul", "k: 1", "y"),
    graph("a", "b", "1, 2", "AddV2", "k: 2", "y"),
    graph("a", "b", "1, 2", "AddV2", "", "y"),
    graph("a", "b", "1, 2", "AddV2", "k: 1", "z"),
  ];
  for (const other of others) assert.ok(!sameGraph(one, other) && !sameGraph(other, one));
});
