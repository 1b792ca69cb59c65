/** The rules that every graph keeps, as a table; checked between passes in tests and with `verify`. */
import {ConvertError} from "../convert-error.ts";
import {type Graph, indexOf, type Node, nodeOf} from "./graph.ts";

interface Rule {
  readonly id: string;
  /** What is wrong with a node, given those before it. */
  readonly check: (node: Node, before: ReadonlyMap<string, Node>) => string | undefined;
}

export const rules: readonly Rule[] = [
  {id: "unique-names", check: (node, before) => (before.has(node.name) ? "its name occurs twice" : undefined)},
  {
    id: "inputs-before-use",
    check: (node, before) => {
      const missing = node.inputs.find((ref) => ref !== "" && !before.has(nodeOf(ref)));
      return missing === undefined ? undefined : `its input ${missing} isn't there yet`;
    },
  },
  {
    id: "outputs-exist",
    check: (node, before) => {
      const missing = node.inputs.find(
        (ref) => ref !== "" && (before.get(nodeOf(ref))?.outputs.length ?? 0) <= indexOf(ref),
      );
      return missing === undefined ? undefined : `its input ${missing} is no output of that node`;
    },
  },
  {
    id: "constants-have-values",
    check: (node) =>
      node.op === "const" && node.attributes.value === undefined ? "a constant without a value" : undefined,
  },
  {
    id: "loops-keep-their-variables",
    check: (node) => {
      const {cond, body} = node.regions ?? {};
      if (cond === undefined || body === undefined) return undefined;
      const counts = [node.outputs, body.inputs, body.outputs, cond.inputs].map((each) => each.length);
      const differs = counts.some((count) => count !== node.inputs.length);
      return differs ? `a loop over ${node.inputs.length} variables has parts for ${counts.join(", ")}` : undefined;
    },
  },
  {
    id: "ranks",
    check: (node) => (node.outputs.some((type) => (type.shape?.length ?? 0) > 64) ? "a rank above 64" : undefined),
  },
];

/** Throws `CONVERT_IR_INVALID` with the name of the pass that made the graph. */
export function verifyGraph(graph: Graph, pass: string): void {
  const before = new Map<string, Node>();
  for (const node of graph.nodes) {
    for (const rule of rules) {
      const problem = rule.check(node, before);
      if (problem !== undefined) throw invalid(pass, `${rule.id}: node "${node.name}" (${node.op}): ${problem}`);
    }
    for (const region of Object.values(node.regions ?? {})) verifyGraph(region, pass);
    before.set(node.name, node);
  }
  for (const port of [...graph.inputs, ...graph.outputs]) {
    const node = before.get(nodeOf(port.ref));
    if (node === undefined || node.outputs.length <= indexOf(port.ref)) {
      throw invalid(pass, `ports: "${port.name}" refers to ${port.ref}, which isn't there`);
    }
  }
}

function invalid(pass: string, message: string): ConvertError {
  return new ConvertError("CONVERT_IR_INVALID", `after the pass "${pass}": ${message}`, {details: {pass}});
}
