import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {
  addDims,
  broadcastDims,
  ceilDivideDim,
  type Dim,
  divideDims,
  floorDivideDim,
  isKnown,
  multiplyDims,
  subtractDims,
  unknownDim,
} from "./dims.ts";

/** What an expression is for given sizes; undefined for what says nothing. */
function evaluate(dim: Dim, sizes: Readonly<Record<string, number>>): number | undefined {
  if (isKnown(dim)) return dim;
  if (dim.includes(unknownDim)) return undefined;
  const source = dim
    .replaceAll(/(ceil|floor)\(/g, "Math.$1(")
    .replaceAll(/\b[ab]\.0\b/g, (name) => String(sizes[name]));
  // Adding 0 makes a negative zero positive.
  return (new Function(`return ${source}`)() as number) + 0;
}

const sizes = fc.record({"a.0": fc.integer({min: 1, max: 20}), "b.0": fc.integer({min: 1, max: 20})});
const leaf = fc.oneof(fc.integer({min: 0, max: 12}), fc.constantFrom<Dim>("a.0", "b.0", unknownDim));
const operation = fc.constantFrom<"add" | "sub" | "mul" | "div" | "ceil" | "floor">(
  "add",
  "sub",
  "mul",
  "div",
  "ceil",
  "floor",
);

test("an expression has the value of what it was made of, for all sizes", () => {
  fc.assert(
    fc.property(leaf, fc.array(fc.tuple(operation, leaf), {maxLength: 6}), sizes, (first, steps, values) => {
      let dim: Dim = first;
      let number = evaluate(first, values);
      for (const [name, other] of steps) {
        const right = evaluate(other, values);
        if (name === "add")
          [dim, number] = [
            addDims(dim, other),
            number === undefined || right === undefined ? undefined : number + right,
          ];
        else if (name === "sub")
          [dim, number] = [
            subtractDims(dim, other),
            number === undefined || right === undefined
              ? dim === other && dim !== unknownDim
                ? 0
                : undefined
              : number - right,
          ];
        else if (name === "mul") {
          number =
            number === 0 || right === 0 ? 0 : number === undefined || right === undefined ? undefined : number * right;
          dim = multiplyDims(dim, other);
        } else if (name === "div") {
          dim = divideDims(dim, other);
          number = number === undefined || right === undefined || right === 0 ? undefined : number / right;
        } else if (isKnown(other) && other > 0) {
          dim = name === "ceil" ? ceilDivideDim(dim, other) : floorDivideDim(dim, other);
          number =
            number === undefined ? undefined : name === "ceil" ? Math.ceil(number / other) : Math.floor(number / other);
        }
        const found = evaluate(dim, values);
        if (found !== undefined && number !== undefined) assert.equal(found, number + 0, `${dim}`);
        number = found;
      }
    }),
  );
});

test("equal products are equal expressions", () => {
  assert.equal(multiplyDims(multiplyDims("b.0", 3), "a.0"), multiplyDims("a.0", multiplyDims(3, "b.0")));
  assert.equal(divideDims(multiplyDims("a.0", 12), 4), "3*a.0");
  assert.equal(divideDims("a.0", 2), unknownDim);
  assert.equal(subtractDims(addDims("a.0", 3), 3), "a.0");
  assert.equal(subtractDims("a.0", "a.0"), 0);
});

test("broadcasting keeps what is known", () => {
  assert.equal(broadcastDims("a.0", 5), 5);
  assert.equal(broadcastDims("a.0", 1), "a.0");
  assert.equal(broadcastDims("a.0", "b.0"), unknownDim);
  assert.equal(broadcastDims(2, 3), undefined);
});

test("expressions don't grow without end", () => {
  let dim: Dim = "a.0";
  for (let i = 0; i < 200; i++) dim = addDims(ceilDivideDim(dim, 2), "b.0");
  assert.equal(dim, unknownDim);
});
