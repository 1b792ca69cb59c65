/** The generic reader and writer: layout, determinism, and what forged files try. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {concatBytes} from "@tf-trusted/core";
import {bytesOf} from "@tf-trusted/tensor";
import fc from "fast-check";
import {tableRows} from "../gen/schema-data.ts";
import {readModel} from "../read-model.ts";
import {tables} from "../schema/schema.ts";
import {oneOperator} from "../testing/build.ts";
import {throwsCode} from "../testing/throws-code.ts";
import {writeModel} from "../write-model.ts";
import {type Decoded, type DecodedTable, FlatbufferReader} from "./reader.ts";
import {encodeFlatbuffer, encodeFlatbufferParts} from "./writer.ts";

const decode = (bytes: Uint8Array) => new FlatbufferReader(bytes, 1 << 28).decodeRoot("Model", "TFL3");

test("any value of the schema survives: what is written is what is read", () => {
  fc.assert(
    fc.property(tableArbitrary("Model", 3), (value) => {
      const bytes = encodeFlatbuffer("Model", "TFL3", value);
      assert.deepEqual(plain(decode(bytes)), plain(withDefaults("Model", value)));
      assert.deepEqual(encodeFlatbuffer("Model", "TFL3", value), bytes);
    }),
    {numRuns: 200},
  );
});

test("buffers start at multiples of 16 bytes, and are views", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({maxLength: 40}), {maxLength: 12}), (buffers) => {
      const bytes = encodeFlatbuffer("Model", "TFL3", {version: 3, buffers: buffers.map((data) => ({data}))});
      for (const {data} of decode(bytes).buffers as readonly {readonly data: Uint8Array}[]) {
        assert.equal(data.byteOffset % 16, 0);
        assert.equal(data.buffer, bytes.buffer);
      }
    }),
  );
});

test("large runs of bytes come last, as parts that aren't copied", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({min: 4090, max: 4102}), {maxLength: 6}), (sizes) => {
      const buffers = sizes.map((size, i) => ({data: new Uint8Array(size).fill(i + 1)}));
      const model = {version: 3, description: "after the buffers", buffers};
      const parts = encodeFlatbufferParts("Model", "TFL3", model);
      const large = buffers.flatMap(({data}) => (data.length >= 4096 ? [data] : []));
      assert.deepEqual(
        parts.filter((part) => large.some((data) => data === part)),
        large,
      );
      const bytes = encodeFlatbuffer("Model", "TFL3", model);
      assert.deepEqual(concatBytes(...parts.map(bytesOf)), bytes);
      assert.deepEqual(plain(decode(bytes)), plain(withDefaults("Model", model)));
    }),
  );
});

test("equal field lists are stored once", () => {
  const size = (count: number) => {
    const operatorCodes = Array.from({length: count}, () => ({builtinCode: "CONV_2D", version: 7}));
    return encodeFlatbuffer("Model", "TFL3", {version: 3, operatorCodes}).length;
  };
  // A table of two 4-byte fields with its offset to the list, and the offset that points to it.
  assert.equal(size(101) - size(1), 100 * (12 + 4));
});

test("the schema has no recursive tables, so the reader's depth is bounded", () => {
  const depth = (name: string, path: readonly string[]): number => {
    assert.ok(!path.includes(name), [...path, name].join(" > "));
    const children = tables.get(name)!.fields.flatMap(({type}) => {
      const element = type.kind === "vector" ? type.element : type;
      if (element.kind === "union") return [...element.members.values.keys()].filter((member) => member !== "NONE");
      return element.kind === "table" ? [element.table] : [];
    });
    return 1 + Math.max(0, ...children.map((child) => depth(child, [...path, name])));
  };
  assert.equal(depth("Model", []), 6);
});

test("parts that many tables share end at the budget, not after minutes", () => {
  // 20,000 subgraphs that all have the same list of 20,000 tensors: 400 million tables from 160 kB.
  const bytes = sharedSubgraphs(20_000);
  const start = performance.now();
  throwsCode(() => readModel(bytes), "TFLITE_LIMIT");
  assert.ok(performance.now() - start < 1000);
});

test("a limit on decoded bytes is kept", () => {
  const bytes = writeModel(oneOperator({builtin: "ABS", inputs: [{shape: [2]}]}));
  throwsCode(() => readModel(bytes, {limits: {maxDecodedBytes: 100}}), "TFLITE_LIMIT");
  throwsCode(() => readModel(bytes, {limits: {maxFileBytes: bytes.length - 1}}), "TFLITE_LIMIT");
});

test("faults of structure have their codes", () => {
  const good = encodeFlatbuffer("Model", "TFL3", {version: 3, description: "a", operatorCodes: [{version: 2}]});
  const view = new DataView(good.buffer);
  const root = view.getUint32(0, true);
  const list = root - view.getInt32(root, true);
  const field = (id: number) => root + view.getUint16(list + 4 + 2 * id, true);
  const at = (id: number) => field(id) + view.getUint32(field(id), true);
  for (const [what, code, change] of [
    ["root points to itself", "TFLITE_OFFSET", (v: DataView) => v.setUint32(0, 0, true)],
    ["root outside", "TFLITE_OFFSET", (v: DataView) => v.setUint32(0, good.length, true)],
    ["root misaligned", "TFLITE_OFFSET", (v: DataView) => v.setUint32(0, root + 2, true)],
    ["field list outside", "TFLITE_OFFSET", (v: DataView) => v.setInt32(root, root + 2, true)],
    ["field list misaligned", "TFLITE_OFFSET", (v: DataView) => v.setInt32(root, root - list + 1, true)],
    ["field list too long", "TFLITE_LAYOUT", (v: DataView) => v.setUint16(list, 0xfffe, true)],
    ["field list of odd length", "TFLITE_LAYOUT", (v: DataView) => v.setUint16(list, 7, true)],
    ["table too short", "TFLITE_LAYOUT", (v: DataView) => v.setUint16(list + 2, 2, true)],
    ["table too long", "TFLITE_TRUNCATED", (v: DataView) => v.setUint16(list + 2, 0xfff0, true)],
    ["field outside its table", "TFLITE_LAYOUT", (v: DataView) => v.setUint16(list + 4, 0x100, true)],
    ["field over the offset to the list", "TFLITE_LAYOUT", (v: DataView) => v.setUint16(list + 4, 2, true)],
    [
      "field misaligned",
      "TFLITE_OFFSET",
      (v: DataView) => v.setUint16(list + 4, view.getUint16(list + 4, true) + 1, true),
    ],
    ["string without end", "TFLITE_STRING", (v: DataView) => v.setUint8(at(3) + 5, 1)],
    ["string not UTF-8", "TFLITE_STRING", (v: DataView) => v.setUint8(at(3) + 4, 0xff)],
    ["list longer than the file", "TFLITE_TRUNCATED", (v: DataView) => v.setUint32(at(1), 0x4000_0000, true)],
    ["element of a list points backwards", "TFLITE_OFFSET", (v: DataView) => v.setInt32(at(1) + 4, -8, true)],
    ["identifier", "TFLITE_IDENTIFIER", (v: DataView) => v.setUint8(7, 0x32)],
    ["version", "TFLITE_VERSION", (v: DataView) => v.setUint32(field(0), 4, true)],
  ] as const) {
    const bytes = good.slice();
    change(new DataView(bytes.buffer));
    throwsCode(() => readModel(bytes), code);
    assert.ok(what);
  }
});

test("unknown fields, values and truth values are refused", () => {
  const model = (extra: DecodedTable) => encodeFlatbuffer("Model", "TFL3", {version: 3, ...extra});
  const patched = (bytes: Uint8Array, from: number, to: number) => {
    const copy = bytes.slice();
    const index = copy.lastIndexOf(from);
    assert.notEqual(index, -1);
    copy[index] = to;
    return copy;
  };
  const codes = model({operatorCodes: [{builtinCode: "UNIQUE"}]});
  throwsCode(() => readModel(patched(codes, 103, 250)), "TFLITE_UNKNOWN_VALUE", /BuiltinOperator has no value 250/);
  const tensors = model({subgraphs: [{tensors: [{isVariable: true, type: "COMPLEX128"}]}]});
  throwsCode(() => readModel(patched(tensors, 11, 99)), "TFLITE_UNKNOWN_VALUE", /TensorType has no value 99/);
  throwsCode(() => readModel(patched(tensors, 1, 7)), "TFLITE_UNKNOWN_VALUE", /7; expected 0 or 1/);
  // A field list with an eleventh entry, which Model has no field for.
  const bytes = model({
    description: "x",
    signatureDefs: [],
    metadata: [],
    buffers: [],
    subgraphs: [],
    operatorCodes: [],
  });
  const view = new DataView(bytes.buffer);
  const list = 8;
  assert.equal(view.getUint16(list, true), 4 + 2 * 8);
  view.setUint16(list, 4 + 2 * 11, true);
  throwsCode(() => readModel(bytes), "TFLITE_UNKNOWN_FIELD");
});

test("options of two kinds, options without a type, and weights elsewhere are refused", () => {
  const model = (operator: DecodedTable, tensor: DecodedTable = {}, extra: DecodedTable = {}) =>
    encodeFlatbuffer("Model", "TFL3", {version: 3, subgraphs: [{operators: [operator], tensors: [tensor]}], ...extra});
  const both = {
    builtinOptions: {type: "AddOptions", value: {}},
    builtinOptions2: {type: "DilateOptions", value: {}},
  };
  throwsCode(() => readModel(model(both)), "TFLITE_LAYOUT", /two options tables/);
  throwsCode(() => readModel(model({}, {externalBuffer: 1})), "TFLITE_EXTERNAL");
  throwsCode(() => readModel(model({}, {}, {externalBuffers: [{}]})), "TFLITE_EXTERNAL");
  throwsCode(() => readModel(model({}, {}, {buffers: [{offset: 2n ** 60n, size: 4n}]})), "TFLITE_BUFFER");
  throwsCode(() => readModel(model({}, {}, {buffers: [{offset: 64n, size: 2n ** 63n}]})), "TFLITE_BUFFER");
  throwsCode(
    () => readModel(model({}, {}, {buffers: [{data: new Uint8Array(2), offset: 8n, size: 4n}]})),
    "TFLITE_BUFFER",
    /both/,
  );
  throwsCode(
    () => readModel(model({largeCustomOptionsOffset: 8n, largeCustomOptionsSize: 2n ** 40n})),
    "TFLITE_BUFFER",
  );
  const after = model(
    {largeCustomOptionsOffset: 4n, largeCustomOptionsSize: 4n},
    {},
    {buffers: [{offset: 0n}, {offset: 1n}, {offset: 4n, size: 4n}]},
  );
  const {buffers, subgraphs} = readModel(after);
  assert.deepEqual(
    buffers.map(({length}) => length),
    [0, 0, 4],
  );
  assert.deepEqual(String.fromCharCode(...subgraphs[0]!.operators[0]!.customOptions!), "TFL3");
});

test("what doesn't fit the schema isn't written", () => {
  const write = (value: DecodedTable) => () => encodeFlatbuffer("Model", "TFL3", value);
  throwsCode(write({version: -1}), "TFLITE_UNWRITABLE", /Model\.version: found -1/);
  throwsCode(write({version: 1.5}), "TFLITE_UNWRITABLE");
  throwsCode(write({version: 2n}), "TFLITE_UNWRITABLE");
  throwsCode(write({verzion: 1}), "TFLITE_UNWRITABLE", /Model has no such field/);
  throwsCode(write({description: "\ud800"}), "TFLITE_UNWRITABLE");
  throwsCode(write({description: 3}), "TFLITE_UNWRITABLE");
  throwsCode(write({buffers: [{data: [1, 2]}]}), "TFLITE_UNWRITABLE", /buffers\[0\]\.data/);
  throwsCode(write({buffers: 3}), "TFLITE_UNWRITABLE");
  throwsCode(write({buffers: [7]}), "TFLITE_UNWRITABLE");
  throwsCode(write({operatorCodes: [{builtinCode: "ADDD"}]}), "TFLITE_UNWRITABLE", /no value "ADDD"/);
  const operator = {builtinOptions: {type: "NoSuchOptions", value: {}}};
  throwsCode(write({subgraphs: [{operators: [operator]}]}), "TFLITE_UNWRITABLE", /NoSuchOptions/);
  const bytes = new Uint8Array(0);
  Object.defineProperty(bytes, "length", {value: 0x8000_0000});
  throwsCode(write({buffers: [{data: bytes}]}), "TFLITE_TOO_LARGE");
});

/** A value of a table: any fields, small. Unions stay out below the given depth. */
function tableArbitrary(name: string, depth: number): fc.Arbitrary<DecodedTable> {
  const fields = tables.get(name)!.fields.map(({name: field, type}) => [field, kindArbitrary(type, depth)] as const);
  return fc.record(
    Object.fromEntries(fields.filter(([, kind]) => kind !== undefined)) as Record<string, fc.Arbitrary<Decoded>>,
    {requiredKeys: []},
  );
}

