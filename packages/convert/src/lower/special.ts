/** Lowerings of special functions: fixed numbers of terms that reach what float32 holds, for all arguments. */
import type {Ref} from "../ir/graph.ts";
import type {Lowerer, Lowering, LoweringTable} from "./lowerer.ts";

const onFloats =
  (f: (b: Lowerer, x: Ref) => Ref): Lowering =>
  ({inputs: [x]}, b) => {
    if (b.dtype(x!) !== "float32") return b.refuse(`it is computed for float32 only, not ${b.dtype(x!)}`);
    return f(b, x!);
  };

export function polynomial(b: Lowerer, x: Ref, coefficients: readonly number[]): Ref {
  let sum: Ref = b.scalar(coefficients[0]!);
  for (const coefficient of coefficients.slice(1)) sum = b.add(b.mul(sum, x), b.scalar(coefficient));
  return sum;
}

/** Lanczos' approximation of Γ with g = 7 and 9 terms (Numerical Recipes 3, §6.1). */
const lanczos = [
  676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
  -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
];
const lanczosFirst = 0.9999999999998099;

/** x less the nearest integer, which is exact: sin πx and tan πx lose nothing by it but the sign of the former. */
const fromNearest = (b: Lowerer, x: Ref): Ref => b.sub(x, b.op("ROUND", [x]));

/** log|Γ(x)|; below ½ by reflection: log π − log|sin πx| − log Γ(1 − x). Poles are infinite. */
export function lgamma(b: Lowerer, x: Ref): Ref {
  const reflects = b.raw("LESS", [x, b.scalar(0.5)])[0]!;
  const z = b.select(reflects, b.op("NEG", [x]), b.sub(x, b.scalar(1)));
  let sum: Ref = b.scalar(lanczosFirst);
  lanczos.forEach((coefficient, i) => {
    sum = b.add(sum, b.div(b.scalar(coefficient), b.add(z, b.scalar(i + 1))));
  });
  const t = b.add(z, b.scalar(7.5));
  // log t as log 7.5 + log1p(z/7.5) would be exacter by an ulp only.
  const logT = b.op("LOG", [t]);
  const power = b.mul(b.sub(b.add(z, b.scalar(0.5)), b.div(t, logT)), logT);
  const direct = b.add(b.add(b.scalar(0.5 * Math.log(2 * Math.PI)), power), b.op("LOG", [sum]));
  const sine = b.op("SIN", [b.mul(b.op("ABS", [fromNearest(b, x)]), b.scalar(Math.PI))]);
  const reflected = b.sub(b.sub(b.scalar(Math.log(Math.PI)), b.op("LOG", [sine])), direct);
  const isInfinite = b.raw("EQUAL", [b.op("ABS", [x]), b.scalar(Number.POSITIVE_INFINITY)])[0]!;
  return b.select(isInfinite, b.op("ABS", [x]), b.select(reflects, reflected, direct));
}

/**
 * ψ(x): from x ≥ 8 by log x − 1/2x − 1/12x² + 1/120x⁴ − 1/252x⁶, where the next term is below 2^-27; smaller x are
 * raised by ψ(x) = ψ(x + 1) − 1/x, and those below ½ are reflected: ψ(x) = ψ(1 − x) − π/tan πx. Poles are NaN.
 */
export function digamma(b: Lowerer, x: Ref): Ref {
  const reflects = b.raw("LESS", [x, b.scalar(0.5)])[0]!;
  const start = b.select(reflects, b.sub(b.scalar(1), x), x);
  const one = b.scalar(1);
  const isSmall = b.raw("LESS", [start, b.scalar(8)])[0]!;
  let sum: Ref | undefined;
  for (let i = 0; i < 8; i++) {
    const term = b.div(one, b.add(start, b.scalar(i)));
    sum = sum === undefined ? term : b.add(sum, term);
  }
  const raised = b.select(isSmall, b.add(start, b.scalar(8)), start);
  const inverse = b.div(one, raised);
  const square = b.mul(inverse, inverse);
  const tail = b.mul(square, polynomial(b, square, [1 / 252, -1 / 120, 1 / 12]));
  const asymptotic = b.sub(b.sub(b.op("LOG", [raised]), b.mul(inverse, b.scalar(0.5))), tail);
  const value = b.sub(asymptotic, b.select(isSmall, sum!, b.scalar(0)));
  const nearest = fromNearest(b, x);
  const isPole = b.raw("EQUAL", [nearest, b.scalar(0)])[0]!;
  const angle = b.mul(nearest, b.scalar(Math.PI));
  const cotangent = b.div(b.op("COS", [angle]), b.op("SIN", [angle]));
  const reflected = b.sub(value, b.mul(cotangent, b.scalar(Math.PI)));
  return b.select(reflects, b.select(isPole, b.scalar(Number.NaN), reflected), value);
}

/** Giles' polynomials for erf⁻¹ in single precision: in w − 2.5 for w = −log(1 − x²) < 5, else in √w − 3. */
const central = [
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087, -0.00125372503, -0.00417768164,
  0.246640727, 1.50140941,
];
const outer = [
  -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
  1.00167406, 2.83297682,
];

export function erfinv(b: Lowerer, x: Ref): Ref {
  const one = b.scalar(1);
  const w = b.op("NEG", [b.op("LOG", [b.mul(b.sub(one, x), b.add(one, x))])]);
  const isCentral = b.raw("LESS", [w, b.scalar(5)])[0]!;
  const near = polynomial(b, b.sub(w, b.scalar(2.5)), central);
  const far = polynomial(b, b.sub(b.op("SQRT", [b.binary("MAXIMUM", w, b.scalar(0))]), b.scalar(3)), outer);
  const value = b.mul(b.select(isCentral, near, far), x);
  const isEnd = b.raw("EQUAL", [b.op("ABS", [x]), one])[0]!;
  return b.select(isEnd, b.mul(x, b.scalar(Number.POSITIVE_INFINITY)), value);
}

export const specialLowerings: LoweringTable = {
  Lgamma: onFloats(lgamma),
  Digamma: onFloats(digamma),
  Erfinv: onFloats(erfinv),
};
