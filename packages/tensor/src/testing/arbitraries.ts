/** Random tensors for properties. */
import fc from "fast-check";
import {type DType, dtypes, integerRange} from "../dtype.ts";
import {encodeStrings} from "../strings.ts";
import {Tensor} from "../tensor.ts";

const names = Object.keys(dtypes) as DType[];

/** Of any dtype and of shapes with up to 4 dimensions of up to 4, zeros among them; NaNs only of the usual bits. */
export function anyTensor(): fc.Arbitrary<Tensor> {
  return fc
    .tuple(fc.constantFrom(...names), fc.array(fc.nat(4), {maxLength: 4}))
    .chain(([dtype, shape]) => tensorOf(dtype, shape));
}

function tensorOf(dtype: DType, shape: readonly number[]): fc.Arbitrary<Tensor> {
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  const array = <T>(element: fc.Arbitrary<T>) => fc.array(element, {minLength: count, maxLength: count});
  if (dtype === "string") {
    const text = fc.oneof(fc.string({unit: "binary"}), fc.string());
    return array(text).map((items) => {
      const encoded = items.map((item) => new TextEncoder().encode(item));
      return new Tensor(dtype, shape, encodeStrings(encoded));
    });
  }
  const {kind} = dtypes[dtype];
  if (kind === "float" || kind === "complex") {
    const value = fc.double();
    const element = kind === "float" ? value : fc.record({re: value, im: value}, {noNullPrototype: true});
    return array<number | {re: number; im: number}>(element).map((values) => Tensor.from(values, {dtype, shape}));
  }
  const range = kind === "bool" ? [0, 1] : integerRange(dtype)!;
  const element = fc.bigInt(BigInt(range[0]!), BigInt(range[1]!));
  return array(element).map((values) => Tensor.from(kind === "bool" ? values.map(Boolean) : values, {dtype, shape}));
}