type Kind = NonNullable<ReturnType<typeof tables.get>>["fields"][number]["type"];

function kindArbitrary(kind: Kind, depth: number): fc.Arbitrary<Decoded> | undefined {
  switch (kind.kind) {
    case "scalar":
      return scalarArbitrary(kind.scalar);
    case "enum":
      return fc.constantFrom(...kind.enum.values.keys());
    case "string":
      return fc.string({unit: "binary", maxLength: 5});
    case "bytes":
      return fc.uint8Array({maxLength: 5});
    case "table":
      return depth === 0 ? undefined : tableArbitrary(kind.table, depth - 1);
    case "vector": {
      const element = kindArbitrary(kind.element, depth);
      return element && fc.array(element, {maxLength: 3});
    }
    case "union": {
      if (depth === 0) return undefined;
      const members = [...kind.members.values.keys()].filter((member) => member !== "NONE");
      return fc.constantFrom(...members).chain((type) => tableArbitrary(type, 0).map((value) => ({type, value})));
    }
  }
}

function scalarArbitrary(name: string): fc.Arbitrary<Decoded> {
  if (name === "bool") return fc.boolean();
  if (name === "float") return fc.float({noNaN: true});
  if (name === "long") return fc.bigInt({min: -(2n ** 63n), max: 2n ** 63n - 1n});
  if (name === "ulong") return fc.bigInt({min: 0n, max: 2n ** 64n - 1n});
  const bits = {byte: 8, ubyte: 8, ushort: 16, int: 32, uint: 32}[name]!;
  const signed = name === "byte" || name === "int";
  return signed
    ? fc.integer({min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1})
    : fc.integer({min: 0, max: 2 ** bits - 1});
}

