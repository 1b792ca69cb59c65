/**
 * TensorArrayV3 and its relatives → TensorLists (specs/convert.md §4.9). An array is a handle and a "flow" that orders its
 * uses; a list is a value. The flow becomes the list; the handle, which says the same, is read by nothing any more.
 */
import type {Message, MessageMap} from "../../bytes/wire.ts";
import type {GraphDef, NodeDef} from "./graph-def.ts";

/** What becomes of a node: its inputs `[handle, …]` in another order. */
interface Row {
  readonly op: string;
  /** Places of the new inputs among the old; `shape` for the shape of an element, told by the attribute. */
  readonly inputs: readonly (number | "shape")[];
}

const rows: Readonly<Record<string, Row>> = {
  TensorArrayV3: {op: "TensorListReserve", inputs: ["shape", 0]},
  TensorArrayWriteV3: {op: "TensorListSetItem", inputs: [3, 1, 2]},
  TensorArrayReadV3: {op: "TensorListGetItem", inputs: [2, 1, "shape"]},
  TensorArrayGatherV3: {op: "TensorListGather", inputs: [2, 1, "shape"]},
  TensorArrayScatterV3: {op: "TensorListScatterIntoExistingList", inputs: [3, 2, 1]},
  TensorArraySizeV3: {op: "TensorListLength", inputs: [1]},
  TensorArrayConcatV3: {op: "TensorListConcat", inputs: [1]},
};

/** An array that grows as it is written to: there is no list that does, so that it is refused by this name. */
const growingList = "TensorArrayV3 (dynamic_size)";

/** Nodes that carry a flow from one place to another are told nothing about types: those of their inputs hold. */
export function raiseTensorArrays(graph: GraphDef): GraphDef {
  if (!graph.nodes.some((node) => node.op === "TensorArrayV3")) return graph;
  const arrays = new Set(graph.nodes.filter((node) => node.op === "TensorArrayV3").map((node) => node.name));
  const nodes = graph.nodes.flatMap((node): NodeDef[] => {
    if (node.op === "TensorArrayCloseV3") return [];
    // The handle is output 0 of the array, the flow output 1: both are the list.
    const inputs = node.inputs.map((input) =>
      input.endsWith(":1") && arrays.has(input.slice(0, -2)) ? input.slice(0, -2) : input,
    );
    const row = rows[node.op];
    if (row === undefined) return [{...node, inputs}];
    const data = inputs.filter((input) => !input.startsWith("^"));
    const controls = inputs.filter((input) => input.startsWith("^"));
    const shape = `${node.name}/element_shape`;
    const grows = node.op === "TensorArrayV3" && node.attributes.get("dynamic_size")?.b === true;
    const made: NodeDef = {
      name: node.name,
      op: grows ? growingList : row.op,
      inputs: [...row.inputs.map((at) => (at === "shape" ? shape : (data[at] ?? ""))), ...controls],
      attributes: listAttributes(node),
    };
    return row.inputs.includes("shape") ? [shapeConstant(shape, node), made] : [made];
  });
  return {...graph, nodes};
}

function listAttributes(node: NodeDef): MessageMap {
  const type = node.attributes.get("dtype") ?? node.attributes.get("T") ?? {type: 0};
  return new Map<string, Message>([
    ["element_dtype", type],
    ["shape_type", {type: 3}],
  ]);
}

/** −1 alone: nothing is known; −1 among others: that dimension isn't. */
function shapeConstant(name: string, node: NodeDef): NodeDef {
  const shape = (node.attributes.get("element_shape") ?? node.attributes.get("element_shape_except0"))?.shape as
    | Message
    | undefined;
  const dims = shape === undefined || shape.unknown_rank === true ? undefined : ((shape.dim ?? []) as Message[]);
  const sizes = dims?.map((dim) => Number((dim.size ?? 0n) as bigint));
  const tensor: Message =
    sizes === undefined
      ? {dtype: 3, tensor_shape: {}, int_val: [-1]}
      : {dtype: 3, tensor_shape: {dim: [{size: BigInt(sizes.length)}]}, int_val: sizes};
  const attributes = new Map<string, Message>([
    ["dtype", {type: 3}],
    ["value", {tensor}],
  ]);
  return {name, op: "Const", inputs: [], attributes};
}
