/** Where boxes, frames and lines go: layers from top to bottom, by dagre. */
import {graphlib, layout} from "@dagrejs/dagre";

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Line {
  readonly from: string;
  readonly to: string;
  /** Of its text; none where it has none. */
  readonly label: Size | undefined;
  /** How many values it stands for. */
  readonly weight: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Centres and sizes. */
export interface Placed extends Point, Size {}

export interface Layout extends Size {
  readonly boxes: ReadonlyMap<string, Placed>;
  /** In the order of the given lines. */
  readonly lines: readonly {readonly points: readonly Point[]; readonly label: Point | undefined}[];
}

/** The best ranks take long in large graphs. */
const carefulBelow = 250;

/** `parents` names the frame that a box or frame is in. */
export function placeBoxes(
  boxes: ReadonlyMap<string, Size>,
  frames: readonly string[],
  parents: ReadonlyMap<string, string>,
  lines: readonly Line[],
): Layout {
  const depth = Math.max(0, ...frames.map((id) => depthOf(id, parents)));
  const graph = new graphlib.Graph({compound: true, multigraph: true, directed: true});
  graph.setGraph({
    rankdir: "TB",
    nodesep: 28,
    ranksep: 34 + 6 * depth,
    edgesep: 14,
    marginx: 24,
    marginy: 24,
    ranker: boxes.size < carefulBelow ? "network-simplex" : "longest-path",
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const [id, {width, height}] of boxes) graph.setNode(id, {width, height});
  for (const id of frames) graph.setNode(id, {});
  for (const [id, parent] of parents) graph.setParent(id, parent);
  lines.forEach(({from, to, label, weight}, i) => {
    const size = label === undefined ? {} : {...label, labelpos: "c" as const};
    graph.setEdge(from, to, {weight: Math.min(weight, 4), ...size}, String(i));
  });
  layout(graph);
  const {width = 0, height = 0} = graph.graph() as Partial<Size>;
  return {
    width,
    height,
    boxes: withCaptions(new Map(graph.nodes().map((id: string) => [id, graph.node(id) as Placed])), frames, parents),
    lines: lines.map(({from, to}, i) => {
      const edge = graph.edge(from, to, String(i)) as {points: readonly Point[]; x?: number; y?: number};
      const label = edge.x === undefined || edge.y === undefined ? undefined : {x: edge.x, y: edge.y};
      return {points: edge.points, label};
    }),
  };
}

function depthOf(id: string, parents: ReadonlyMap<string, string>): number {
  let depth = 1;
  for (let at = parents.get(id); at !== undefined; at = parents.get(at)) depth++;
  return depth;
}

const captionHeight = 21;

/** Frames are made higher so that there is room for their names, also where one begins right below the other. */
function withCaptions(
  boxes: Map<string, Placed>,
  frames: readonly string[],
  parents: ReadonlyMap<string, string>,
): ReadonlyMap<string, Placed> {
  const innermostFirst = [...frames].sort((a, b) => depthOf(b, parents) - depthOf(a, parents));
  const tops = new Map<string, number>();
  for (const id of innermostFirst) {
    const {x, y, width, height} = boxes.get(id)!;
    const own = Math.min(y - height / 2, tops.get(id) ?? Number.POSITIVE_INFINITY) - captionHeight;
    const bottom = y + height / 2;
    boxes.set(id, {x, y: (own + bottom) / 2, width, height: bottom - own});
    const parent = parents.get(id);
    if (parent !== undefined) tops.set(parent, Math.min(own, tops.get(parent) ?? Number.POSITIVE_INFINITY));
  }
  return boxes;
}
