/** What a pass is: a pure function from graph to graph, with a name; what it did is counted for the report. */
import {type Graph, mapRegions} from "../ir/graph.ts";

/** Counts what passes did, by kind ("batch norms folded"). */
export type Tally = (what: string, by?: number) => void;

export interface Pass {
  readonly name: string;
  /** Regions are passed over before the graph that holds them, unless the pass goes into them by itself, or must not. */
  readonly regions?: "own" | "none";
  readonly run: (graph: Graph, tally: Tally) => Graph;
}

/** Runs a pass over a graph and its regions. */
export function runPass(pass: Pass, graph: Graph, tally: Tally): Graph {
  const inner = pass.regions === undefined ? mapRegions(graph, (region) => runPass(pass, region, tally)) : graph;
  return pass.run(inner, tally);
}
