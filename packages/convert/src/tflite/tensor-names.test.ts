import assert from "node:assert/strict";
import {test} from "node:test";
import {parseGraph} from "../ir/text.ts";
import {tensorNames} from "./tensor-names.ts";

const graph = parseGraph(`graph
input "a" = l/body/a:0
output "y" = l/body/selu/MUL:0
l/body/a = input() : float32[2]
l/body/selu/const = const() {value: float32[] <2>} : float32[] @l/body/selu
l/body/selu/ELU = tfl.ELU(l/body/a:0) : float32[2] @l/body/selu
l/body/selu/MUL = tfl.MUL(l/body/selu/ELU:0, l/body/selu/const:0) {fusedActivationFunction: "NONE"} : float32[2] @l/body/selu
`);

test("the last operator has the name of the source's; the part of a loop isn't told again", () => {
  assert.deepEqual(
    [...tensorNames(graph, "l/body")],
    [
      ["l/body/a", "a"],
      ["l/body/selu/const", "selu/const"],
      ["l/body/selu/ELU", "selu/ELU"],
      ["l/body/selu/MUL", "selu"],
    ],
  );
});

test("elsewhere names stay whole, and none is given twice", () => {
  assert.deepEqual(
    [...tensorNames(graph, "main").values()],
    ["l/body/a", "l/body/selu/const", "l/body/selu/ELU", "l/body/selu"],
  );
  const twice = parseGraph(`graph
input "x" = x:0
output "y" = p/x:0
x = input() : float32[2]
p/x = tfl.ELU(x:0) : float32[2]
`);
  assert.deepEqual([...tensorNames(twice, "p").values()], ["x", "p/x"]);
});
