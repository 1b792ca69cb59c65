/** Drops the nodes that no output needs. Inputs stay: they are part of the signature. */
import {type Graph, type Node, nodeOf} from "../ir/graph.ts";
import type {Pass} from "./pass.ts";

export const prune: Pass = {name: "prune", run: pruneGraph};

export function pruneGraph(graph: Graph): Graph {
  const wanted = new Set<string>([...graph.outputs, ...graph.inputs].map((port) => nodeOf(port.ref)));
  const kept: Node[] = [];
  // Backwards: what uses a node comes after it.
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!;
    if (!wanted.has(node.name)) continue;
    kept.push(node);
    for (const ref of node.inputs) if (ref !== "") wanted.add(nodeOf(ref));
  }
  return kept.length === graph.nodes.length ? graph : {...graph, nodes: kept.reverse()};
}
