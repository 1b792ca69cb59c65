/**
 * What the tensors of a subgraph are called: as the source calls them. Within the part of a loop its own name, which stands
 * before all others there, is left out; a result that was lowered to several operators is the last of them.
 */
import {type Graph, originOf} from "../ir/graph.ts";

/** Names of the nodes' first outputs, by node; no two are equal. */
export function tensorNames(graph: Graph, subgraph: string): ReadonlyMap<string, string> {
  const taken = new Set(graph.nodes.map((node) => node.name));
  const names = new Map<string, string>();
  const rename = (node: string, wished: string): void => {
    if (wished === "" || taken.has(wished)) return;
    taken.add(wished);
    names.set(node, wished);
  };
  const prefix = `${subgraph}/`;
  const within = (name: string): string => (name.startsWith(prefix) ? name.slice(prefix.length) : name);
  const last = new Map(graph.nodes.filter(({op}) => op !== "const").map((node) => [originOf(node), node.name]));
  for (const node of graph.nodes) {
    names.set(node.name, node.name);
    if (last.get(originOf(node)) === node.name) rename(node.name, within(originOf(node)));
    if (names.get(node.name) === node.name) rename(node.name, within(node.name));
  }
  return names;
}
