/**
 * Lowerings of functions of several arguments whose series need as many terms as the arguments say: incomplete gamma and
 * beta functions, Hurwitz' zeta function and polygamma. Loops go on until float32 holds no more; what hasn't converged then
 * is NaN, never a number that is off.
 */
import type {Ref} from "../ir/graph.ts";
import {sameShapes} from "../ops/shapes.ts";
import type {LoweredNode, Lowerer, Lowering, LoweringTable} from "./lowerer.ts";
import {digamma, lgamma, polynomial} from "./special.ts";

const maxTurns = 20_000;
/** Whether a factor is 1, but for what rounding leaves of it. A product that goes on after that drifts away. */
const isSettled = (m: Arithmetic, factor: Ref): Ref => m.not(m.less(2.5e-7, m.abs(m.sub(factor, 1))));

/** Operators on float32, by short names. */
class Arithmetic {
  readonly b: Lowerer;
  constructor(b: Lowerer) {
    this.b = b;
  }
  number = (value: number): Ref => this.b.scalar(value);
  add = (x: Ref, y: Ref | number): Ref => this.b.add(x, this.#ref(y));
  sub = (x: Ref | number, y: Ref | number): Ref => this.b.sub(this.#ref(x), this.#ref(y));
  mul = (x: Ref, y: Ref | number): Ref => this.b.mul(x, this.#ref(y));
  div = (x: Ref | number, y: Ref | number): Ref => this.b.div(this.#ref(x), this.#ref(y));
  pow = (x: Ref, y: Ref): Ref => this.b.binary("POW", x, y);
  log = (x: Ref): Ref => this.b.op("LOG", [x]);
  exp = (x: Ref): Ref => this.b.op("EXP", [x]);
  abs = (x: Ref): Ref => this.b.op("ABS", [x]);
  neg = (x: Ref): Ref => this.b.op("NEG", [x]);
  floor = (x: Ref): Ref => this.b.op("FLOOR", [x]);
  less = (x: Ref | number, y: Ref | number): Ref => this.b.raw("LESS", [this.#ref(x), this.#ref(y)])[0]!;
  equal = (x: Ref, y: Ref | number): Ref => this.b.raw("EQUAL", [x, this.#ref(y)])[0]!;
  and = (x: Ref, y: Ref): Ref => this.b.raw("LOGICAL_AND", [x, y])[0]!;
  or = (x: Ref, y: Ref): Ref => this.b.raw("LOGICAL_OR", [x, y])[0]!;
  not = (x: Ref): Ref => this.b.raw("LOGICAL_NOT", [x])[0]!;
  select = (condition: Ref, x: Ref | number, y: Ref | number): Ref =>
    this.b.select(condition, this.#ref(x), this.#ref(y));
  isWhole = (x: Ref): Ref => this.equal(this.floor(x), x);
  any = (x: Ref): Ref =>
    this.b.reduce(
      "REDUCE_ANY",
      x,
      this.b.shape(x).map((_, axis) => axis),
      false,
    );

  #ref(x: Ref | number): Ref {
    return typeof x === "number" ? this.number(x) : x;
  }
}

/** The operands of float32, all of the result's shape. */
function operandsOf({inputs, types: [type]}: LoweredNode, b: Lowerer): Ref[] {
  const dtype = b.dtype(inputs[0]!);
  if (dtype !== "float32") return b.refuse(`it is computed for float32 only, not ${dtype}`);
  if (inputs.every((ref) => sameShapes(b.type(ref).shape, type!.shape))) return [...inputs];
  // A comparison is as wide as what is compared, whatever the numbers are.
  const wide = inputs.slice(1).reduce((at, ref) => b.select(b.raw("LESS", [at, ref])[0]!, at, at), inputs[0]!);
  return inputs.map((ref) => b.select(b.raw("LESS", [ref, wide])[0]!, ref, ref));
}

/** log Γ*(a) for a ≥ 8, where Γ(a) = √(2π/a)·(a/e)^a·Γ*(a): 1/12a − 1/360a³ + 1/1260a⁵. */
function stirling(m: Arithmetic, a: Ref): Ref {
  const inverse = m.div(1, a);
  return m.mul(inverse, polynomial(m.b, m.mul(inverse, inverse), [1 / 1260, -1 / 360, 1 / 12]));
}

/**
 * t − log(1 + t), whose halves cancel for small t: with s = t/(2 + t) it is t·s − 2s³(1/3 + s²/5 + s⁴/7 …), of which eight
 * terms are enough for |t| ≤ ½.
 */
function logGap(m: Arithmetic, t: Ref): Ref {
  const isNear = m.less(m.abs(t), 0.5);
  const near = m.select(isNear, t, 0);
  const s = m.div(near, m.add(near, 2));
  const square = m.mul(s, s);
  const series = polynomial(
    m.b,
    square,
    [17, 15, 13, 11, 9, 7, 5, 3].map((n) => 1 / n),
  );
  const small = m.sub(m.mul(near, s), m.mul(m.mul(m.mul(square, s), 2), series));
  const far = m.select(isNear, 1, t);
  return m.select(isNear, small, m.sub(far, m.log(m.add(far, 1))));
}

const logOnePlus = (m: Arithmetic, t: Ref): Ref => m.sub(t, logGap(m, t));

/** x^a·e^−x/Γ(a + 1), without large exponents that cancel: from a = 8 as exp(−a·(t − log(1 + t)))/√(2πa)/Γ*(a), t = x/a − 1. */
function gammaFactor(m: Arithmetic, a: Ref, x: Ref): Ref {
  const isLarge = m.less(8, a);
  const large = m.select(isLarge, a, 8);
  const gap = logGap(m, m.div(m.sub(m.select(isLarge, x, 8), large), large));
  const bell = m.exp(m.neg(m.add(m.mul(large, gap), stirling(m, large))));
  const scaled = m.div(bell, m.b.op("SQRT", [m.mul(large, 2 * Math.PI)]));
  const small = m.select(isLarge, 1, a);
  const plain = m.exp(m.sub(m.sub(m.mul(small, m.log(x)), x), lgamma(m.b, m.add(small, 1))));
  return m.select(isLarge, scaled, plain);
}

/** Lower and upper regularised incomplete gamma functions: the series (DLMF 8.7.1) left of a + 1, the fraction (8.9.2) right. */
const incompleteGamma =
  (isLower: boolean): Lowering =>
  (n, b) => {
    const m = new Arithmetic(b);
    const [a, x] = operandsOf(n, b) as [Ref, Ref];
    const infinity = Number.POSITIVE_INFINITY;
    const isPlain = m.and(m.and(m.less(0, a), m.less(a, infinity)), m.and(m.less(0, x), m.less(x, infinity)));
    const [ownA, ownX] = [m.select(isPlain, a, 1), m.select(isPlain, x, 1)];
    const isLeft = m.less(ownX, m.add(ownA, 1));
    const factor = gammaFactor(m, ownA, ownX);

    // 1 + x/(a + 1) + x²/(a + 1)(a + 2) + …
    const one = m.select(isLeft, 1, 1);
    const [, , term, sum] = b.loop(
      [m.number(0), ownA, one, one, m.select(isLeft, ownX, 0)],
      (inner, [turn, , last, total]) => {
        const i = new Arithmetic(inner);
        return i.and(i.less(turn!, maxTurns), i.any(i.less(i.mul(total!, 2 ** -26), last!)));
      },
      (inner, [turn, place, last, total, by]) => {
        const i = new Arithmetic(inner);
        const next = i.add(place!, 1);
        const following = i.mul(last!, i.div(by!, next));
        return [i.add(turn!, 1), next, following, i.add(total!, following), by!];
      },
    ) as [Ref, Ref, Ref, Ref, Ref];
    const left = m.select(m.less(m.mul(sum, 2 ** -26), term), Number.NaN, m.mul(factor, sum));

    // 1/(x + 1 − a − 1·(1 − a)/(x + 3 − a − 2·(2 − a)/(…))) by Lentz' method; on the left something that ends at once.
    const [rightA, rightX] = [m.select(isLeft, 1, ownA), m.select(isLeft, 2, ownX)];
    const start = m.add(m.sub(rightX, rightA), 1);
    const first = m.div(1, start);
    const huge = m.select(isLeft, 1e30, 1e30);
    const [, , , , fraction, change] = b.loop(
      [m.number(0), start, huge, first, first, m.select(isLeft, 0, 0), rightA],
      (inner, [turn, , , , , ratio]) => {
        const i = new Arithmetic(inner);
        return i.and(i.less(turn!, maxTurns), i.any(i.not(isSettled(i, ratio!))));
      },
      (inner, [turn, place, c, d, total, last, by]) => {
        const i = new Arithmetic(inner);
        const k = i.add(turn!, 1);
        const numerator = i.mul(i.sub(by!, k), k);
        const next = i.add(place!, 2);
        const below = i.div(1, i.add(i.mul(numerator, d!), next));
        const above = i.add(i.div(numerator, c!), next);
        const ratio = i.mul(above, below);
        const isDone = isSettled(i, last!);
        const grown = i.select(isDone, total!, i.mul(total!, ratio));
        return [k, next, above, below, grown, i.select(isDone, last!, ratio), by!];
      },
    ) as [Ref, Ref, Ref, Ref, Ref, Ref, Ref];
    const scaled = m.mul(m.mul(factor, ownA), fraction);
    const right = m.select(isSettled(m, change), scaled, Number.NaN);

    const plain = isLower ? m.select(isLeft, left, m.sub(1, right)) : m.select(isLeft, m.sub(1, left), right);
    const bounded = b.binary("MINIMUM", b.binary("MAXIMUM", plain, m.number(0)), m.number(1));
    const kept = m.select(m.equal(plain, plain), bounded, Number.NaN);
    // At the ends: all of it is left of an infinite x, none of it left of 0 or of an infinite a.
    const isValid = m.and(m.less(0, a), m.not(m.less(x, 0)));
    const [isEnd, isStart] = [m.equal(x, infinity), m.or(m.equal(x, 0), m.equal(a, infinity))];
    const ends = m.select(isEnd, isLower ? 1 : 0, m.select(isStart, isLower ? 0 : 1, Number.NaN));
    const both = m.and(isEnd, m.equal(a, infinity));
    const result = m.select(isPlain, kept, m.select(m.and(isValid, m.not(both)), ends, Number.NaN));
    return isLower ? m.select(m.equal(x, 0), 0, result) : result;
  };

/**
 * x^a·y^b·Γ(a + b)/(Γ(a)·Γ(b)), y = 1 − x, in three ways: both of a and b from 8, the larger one only, none. Exponents that
 * cancel are never large (Didonato and Morris, ACM TOMS 18, §6).
 */
function betaFactor(m: Arithmetic, a: Ref, b: Ref, x: Ref): Ref {
  const [y, isOrdered] = [m.sub(1, x), m.less(a, b)];
  // Kernels' logarithms lose what is small beside 1.
  const isLow = m.less(x, y);
  const low = m.select(isLow, x, y);
  const [logLow, logHigh] = [m.log(low), logOnePlus(m, m.neg(low))];
  const [logX, logY] = [m.select(isLow, logLow, logHigh), m.select(isLow, logHigh, logLow)];
  const [small, large] = [m.select(isOrdered, a, b), m.select(isOrdered, b, a)];
  const [logSmall, logLarge] = [m.select(isOrdered, logX, logY), m.select(isOrdered, logY, logX)];
  const isSmallLarge = m.less(8, small);
  const isLargeLarge = m.less(8, large);

  // √(ab/2π(a + b))·exp(−a·gap(−λ/a) − b·gap(λ/b) + …), λ = a − (a + b)·x.
  const [bigA, bigB] = [m.select(isSmallLarge, a, 8), m.select(isSmallLarge, b, 8)];
  const whole = m.add(bigA, bigB);
  const skew = m.select(isOrdered, m.sub(bigA, m.mul(whole, x)), m.sub(m.mul(whole, y), bigB));
  const gaps = m.add(m.mul(bigA, logGap(m, m.neg(m.div(skew, bigA)))), m.mul(bigB, logGap(m, m.div(skew, bigB))));
  const corrections = m.sub(stirling(m, whole), m.add(stirling(m, bigA), stirling(m, bigB)));
  const width = m.b.op("SQRT", [m.mul(bigA, m.div(m.div(bigB, whole), 2 * Math.PI))]);
  const both = m.mul(width, m.exp(m.sub(corrections, gaps)));

  // Γ(s + t)/Γ(t) = exp((t − ½)·log(1 + s/t) + s·log(s + t) − s + …).
  const [few, many] = [m.select(isSmallLarge, 1, small), m.select(isLargeLarge, large, 8)];
  const sum = m.add(few, many);
  const growth = m.mul(m.sub(many, 0.5), logOnePlus(m, m.div(few, many)));
  const rest = m.sub(m.sub(stirling(m, sum), stirling(m, many)), m.add(few, lgamma(m.b, few)));
  const powers = m.add(m.mul(few, m.add(m.log(sum), logSmall)), m.mul(many, logLarge));
  const one = m.exp(m.add(m.add(growth, powers), rest));

  const [plainA, plainB] = [m.select(isLargeLarge, 1, a), m.select(isLargeLarge, 1, b)];
  const gammas = m.sub(lgamma(m.b, m.add(plainA, plainB)), m.add(lgamma(m.b, plainA), lgamma(m.b, plainB)));
  const none = m.exp(m.add(gammas, m.add(m.mul(plainA, logX), m.mul(plainB, logY))));
  return m.select(isSmallLarge, both, m.select(isLargeLarge, one, none));
}

/** The regularised incomplete beta function by its fraction (DLMF 8.17.22), right of the mean that of 1 − x. */
const betainc: Lowering = (n, b) => {
  const m = new Arithmetic(b);
  const [a, c, x] = operandsOf(n, b) as [Ref, Ref, Ref];
  const infinity = Number.POSITIVE_INFINITY;
  const isValid = m.and(m.and(m.less(0, a), m.less(a, infinity)), m.and(m.less(0, c), m.less(c, infinity)));
  const isPlain = m.and(isValid, m.and(m.less(0, x), m.less(x, 1)));
  const own = [a, c].map((ref) => m.select(isPlain, ref, 1)) as [Ref, Ref];
  const ownX = m.select(isPlain, x, 0.5);
  const factor = betaFactor(m, own[0], own[1], ownX);
  const isLeft = m.less(ownX, m.div(m.add(own[0], 1), m.add(m.add(own[0], own[1]), 2)));
  const [p, q] = [m.select(isLeft, own[0], own[1]), m.select(isLeft, own[1], own[0])];
  const z = m.select(isLeft, ownX, m.sub(1, ownX));
  const first = m.div(1, m.sub(1, m.mul(m.div(m.add(p, q), m.add(p, 1)), z)));
  const [, , , fraction, change] = b.loop(
    [m.number(0), m.select(isLeft, 1, 1), first, first, m.select(isLeft, 0, 0), p, q, z],
    (inner, [turn, , , , ratio]) => {
      const i = new Arithmetic(inner);
      return i.and(i.less(turn!, maxTurns), i.any(i.not(isSettled(i, ratio!))));
    },
    (inner, [turn, above, below, total, last, by, other, at]) => {
      const i = new Arithmetic(inner);
      const k = i.add(turn!, 1);
      const twice = i.add(by!, i.mul(k, 2));
      const even = i.mul(i.mul(i.div(k, i.sub(twice, 1)), i.div(i.sub(other!, k), twice)), at!);
      const grown = i.div(i.add(i.add(by!, other!), k), i.add(twice, 1));
      const odd = i.neg(i.mul(i.mul(i.div(i.add(by!, k), twice), grown), at!));
      let [c1, d, product, ratio] = [above!, below!, total!, total!];
      for (const numerator of [even, odd]) {
        d = i.div(1, i.add(i.mul(numerator, d), 1));
        c1 = i.add(i.div(numerator, c1), 1);
        ratio = i.mul(c1, d);
        product = i.mul(product, ratio);
      }
      const isDone = isSettled(i, last!);
      const kept = [i.select(isDone, total!, product), i.select(isDone, last!, ratio)] as const;
      return [k, c1, d, ...kept, by!, other!, at!];
    },
  ) as [Ref, Ref, Ref, Ref, Ref, Ref, Ref, Ref];
  const part = m.div(m.mul(factor, fraction), p);
  const side = m.select(isLeft, part, m.sub(1, part));
  const bounded = b.binary("MINIMUM", b.binary("MAXIMUM", side, m.number(0)), m.number(1));
  const kept = m.select(m.and(isSettled(m, change), m.equal(side, side)), bounded, Number.NaN);
  const isEnd = m.and(isValid, m.or(m.equal(x, 0), m.equal(x, 1)));
  return m.select(isPlain, kept, m.select(isEnd, x, Number.NaN));
};

/**
 * Σ 1/(q + k)^x by Euler and Maclaurin (DLMF 25.11.5): nine terms, further ones while q + k isn't above 9, and the rest as
 * an integral with five corrections. Below 0 it is real for whole x; at whole q it is infinite for even x.
 */
function hurwitz(m: Arithmetic, x: Ref, q: Ref): Ref {
  const [down, infinity] = [m.neg(x), Number.POSITIVE_INFINITY];
  const isPole = m.and(m.not(m.less(0, q)), m.isWhole(q));
  const start = m.select(isPole, 1, q);
  let sum = m.pow(start, down);
  for (let k = 1; k < 9; k++) sum = m.add(sum, m.pow(m.add(start, k), down));
  const [, z, total] = m.b.loop(
    [m.number(0), m.add(start, 9), sum, down],
    (inner, [turn, place]) => {
      const i = new Arithmetic(inner);
      return i.and(i.less(turn!, maxTurns), i.any(i.not(i.less(9, place!))));
    },
    (inner, [turn, place, found, by]) => {
      const i = new Arithmetic(inner);
      const isDone = i.less(9, place!);
      const more = i.add(found!, i.pow(place!, by!));
      return [i.add(turn!, 1), i.select(isDone, place!, i.add(place!, 1)), i.select(isDone, found!, more), by!];
    },
  ) as [Ref, Ref, Ref, Ref];
  // Beyond 10⁴ the rest is nothing beside the first terms, and its products would overflow.
  const power = m.b.binary("MINIMUM", x, m.number(1e4));
  const far = m.pow(z, m.neg(power));
  let rest = m.add(m.div(m.mul(far, z), m.sub(power, 1)), m.mul(far, 0.5));
  let term = m.mul(far, m.div(power, z));
  for (const [i, ratio] of [1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160].entries()) {
    rest = m.add(rest, m.mul(term, ratio));
    const next = m.div(m.add(power, 2 * i + 1), z);
    term = m.mul(m.mul(term, next), m.div(m.add(power, 2 * i + 2), z));
  }
  // An infinite z times 0 of its power.
  const tail = m.select(m.equal(far, 0), 0, rest);
  const value = m.select(m.less(9, z), m.add(total, tail), Number.NaN);
  const half = m.mul(x, 0.5);
  const poles = m.select(m.isWhole(half), infinity, Number.NaN);
  const isReal = m.or(m.less(0, q), m.isWhole(x));
  const defined = m.select(isPole, poles, m.select(isReal, value, Number.NaN));
  return m.select(m.equal(x, 1), infinity, m.select(m.and(m.less(1, x), m.equal(q, q)), defined, Number.NaN));
}

const zeta: Lowering = (n, b) => {
  const [x, q] = operandsOf(n, b) as [Ref, Ref];
  return hurwitz(new Arithmetic(b), x, q);
};

/** ψ⁽ⁿ⁾(x) = (−1)ⁿ⁺¹·n!·ζ(n + 1, x). */
const polygamma: Lowering = (n, b) => {
  const m = new Arithmetic(b);
  const [order, x] = operandsOf(n, b) as [Ref, Ref];
  const isOrder = m.and(m.less(0, order), m.isWhole(order));
  const own = m.select(isOrder, order, 1);
  const next = m.add(own, 1);
  const size = m.mul(m.exp(lgamma(b, next)), hurwitz(m, next, x));
  const isEven = m.isWhole(m.mul(own, 0.5));
  const value = m.select(isEven, m.neg(size), size);
  return m.select(m.equal(order, 0), digamma(b, x), m.select(isOrder, value, Number.NaN));
};

export const incompleteLowerings: LoweringTable = {
  Igamma: incompleteGamma(true),
  Igammac: incompleteGamma(false),
  Betainc: betainc,
  Zeta: zeta,
  Polygamma: polygamma,
};
