/**
 * Lookup tables of a frozen graph → comparisons (specs/convert.md §2.6). A table is filled by a node that only control edges
 * lead to (`init_all_tables`), with constants: so a lookup is
 *
 *     found = keys[…, 1] == table      value = [...values, default][any(found) ? argmax(found) : size]
 *
 * whatever the types. TensorFlow Lite's own tables know two pairs of types only, and need to be filled before the first run.
 */
import type {Message} from "../../bytes/wire.ts";
import type {GraphDef, NodeDef} from "./graph-def.ts";
import {indexNodes, type NodeIndex, parseRef} from "./select.ts";

/** Larger tables than that are left alone, and refused by name: every lookup compares with every key. */
const maxKeys = 1 << 12;

const fillers = /^(LookupTableImport|InitializeTable)(V2)?$/;
const finders = /^LookupTableFind(V2)?$/;

interface Filled {
  /** The inputs of the node that fills it. */
  readonly keys: string;
  readonly values: string;
  readonly size: number;
}

/** Leaves lookups in tables that it can't see the contents of as they are. */
export function resolveTables(graph: GraphDef): GraphDef {
  if (!graph.nodes.some((node) => finders.test(node.op))) return graph;
  const index = indexNodes(graph);
  const tables = filledTables(graph, index);
  const nodes = graph.nodes.flatMap((node) => {
    const table = finders.test(node.op) ? tables.get(tableOf(index, node.inputs[0] ?? "")) : undefined;
    const isOwn = table !== undefined && !index.nodes.has(`${node.name}/table/found`);
    return isOwn ? lookup(node, table) : [node];
  });
  return {...graph, nodes};
}

/** Contents by the name of the table's node; a table that is filled twice has none that can be told. */
function filledTables(graph: GraphDef, index: NodeIndex): ReadonlyMap<string, Filled> {
  const tables = new Map<string, Filled>();
  const twice = new Set<string>();
  for (const node of graph.nodes) {
    if (!fillers.test(node.op)) continue;
    const [handle, keys, values] = node.inputs;
    const name = tableOf(index, handle ?? "");
    const size = keys === undefined ? undefined : lengthOf(index, keys);
    if (tables.has(name)) twice.add(name);
    if (keys !== undefined && values !== undefined && size !== undefined && size > 0 && size <= maxKeys)
      tables.set(name, {keys, values, size});
  }
  return new Map([...tables].filter(([name]) => !twice.has(name)));
}

/** The node of a table, behind the identities that name it. */
function tableOf(index: NodeIndex, input: string): string {
  let name = nameOf(input);
  for (let steps = 0; steps < 64; steps++) {
    const node = index.nodes.get(name);
    if (node === undefined || node.op !== "Identity") return name;
    name = nameOf(node.inputs[0] ?? "");
  }
  return name;
}

const nameOf = (input: string): string => {
  const ref = parseRef(input);
  return ref.slice(0, ref.lastIndexOf(":"));
};

/** Of a constant vector. */
function lengthOf(index: NodeIndex, input: string): number | undefined {
  const node = index.nodes.get(nameOf(input));
  const tensor = node?.op === "Const" ? (node.attributes.get("value")?.tensor as Message | undefined) : undefined;
  const dims = (tensor?.tensor_shape as Message | undefined)?.dim as readonly Message[] | undefined;
  return dims?.length === 1 ? Number(dims[0]!.size ?? 0) : undefined;
}

const types = {int32: 3, bool: 10} as const;

function lookup(node: NodeDef, table: Filled): NodeDef[] {
  const [, keys, fallback] = node.inputs;
  const name = (part: string) => `${node.name}/table/${part}`;
  const keyType = node.attributes.get("Tin") ?? {type: 9};
  const valueType = node.attributes.get("Tout") ?? {type: 9};
  const make = (
    part: string,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Message>>,
  ) => ({
    name: part === "" ? node.name : name(part),
    op,
    inputs: [...inputs],
    attributes: new Map(Object.entries(attributes)),
  });
  const scalar = (part: string, value: number) =>
    make(part, "Const", [], {
      dtype: {type: types.int32},
      value: {tensor: {dtype: types.int32, tensor_shape: {dim: []}, int_val: [value]}},
    });
  return [
    scalar("last", -1),
    scalar("first", 0),
    make("column", "ExpandDims", [keys!, name("last")], {T: keyType, Tdim: {type: types.int32}}),
    make("found", "Equal", [name("column"), table.keys], {T: keyType}),
    make("any", "Any", [name("found"), name("last")], {keep_dims: {b: false}, Tidx: {type: types.int32}}),
    make("numbers", "Cast", [name("found")], {SrcT: {type: types.bool}, DstT: {type: types.int32}}),
    make("place", "ArgMax", [name("numbers"), name("last")], {
      T: {type: types.int32},
      Tidx: {type: types.int32},
      output_type: {type: types.int32},
    }),
    // The default is the value behind the last: a choice between strings has no kernel, one between places has.
    scalar("size", table.size),
    make("choice", "SelectV2", [name("any"), name("place"), name("size")], {T: {type: types.int32}}),
    make("default", "ExpandDims", [fallback!, name("first")], {T: valueType, Tdim: {type: types.int32}}),
    make("values", "ConcatV2", [table.values, name("default"), name("first")], {
      N: {i: 2n},
      T: valueType,
      Tidx: {type: types.int32},
    }),
    make("", "GatherV2", [name("values"), name("choice"), name("first")], {
      Tparams: valueType,
      Tindices: {type: types.int32},
      Taxis: {type: types.int32},
    }),
  ];
}