/** The value with absent scalars filled in, as the reader gives it. */
function withDefaults(name: string, value: DecodedTable): DecodedTable {
  const fill = (kind: Kind, found: Decoded): Decoded => {
    if (kind.kind === "table") return withDefaults(kind.table, found as DecodedTable);
    if (kind.kind === "vector") return (found as readonly Decoded[]).map((each) => fill(kind.element, each));
    if (kind.kind !== "union") return found;
    const {type, value: inner} = found as {readonly type: string; readonly value: DecodedTable};
    return {type, value: withDefaults(type, inner)};
  };
  const entries = tables.get(name)!.fields.flatMap(({name: field, type, fallback}) => {
    const found = value[field];
    if (found !== undefined) return [[field, fill(type, found)] as const];
    return fallback === undefined ? [] : [[field, fallback] as const];
  });
  return Object.fromEntries(entries);
}

/** Negative zero is stored as it is, but equals the default; so compare by value. */
function plain(value: Decoded): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each as Decoded)]));
  return Object.is(value, -0) ? 0 : value;
}

/** A file of `count` subgraphs at one place, with `count` tensors at one place: made by hand. */
function sharedSubgraphs(count: number): Uint8Array {
  const bytes = new Uint8Array(64 + 8 * count + 64);
  const view = new DataView(bytes.buffer);
  assert.equal(
    tableRows.Model!.findIndex(([, name]) => name === "subgraphs"),
    2,
  );
  bytes.set(new TextEncoder().encode("TFL3"), 4);
  // Field lists: of Model (fields 0 to 2), of SubGraph (field 0), of an empty table.
  const lists = {model: 8, graph: 20, empty: 28};
  [10, 12, 4, 0, 8].forEach((value, index) => {
    view.setUint16(lists.model + 2 * index, value, true);
  });
  [6, 8, 4].forEach((value, index) => {
    view.setUint16(lists.graph + 2 * index, value, true);
  });
  [4, 4].forEach((value, index) => {
    view.setUint16(lists.empty + 2 * index, value, true);
  });
  const root = 32;
  const graphs = 44;
  const graph = graphs + 4 + 4 * count;
  const tensors = graph + 8;
  const tensor = tensors + 4 + 4 * count;
  const point = (from: number, to: number) => view.setUint32(from, to - from, true);
  point(0, root);
  view.setInt32(root, root - lists.model, true);
  view.setUint32(root + 4, 3, true);
  point(root + 8, graphs);
  view.setUint32(graphs, count, true);
  view.setInt32(graph, graph - lists.graph, true);
  point(graph + 4, tensors);
  view.setUint32(tensors, count, true);
  view.setInt32(tensor, tensor - lists.empty, true);
  for (let index = 0; index < count; index++) {
    point(graphs + 4 + 4 * index, graph);
    point(tensors + 4 + 4 * index, tensor);
  }
  return bytes;
}
