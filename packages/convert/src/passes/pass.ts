/** What a pass is: a pure function from graph to graph, with a name; what it did is counted for the report. */
import {type Graph, mapRegions} from "../ir/graph.ts";

/** Counts what passes did, by kind ("batch norms folded"). */
export type Tally = (what: string, by?: number) => void;

/** Tells in the report what counts don't: what was left as it was, and why. */
export type Note = (text: string) => void;

export interface Pass {
  readonly name: string;
  /** Regions are passed over before the graph that holds them, unless the pass goes into them by itself, or must not. */
  readonly regions?: "own" | "none";
  readonly run: (graph: Graph, tally: Tally, note: Note) => Graph;
}

/** Runs a pass over a graph and its regions. */
export function runPass(pass: Pass, graph: Graph, tally: Tally, note: Note = () => {}): Graph {
  const inner = pass.regions === undefined ? mapRegions(graph, (region) => runPass(pass, region, tally, note)) : graph;
  return pass.run(inner, tally, note);
}
