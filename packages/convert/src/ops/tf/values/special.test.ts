/** Special functions against values of published tables (DLMF, Abramowitz and Stegun), and identities for the rest. */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {digamma, erf, erfc, erfinv, igamma, lgamma, ndtri, polygamma, zeta} from "./special.ts";

const near = (found: number, wanted: number, relative = 1e-13) =>
  assert.ok(
    Object.is(found, wanted) || Math.abs(found - wanted) <= relative * Math.max(Math.abs(wanted), 1e-300),
    `${found}, expected ${wanted}`,
  );

const values: readonly (readonly [name: string, found: number, wanted: number, relative?: number])[] = [
  ["erf(0.5)", erf(0.5), 0.5204998778130465],
  ["erf(−2.5)", erf(-2.5), -0.999593047982555],
  ["erfc(1.5)", erfc(1.5), 0.033894853524689274, 1e-12],
  ["erfc(5)", erfc(5), 1.5374597944280349e-12],
  ["erfc(−1)", erfc(-1), 1.8427007929497148],
  ["erfinv(0.5)", erfinv(0.5), 0.4769362762044699],
  ["erfinv(−1)", erfinv(-1), Number.NEGATIVE_INFINITY],
  ["ndtri(0.975)", ndtri(0.975), 1.959963984540054],
  ["log Γ(0.5)", lgamma(0.5), 0.5723649429247001],
  ["log Γ(10)", lgamma(10), Math.log(362880)],
  ["log |Γ(−0.5)|", lgamma(-0.5), 1.2655121234846454],
  ["ψ(1)", digamma(1), -0.5772156649015329],
  ["ψ(−0.5)", digamma(-0.5), 0.03648997397857652, 1e-12],
  ["P(2, 1)", igamma(2, 1)[0], 1 - 2 / Math.E],
  ["Q(2, 30)", igamma(2, 30)[1], 31 * Math.exp(-30)],
  ["ζ(2)", zeta(2, 1), Math.PI ** 2 / 6],
  ["ζ(3, 0.5)", zeta(3, 0.5), 7 * 1.2020569031595942],
  ["ψ′(1)", polygamma(1, 1), Math.PI ** 2 / 6],
  ["ψ″(1)", polygamma(2, 1), -2 * 1.2020569031595942],
];

for (const [name, found, wanted, relative] of values) test(name, () => near(found, wanted, relative));

test("erfinv undoes erf", () => {
  fc.assert(fc.property(fc.double({min: -3, max: 3, noNaN: true}), (x) => near(erf(erfinv(erf(x))), erf(x), 1e-12)));
});

test("Γ(x + 1) = x·Γ(x), and ψ follows", () => {
  fc.assert(
    fc.property(fc.double({min: 0.01, max: 50, noNaN: true}), (x) => {
      assert.ok(Math.abs(lgamma(x + 1) - lgamma(x) - Math.log(x)) < 1e-12 * (1 + Math.abs(lgamma(x + 1))));
      assert.ok(Math.abs(digamma(x + 1) - digamma(x) - 1 / x) < 1e-12 * (1 + 1 / x));
    }),
  );
});

test("the two incomplete gamma functions add up to 1", () => {
  fc.assert(
    fc.property(fc.double({min: 0.1, max: 40, noNaN: true}), fc.double({min: 0, max: 80, noNaN: true}), (a, x) => {
      const [lower, upper] = igamma(a, x);
      assert.ok(lower >= -1e-15 && upper >= -1e-15 && Math.abs(lower + upper - 1) < 1e-13);
    }),
  );
});
