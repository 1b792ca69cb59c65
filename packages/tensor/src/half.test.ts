import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {bfloat16ToNumber, float16ToNumber, numberToBfloat16, numberToFloat16} from "./half.ts";

const patterns = Array.from({length: 2 ** 16}, (_, bits) => bits);
const formats = [
  {name: "float16", decode: float16ToNumber, encode: numberToFloat16, exponentBits: 5, nan: 0x7e00},
  {name: "bfloat16", decode: bfloat16ToNumber, encode: numberToBfloat16, exponentBits: 8, nan: 0x7fc0},
] as const;

for (const {name, decode, encode, exponentBits, nan} of formats) {
  const fractionBits = 15 - exponentBits;
  const infinity = (2 ** exponentBits - 1) << fractionBits;

  test(`${name}: all 65,536 patterns have the value of IEEE 754's formula`, () => {
    const bias = 2 ** (exponentBits - 1) - 1;
    for (const bits of patterns) {
      const text = bits.toString(2).padStart(16, "0");
      const exponent = Number.parseInt(text.slice(1, 1 + exponentBits), 2);
      const fraction = Number.parseInt(text.slice(1 + exponentBits), 2) / 2 ** fractionBits;
      const sign = text[0] === "1" ? -1 : 1;
      let wanted = sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
      if (exponent === 2 ** exponentBits - 1) wanted = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
      assert.ok(Object.is(decode(bits), wanted), `0x${bits.toString(16)}: ${decode(bits)}, expected ${wanted}`);
    }
  });

  test(`${name}: all 65,536 patterns come back; every NaN as the quiet one`, () => {
    for (const bits of patterns) assert.equal(encode(decode(bits)), (bits & 0x7fff) > infinity ? nan : bits);
  });

  test(`${name}: between each two neighbours the nearer wins, and the even one at the middle`, () => {
    for (let low = 0; low < infinity; low++) {
      const high = low + 1;
      // What would follow the largest number if the exponent could grow: beyond the middle to it is infinity.
      const above = high === infinity ? 2 * decode(low) - decode(low - 1) : decode(high);
      const middle = (decode(low) + above) / 2;
      const even = low % 2 === 0 ? low : high;
      for (const [value, wanted] of [
        [middle, even],
        [nextFloat64(middle, -1), low],
        [nextFloat64(middle, 1), high],
      ] as const) {
        assert.equal(encode(value), wanted, `${value}`);
        assert.equal(encode(-value), wanted | 0x8000, `${-value}`);
      }
    }
  });

  test(`${name}: any float64 becomes the nearest of all patterns`, () => {
    const finite = patterns.slice(0, infinity).map(decode);
    const property = fc.property(fc.double({min: -decode(infinity - 1), max: decode(infinity - 1)}), (value) => {
      const found = decode(encode(value));
      const magnitude = Math.abs(value);
      // The neighbours by binary search, independent of any bits.
      let low = 0;
      for (let step = 2 ** 15; step >= 1; step /= 2) if ((finite[low + step] ?? Infinity) <= magnitude) low += step;
      const high = Math.min(low + 1, infinity - 1);
      const nearest = Math.min(
        magnitude - finite[low]!,
        finite[high]! - magnitude < 0 ? Infinity : finite[high]! - magnitude,
      );
      assert.equal(Math.abs(Math.abs(found) - magnitude), nearest);
    });
    fc.assert(property, {numRuns: 2000});
  });

  test(`${name}: extremes`, () => {
    assert.equal(encode(Number.NaN), nan);
    assert.equal(encode(-0), 0x8000);
    assert.equal(encode(Number.MIN_VALUE), 0);
    assert.equal(encode(-Number.MIN_VALUE), 0x8000);
    assert.equal(encode(Number.MAX_VALUE), infinity);
    assert.equal(encode(Number.NEGATIVE_INFINITY), infinity | 0x8000);
  });
}

test("float16: a float64 is rounded once, not by way of float32", () => {
  // 1 + 2^-11 is the middle of 1 and its neighbour; a bit more is dropped by float32, and the tie would go to 1.
  assert.equal(numberToFloat16(1 + 2 ** -11 + 2 ** -40), 0x3c01);
});

/** The next float64 away from zero (1) or towards it (-1). */
function nextFloat64(value: number, direction: 1 | -1): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigUint64(0, view.getBigUint64(0) + BigInt(direction));
  return view.getFloat64(0);
}
