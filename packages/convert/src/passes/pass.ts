/** What a pass is: a pure function from graph to graph, with a name; what it did is counted for the report. */
import type {Graph} from "../ir/graph.ts";

/** Counts what passes did, by kind ("batch norms folded"). */
export type Tally = (what: string, by?: number) => void;

export interface Pass {
  readonly name: string;
  readonly run: (graph: Graph, tally: Tally) => Graph;
}
