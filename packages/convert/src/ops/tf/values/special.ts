/** Special functions in double precision, by series and continued fractions of the standard literature (DLMF). */

const epsilon = 2 ** -53;

/** Error function. DLMF 7.6.2 near 0, the complement's continued fraction elsewhere. */
export function erf(x: number): number {
  if (Math.abs(x) > 2) return x < 0 ? erfc(-x) - 1 : 1 - erfc(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 200 && Math.abs(term) > epsilon * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return ((2 * Math.exp(-x * x)) / Math.sqrt(Math.PI)) * sum;
}

/** 1 − erf(x) without cancellation. DLMF 7.9.2. */
export function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < 2) return 1 - erf(x);
  if (x > 27.3) return 0;
  let fraction = 0;
  for (let n = 120; n > 0; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}

/** The inverse of erf, by Newton's method on a first guess. NaN outside −1…1. */
export function erfinv(y: number): number {
  if (Math.abs(y) >= 1 || Number.isNaN(y)) return Math.abs(y) === 1 ? y * Number.POSITIVE_INFINITY : Number.NaN;
  const a = 0.147;
  const log = Math.log1p(-y * y);
  const middle = 2 / (Math.PI * a) + log / 2;
  let x = Math.sign(y) * Math.sqrt(Math.sqrt(middle * middle - log / a) - middle);
  for (let i = 0; i < 6; i++) {
    const error = y < 0.5 && y > -0.5 ? erf(x) - y : Math.sign(y) * (1 - Math.abs(y) - erfc(Math.abs(x)));
    const step = error / ((2 / Math.sqrt(Math.PI)) * Math.exp(-x * x));
    // Halley's correction: f''/f' = −2x.
    x -= step / (1 + x * step);
  }
  return x;
}

/** Where the standard normal distribution reaches p. */
export const ndtri = (p: number): number => Math.SQRT2 * erfinv(2 * p - 1);

const bernoulli = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156];

/** log |Γ(x)|; infinite at 0, −1, −2 … DLMF 5.11.1 and 5.5.3. */
export function lgamma(x: number): number {
  if (x <= 0 && Number.isInteger(x)) return Number.POSITIVE_INFINITY;
  if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - lgamma(1 - x);
  let shift = 1;
  let z = x;
  for (; z < 12; z++) shift *= z;
  const series = bernoulli.reduce((sum, b, i) => sum + b / z ** (2 * i + 1), 0);
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - Math.log(shift);
}

/** The derivative of log Γ; NaN at 0, −1, −2 … DLMF 5.11.2 and 5.5.4. */
export function digamma(x: number): number {
  if (x <= 0 && Number.isInteger(x)) return x === 0 ? Number.NEGATIVE_INFINITY / Math.sign(1 / x) : Number.NaN;
  if (x < 0) return digamma(1 - x) - Math.PI / Math.tan(Math.PI * x);
  let sum = 0;
  let z = x;
  for (; z < 12; z++) sum -= 1 / z;
  const [first, ...rest] = [1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12] as [
    number,
    ...number[],
  ];
  const series = [first, ...rest].reduce((total, b, i) => total + b / z ** (2 * i + 2), 0);
  return sum + Math.log(z) - 0.5 / z - series;
}

/** The lower and upper regularised incomplete gamma functions. DLMF 8.7.1 and 8.9.2. */
export function igamma(a: number, x: number): readonly [lower: number, upper: number] {
  if (!(a > 0) || !(x >= 0)) return [x === 0 ? 0 : Number.NaN, Number.NaN];
  if (x === 0) return [0, 1];
  if (a === Number.POSITIVE_INFINITY) return x === a ? [Number.NaN, Number.NaN] : [0, 1];
  if (x === Number.POSITIVE_INFINITY) return [1, 0];
  const factor = Math.exp(a * Math.log(x) - x - lgamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < 100_000 && term > epsilon * sum; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return [factor * sum, 1 - factor * sum];
  }
  // Lentz's method.
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < 100_000; n++) {
    b += 2;
    d = 1 / (b - n * (n - a) * d);
    c = b - (n * (n - a)) / c;
    fraction *= c * d;
    if (Math.abs(c * d - 1) < epsilon * 4) break;
  }
  return [1 - factor * fraction, factor * fraction];
}

/** The regularised incomplete beta function. DLMF 8.17.22, on the side where it converges. */
export function betainc(a: number, b: number, x: number): number {
  if (!(a > 0) || !(b > 0) || !(x >= 0 && x <= 1)) return Number.NaN;
  if (x === 0 || x === 1) return x;
  const factor = Math.exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2)
    ? (factor * betaFraction(a, b, x)) / a
    : 1 - (factor * betaFraction(b, a, 1 - x)) / b;
}

/** Lentz's method. */
function betaFraction(a: number, b: number, x: number): number {
  let c = 1;
  let d = 1 / (1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 100_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    for (const term of [even, odd]) {
      d = 1 / (1 + term * d);
      c = 1 + term / c;
      fraction *= c * d;
    }
    if (Math.abs(c * d - 1) < epsilon * 4) break;
  }
  return fraction;
}

/**
 * Σ 1/(q+k)^x, for x > 1, by Euler and Maclaurin. DLMF 25.11.5. For q < 0 it is real where x is whole; at whole q ≤ 0 it is
 * infinite, on both sides of the pole with the same sign where x is even.
 */
export function zeta(x: number, q: number): number {
  if (x === 1) return Number.POSITIVE_INFINITY;
  if (!(x > 1) || Number.isNaN(q)) return Number.NaN;
  if (q <= 0 && Number.isInteger(q)) return x % 2 === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
  if (q < -1e6 || (q < 0 && !Number.isInteger(x))) return Number.NaN;
  let sum = 0;
  let z = q;
  for (let k = 0; k < 16 || z < 16; k++, z++) sum += z ** -x;
  if (z ** -x === 0) return sum;
  sum += z ** (1 - x) / (x - 1) + z ** -x / 2;
  let rising = x;
  const ratios = [1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160];
  for (const [i, ratio] of ratios.entries()) {
    sum += ratio * rising * z ** (-x - 2 * i - 1);
    rising *= (x + 2 * i + 1) * (x + 2 * i + 2);
  }
  return sum;
}

/** Derivative n of digamma; n is a whole number. DLMF 5.15.1. */
export function polygamma(n: number, x: number): number {
  if (n === 0) return digamma(x);
  if (n < 0 || !Number.isInteger(n)) return Number.NaN;
  return (n % 2 === 0 ? -1 : 1) * Math.exp(lgamma(n + 1)) * zeta(n + 1, x);
}
