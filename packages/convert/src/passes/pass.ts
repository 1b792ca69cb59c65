/** What a pass is: a pure function from graph to graph, with a name; what it did is counted for the report. */
import {type Graph, mapRegions} from "../ir/graph.ts";

/** Takes note of what a pass did ("batch norms folded") and the nodes of the source that it did it to, for the report. */
export type Tally = (what: string, nodes: string | readonly string[]) => void;

/** What passes do to nodes, in one word. */
export type Effect = "folded" | "fused" | "narrowed" | "quantised" | "removed" | "rewritten";

/** Tells in the report what counts don't: what was left as it was, and why. */
export type Note = (text: string) => void;

export interface Pass {
  readonly name: string;
  /** What it does to the nodes that it tallies; a pass without one tallies nothing. */
  readonly effect?: Effect;
  /** Regions are passed over before the graph that holds them, unless the pass goes into them by itself, or must not. */
  readonly regions?: "own" | "none";
  readonly run: (graph: Graph, tally: Tally, note: Note) => Graph;
}

/** Runs a pass over a graph and its regions. */
export function runPass(pass: Pass, graph: Graph, tally: Tally, note: Note = () => {}): Graph {
  const inner = pass.regions === undefined ? mapRegions(graph, (region) => runPass(pass, region, tally, note)) : graph;
  return pass.run(inner, tally, note);
}
