/**
 * Dimensions that may not be known yet. A number is known; a string is an expression over the dimensions of inputs:
 *
 *     "?"            nothing is known
 *     "x.0"          dimension 0 of the input x
 *     "2*x.0*y.1"    a product: a coefficient and factors in alphabetical order, so that equal products are equal strings
 *     "ceil(x.1/2)"  anything else is one factor
 *
 * Equal expressions are equal sizes, whatever the input. The reverse doesn't hold.
 */

export type Dim = number | string;

/** Dimensions, outermost first; `undefined` = unknown rank. */
export type Shape = readonly Dim[];

export const unknownDim = "?";

/** Expressions beyond this length say nothing any more: keeps hostile graphs from growing them without end. */
const maxLength = 200;

export const isKnown = (dim: Dim): dim is number => typeof dim === "number";

export function isStatic(shape: Shape | undefined): shape is readonly number[] {
  return shape?.every(isKnown) === true;
}

/** The symbol for a dimension of an input; unknown for names that would be read as arithmetic. */
export function symbolOf(input: string, axis: number): Dim {
  return /^[\w./>-]+$/.test(input) ? `${input}.${axis}` : unknownDim;
}

/** Whether two dimensions are equal for every input. */
export const surelyEqual = (a: Dim, b: Dim): boolean => a === b && a !== unknownDim;

/** Whether two dimensions can't be equal for any input. */
export const surelyDifferent = (a: Dim, b: Dim): boolean => isKnown(a) && isKnown(b) && a !== b;

export function multiplyDims(a: Dim, b: Dim): Dim {
  // Adding 0 makes a negative zero positive.
  if (isKnown(a) && isKnown(b)) return a * b + 0;
  if (a === 0 || b === 0) return 0;
  if (a === unknownDim || b === unknownDim) return unknownDim;
  const [left, right] = [parseProduct(a), parseProduct(b)];
  return formatProduct(left.coefficient * right.coefficient, [...left.factors, ...right.factors]);
}

/** a / b where b divides a; unknown where that can't be seen. */
export function divideDims(a: Dim, b: Dim): Dim {
  if (b === 0 || a === unknownDim || b === unknownDim) return unknownDim;
  const [left, right] = [parseProduct(a), parseProduct(b)];
  const rest = [...left.factors];
  for (const factor of right.factors) {
    const at = rest.indexOf(factor);
    if (at < 0) return unknownDim;
    rest.splice(at, 1);
  }
  const coefficient = left.coefficient / right.coefficient;
  return Number.isInteger(coefficient) ? formatProduct(coefficient, rest) : unknownDim;
}

export function addDims(a: Dim, b: Dim): Dim {
  if (isKnown(a) && isKnown(b)) return a + b;
  if (a === 0) return b;
  if (b === 0) return a;
  if (a === unknownDim || b === unknownDim) return unknownDim;
  if (!isKnown(a) && !isKnown(b)) {
    const [left, right] = [parseProduct(a), parseProduct(b)];
    if (left.factors.join("*") === right.factors.join("*")) {
      return formatProduct(left.coefficient + right.coefficient, left.factors);
    }
    return bounded(`(${[a, b].sort().join("+")})`);
  }
  const [symbol, offset] = isKnown(a) ? [b as string, a] : [a, b as number];
  const sum = /^\((.*)\+(-?\d+)\)$/.exec(symbol);
  if (sum) return addDims(sum[1]!, Number(sum[2]) + offset);
  return bounded(`(${symbol}+${offset})`);
}

export function subtractDims(a: Dim, b: Dim): Dim {
  if (surelyEqual(a, b)) return 0;
  if (isKnown(b)) return addDims(a, -b);
  return addDims(a, multiplyDims(b, -1));
}

/** ceil(a / b) for a known, positive b. */
export function ceilDivideDim(a: Dim, b: number): Dim {
  if (isKnown(a)) return Math.ceil(a / b) + 0;
  if (b === 1 || a === unknownDim) return a;
  const exact = divideDims(a, b);
  return exact === unknownDim ? bounded(`ceil(${a}/${b})`) : exact;
}

/** floor(a / b) for a known, positive b. */
export function floorDivideDim(a: Dim, b: number): Dim {
  if (isKnown(a)) return Math.floor(a / b);
  if (b === 1 || a === unknownDim) return a;
  const exact = divideDims(a, b);
  return exact === unknownDim ? bounded(`floor(${a}/${b})`) : exact;
}

/** The number of elements. */
export function countElements(shape: Shape): Dim {
  return shape.reduce(multiplyDims, 1);
}

/** What broadcasting two dimensions gives, `undefined` where they surely don't fit. A 1 gives way to the other. */
export function broadcastDims(a: Dim, b: Dim): Dim | undefined {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (isKnown(a)) return isKnown(b) ? undefined : a;
  return isKnown(b) ? b : unknownDim;
}

/** What two dimensions that must be equal are: the one that says more; `undefined` where they surely differ. */
export function mergeDims(a: Dim, b: Dim): Dim | undefined {
  if (surelyDifferent(a, b)) return undefined;
  return isKnown(b) || a === unknownDim ? b : a;
}

/** As the file format and messages write them: -1 where unknown. */
export const toNumbers = (shape: Shape): number[] => shape.map((dim) => (isKnown(dim) ? dim : -1));

/** `[1, ?, 3]`. */
export const formatDims = (shape: Shape | undefined): string => (shape ? `[${shape.join(", ")}]` : "of unknown rank");

function parseProduct(dim: Dim): {readonly coefficient: number; readonly factors: readonly string[]} {
  if (isKnown(dim)) return {coefficient: dim, factors: []};
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < dim.length; i++) {
    if (dim[i] === "(") depth++;
    else if (dim[i] === ")") depth--;
    else if (dim[i] === "*" && depth === 0) {
      parts.push(dim.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(dim.slice(start));
  const coefficient = /^-?\d+$/.test(parts[0]!) ? Number(parts.shift()) : 1;
  return {coefficient, factors: parts};
}

function formatProduct(coefficient: number, factors: readonly string[]): Dim {
  if (factors.length === 0 || coefficient === 0) return coefficient + 0;
  const product = [...factors].sort().join("*");
  return bounded(coefficient === 1 ? product : `${coefficient}*${product}`);
}

const bounded = (expression: string): Dim => (expression.length > maxLength ? unknownDim : expression);
