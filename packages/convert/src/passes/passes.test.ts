/** Every pass on the text of the IR: what goes in, what comes out, what it leaves alone. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {parseGraph, printGraph} from "../ir/text.ts";
import {verifyGraph} from "../ir/verify.ts";
import {lastPasses, runPass, sourcePasses, targetPasses} from "./index.ts";
import {pruneGraph} from "./prune.ts";

interface PassCase {
  readonly pass: string;
  readonly name: string;
  readonly before: string;
  /** After the pass and pruning; the same as before where it is absent. */
  readonly after?: string;
}

const io = `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[x.0,2]
`;

const cases: readonly PassCase[] = [
  {
    pass: "prune",
    name: "drops what no output needs, keeps inputs",
    before: `${io}z = tf.Neg(x:0) : float32[x.0,2]\ny = tf.Abs(x:0) : float32[x.0,2]\n`,
    after: `${io}y = tf.Abs(x:0) : float32[x.0,2]\n`,
  },
  {
    pass: "forward",
    name: "identities pass their input on",
    before: `${io}i = tf.Identity(x:0) : float32[x.0,2]\ns = tf.StopGradient(i:0) : float32[x.0,2]\ny = tf.Abs(s:0) : float32[x.0,2]\n`,
    after: `${io}y = tf.Abs(x:0) : float32[x.0,2]\n`,
  },
  {
    pass: "forward",
    name: "a constant condition decides",
    before: `${io}c = const() {value: bool[] #01} : bool[]\nn = tf.Neg(x:0) : float32[x.0,2]\ns = tf.Select(c:0, x:0, n:0) : float32[x.0,2]\ny = tf.Abs(s:0) : float32[x.0,2]\n`,
    after: `${io}y = tf.Abs(x:0) : float32[x.0,2]\n`,
  },
  {
    pass: "fold",
    name: "computes what depends on constants only",
    before: `${io}a = const() {value: float32[2] <1, 4>} : float32[2]\nr = tf.Rsqrt(a:0) : float32[2]\ny = tf.Mul(x:0, r:0) : float32[x.0,2]\n`,
    after: `${io}r/value = const() {value: float32[2] <1, 0.5>} : float32[2] @r\ny = tf.Mul(x:0, r/value:0) : float32[x.0,2]\n`,
  },
  {
    pass: "fold",
    name: "knows the parts of a shape that are known",
    before: `${io}s = tf.Shape(x:0) {out_type: "int32"} : int32[2] = (x.0,2)
b = const() {value: int32[1] <1>} : int32[1] = (1)
e = const() {value: int32[1] <2>} : int32[1] = (2)
c = tf.StridedSlice(s:0, b:0, e:0, b:0) {begin_mask: 0, ellipsis_mask: 0, end_mask: 0, new_axis_mask: 0, shrink_axis_mask: 1} : int32[] = (2)
y = tf.Fill(b:0, c:0) : int32[1]
`,
    after: `${io}y/value = const() {value: int32[1] <2>} : int32[1] = (2) @y\n`.replace('"y" = y:0', '"y" = y/value:0'),
  },
  {
    pass: "unroll",
    name: "a loop that doubles a tensor in each of two turns",
    before: `graph
input "x" = x:0
output "y" = w:1
x = input() : float32[1,2]
i = const() {value: int32[] <0>} : int32[] = (0)
w = tf.While(i:0, x:0) : int32[]; float32[?,2]
  region body
    graph
    input "a" = a:0
    input "b" = b:0
    output "i" = next:0
    output "x" = twice:0
    a = input() : int32[]
    b = input() : float32[?,2]
    one = const() {value: int32[] <1>} : int32[] = (1)
    zero = const() {value: int32[] <0>} : int32[] = (0)
    next = tf.AddV2(a:0, one:0) : int32[]
    twice = tf.ConcatV2(b:0, b:0, zero:0) {N: 2} : float32[?,2]
  region cond
    graph
    input "a" = a:0
    input "b" = b:0
    output "go" = go:0
    a = input() : int32[]
    b = input() : float32[?,2]
    two = const() {value: int32[] <2>} : int32[] = (2)
    go = tf.Less(a:0, two:0) : bool[]
`,
    after: `graph
input "x" = x:0
output "y" = w/turn_1/twice:0
x = input() : float32[1,2]
w/turn_0/zero = const() {value: int32[] <0>} : int32[] = (0) @w
w/turn_0/twice = tf.ConcatV2(x:0, x:0, w/turn_0/zero:0) {N: 2} : float32[2,2] @w
w/turn_1/zero = const() {value: int32[] <0>} : int32[] = (0) @w
w/turn_1/twice = tf.ConcatV2(w/turn_0/twice:0, w/turn_0/twice:0, w/turn_1/zero:0) {N: 2} : float32[4,2] @w
`,
  },
  {
    pass: "growing-lists",
    name: "a list that each turn of a loop makes longer has its last length from the start",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[x.0,2]
i = const() {value: int32[] <0>} : int32[] = (0)
e = const() {value: int32[1] <2>} : int32[1] = (2)
s = tf.Shape(x:0) {out_type: "int32"} : int32[2] = (x.0,2)
z = const() {value: int32[] <0>} : int32[] = (0)
m = tf.GatherV2(s:0, z:0, z:0) {batch_dims: 0} : int32[] = (x.0)
l = tf.TensorListReserve(e:0, z:0) {element_dtype: "float32", shape_type: "int32"} : variant[] of float32[0,2]
w = tf.While(i:0, l:0, m:0, x:0) : int32[]; variant[] of float32[?,2]; int32[]; float32[x.0,2]
  region body
    graph
    input "a" = a:0
    input "b" = b:0
    input "c" = c:0
    input "d" = d:0
    output "i" = next:0
    output "l" = set:0
    output "n" = c:0
    output "x" = d:0
    a = input() : int32[]
    b = input() : variant[] of float32[?,2]
    c = input() : int32[]
    d = input() : float32[x.0,2]
    one = const() {value: int32[] <1>} : int32[] = (1)
    zero = const() {value: int32[] <0>} : int32[] = (0)
    next = tf.AddV2(a:0, one:0) : int32[]
    row = tf.GatherV2(d:0, a:0, zero:0) {batch_dims: 0} : float32[2]
    set = tf.TensorListSetItem(b:0, a:0, row:0) {element_dtype: "float32", resize_if_index_out_of_bounds: true} : variant[] of float32[?,2]
  region cond
    graph
    input "a" = a:0
    input "b" = b:0
    input "c" = c:0
    input "d" = d:0
    output "more" = more:0
    a = input() : int32[]
    b = input() : variant[] of float32[?,2]
    c = input() : int32[]
    d = input() : float32[x.0,2]
    more = tf.Less(a:0, c:0) : bool[]
y = tf.TensorListStack(w:1, e:0) {element_dtype: "float32", num_elements: -1} : float32[?,2]
`,
    after: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[x.0,2]
i = const() {value: int32[] <0>} : int32[] = (0)
e = const() {value: int32[1] <2>} : int32[1] = (2)
s = tf.Shape(x:0) {out_type: "int32"} : int32[2] = (x.0,2)
z = const() {value: int32[] <0>} : int32[] = (0)
m = tf.GatherV2(s:0, z:0, z:0) {batch_dims: 0} : int32[] = (x.0)
w/Sub = tf.Sub(m:0, i:0) : int32[] = (x.0) @w
w/const = const() {value: int32[] <1>} : int32[] = (1) @w
w/Sub_1 = tf.Sub(w/Sub:0, w/const:0) : int32[] = ("(x.0+-1)") @w
w/AddV2 = tf.AddV2(i:0, w/Sub_1:0) : int32[] = ("(x.0+-1)") @w
w/const_1 = const() {value: int32[] <1>} : int32[] = (1) @w
w/AddV2_1 = tf.AddV2(w/AddV2:0, w/const_1:0) : int32[] = (x.0) @w
w/const_2 = const() {value: int32[] <1>} : int32[] = (1) @w
w/Less = tf.Less(w/Sub:0, w/const_2:0) : bool[] @w
w/Maximum = tf.Maximum(z:0, w/AddV2_1:0) : int32[] @w
w/SelectV2 = tf.SelectV2(w/Less:0, z:0, w/Maximum:0) : int32[] @w
w/TensorListReserve = tf.TensorListReserve(e:0, w/SelectV2:0) {element_dtype: "float32", shape_type: "int32"} : variant[] of float32[?,2] @w
w/While = tf.While(i:0, w/TensorListReserve:0, m:0, x:0) : int32[]; variant[] of float32[?,2]; int32[]; float32[x.0,2] @w
  region body
    graph
    input "a" = a:0
    input "b" = b_1:0
    input "c" = c:0
    input "d" = d:0
    output "i" = next:0
    output "l" = set/TensorListSetItem:0
    output "n" = c:0
    output "x" = d:0
    a = input() : int32[]
    b_1 = input() : variant[] of float32[?,2]
    c = input() : int32[]
    d = input() : float32[x.0,2]
    one = const() {value: int32[] <1>} : int32[] = (1)
    zero = const() {value: int32[] <0>} : int32[] = (0)
    next = tf.AddV2(a:0, one:0) : int32[]
    row = tf.GatherV2(d:0, a:0, zero:0) {batch_dims: 0} : float32[2]
    set/TensorListSetItem = tf.TensorListSetItem(b_1:0, a:0, row:0) {element_dtype: "float32", resize_if_index_out_of_bounds: false} : variant[] of float32[?,2] @set
  region cond
    graph
    input "a" = a:0
    input "b" = b_1:0
    input "c" = c:0
    input "d" = d:0
    output "more" = more:0
    a = input() : int32[]
    b_1 = input() : variant[] of float32[?,2]
    c = input() : int32[]
    d = input() : float32[x.0,2]
    more = tf.Less(a:0, c:0) : bool[]
y = tf.TensorListStack(w/While:1, e:0) {element_dtype: "float32", num_elements: -1} : float32[?,2]
`,
  },
  {
    pass: "lists",
    name: "a list that a loop fills is a tensor whose rows are replaced; its element is known from what is put in",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[2]
i = const() {value: int32[] <0>} : int32[] = (0)
e = const() {value: int32[] <-1>} : int32[] = (-1)
n = const() {value: int32[] <3>} : int32[] = (3)
l = tf.TensorListReserve(e:0, n:0) {element_dtype: "float32"} : variant[] of float32*
w = tf.While(i:0, l:0, x:0) : int32[]; variant[] of float32[3,2]; float32[2]
  region body
    graph
    input "a" = a:0
    input "b" = b:0
    input "c" = c:0
    output "i" = next:0
    output "l" = set:0
    output "x" = c:0
    a = input() : int32[]
    b = input() : variant[] of float32[3,2]
    c = input() : float32[2]
    one = const() {value: int32[] <1>} : int32[] = (1)
    next = tf.AddV2(a:0, one:0) : int32[]
    set = tf.TensorListSetItem(b:0, a:0, c:0) {element_dtype: "float32"} : variant[] of float32[3,2]
  region cond
    graph
    input "a" = a:0
    input "b" = b:0
    input "c" = c:0
    output "more" = more:0
    a = input() : int32[]
    b = input() : variant[] of float32[3,2]
    c = input() : float32[2]
    n = const() {value: int32[] <3>} : int32[] = (3)
    more = tf.Less(a:0, n:0) : bool[]
y = tf.TensorListStack(w:1, e:0) {element_dtype: "float32", num_elements: -1} : float32[3,2]
`,
    after: `graph
input "x" = x:0
output "y" = w/While:1
x = input() : float32[2]
i = const() {value: int32[] <0>} : int32[] = (0)
l/const = const() {value: float32[3,2] <0, 0, 0, 0, 0, 0>} : float32[3,2] @l
w/While = tf.While(i:0, l/const:0, x:0) : int32[]; float32[3,2]; float32[2] @w
  region body
    graph
    input "a" = a:0
    input "b" = b_1:0
    input "c" = c:0
    output "i" = next:0
    output "l" = set/UpdateRow:0
    output "x" = c:0
    a = input() : int32[]
    b_1 = input() : float32[3,2]
    c = input() : float32[2]
    one = const() {value: int32[] <1>} : int32[] = (1)
    next = tf.AddV2(a:0, one:0) : int32[]
    set/UpdateRow = tf.UpdateRow(b_1:0, a:0, c:0) : float32[3,2] @set
  region cond
    graph
    input "a" = a:0
    input "b" = b_1:0
    input "c" = c:0
    output "more" = more:0
    a = input() : int32[]
    b_1 = input() : float32[3,2]
    c = input() : float32[2]
    n = const() {value: int32[] <3>} : int32[] = (3)
    more = tf.Less(a:0, n:0) : bool[]
`,
  },
  {
    pass: "lists",
    name: "reading a list is taking a row; its length is a size",
    before: `graph
input "x" = x:0
output "y" = y:0
output "n" = n:0
x = input() : float32[x.0,2]
i = const() {value: int32[] <1>} : int32[] = (1)
e = const() {value: int32[] <-1>} : int32[] = (-1)
l = tf.TensorListFromTensor(x:0, e:0) {element_dtype: "float32"} : variant[] of float32[x.0,2]
y = tf.TensorListGetItem(l:0, i:0, e:0) {element_dtype: "float32"} : float32[2]
n = tf.TensorListLength(l:0) : int32[] = (x.0)
`,
    after: `graph
input "x" = x:0
output "y" = y/GatherV2:0
output "n" = n/GatherV2:0
x = input() : float32[x.0,2]
i = const() {value: int32[] <1>} : int32[] = (1)
y/const = const() {value: int32[] <0>} : int32[] = (0) @y
y/GatherV2 = tf.GatherV2(x:0, i:0, y/const:0) {batch_dims: 0} : float32[2] @y
n/Shape = tf.Shape(x:0) {out_type: "int32"} : int32[2] = (x.0,2) @n
n/const = const() {value: int32[] <0>} : int32[] = (0) @n
n/const_1 = const() {value: int32[] <0>} : int32[] = (0) @n
n/GatherV2 = tf.GatherV2(n/Shape:0, n/const:0, n/const_1:0) {batch_dims: 0} : int32[] = (x.0) @n
`,
  },
  {
    pass: "complex",
    name: "a conjugate is the imaginary part's sign",
    before: `${io}z = tf.Complex(x:0, x:0) {Tout: "complex64"} : complex64[x.0,2]\nc = tf.Conj(z:0) : complex64[x.0,2]\ny = tf.Imag(c:0) {Tout: "float32"} : float32[x.0,2]\n`,
    after: `${io}c/Neg = tf.Neg(x:0) : float32[x.0,2] @c\n`.replace('"y" = y:0', '"y" = c/Neg:0'),
  },
  {
    pass: "narrow",
    name: "float64 inside, casts at the edges",
    before: `${io.replace("float32[x.0,2]", "float64[3]")}y = tf.Tanh(x:0) : float64[3]\n`,
    after:
      io.replace("float32[x.0,2]", "float64[3]").replace("= y:0", "= y/float64:0") +
      'x/float32 = tf.Cast(x:0) {DstT: "float32", SrcT: "float64", Truncate: false} : float32[3]\n' +
      "y = tf.Tanh(x/float32:0) : float32[3]\n" +
      'y/float64 = tf.Cast(y:0) {DstT: "float64", SrcT: "float32", Truncate: false} : float64[3]\n',
  },
  {
    pass: "layout",
    name: "channels move to the end, with transposes around",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[1,2,4,4]
y = tf.MaxPool(x:0) {data_format: "NCHW", explicit_paddings: [], ksize: [1, 1, 2, 2], padding: "VALID", strides: [1, 1, 2, 2]} : float32[1,2,2,2]
`,
    after: `graph
input "x" = x:0
output "y" = y/Transpose_1:0
x = input() : float32[1,2,4,4]
y/const = const() {value: int32[4] <0, 2, 3, 1>} : int32[4] = (0,2,3,1) @y
y/Transpose = tf.Transpose(x:0, y/const:0) : float32[1,4,4,2] @y
y/MaxPool = tf.MaxPool(y/Transpose:0) {data_format: "NHWC", explicit_paddings: [], ksize: [1, 2, 2, 1], padding: "VALID", strides: [1, 2, 2, 1]} : float32[1,2,2,2] @y
y/const_1 = const() {value: int32[4] <0, 3, 1, 2>} : int32[4] = (0,3,1,2) @y
y/Transpose_1 = tf.Transpose(y/MaxPool:0, y/const_1:0) : float32[1,2,2,2] @y
`,
  },
  {
    pass: "transposes",
    name: "two that undo each other go, past what is elementwise",
    before: `${io}p = const() {value: int32[2] <1, 0>} : int32[2] = (1,0)
t = tf.Transpose(x:0, p:0) : float32[2,x.0]
r = tf.Relu(t:0) : float32[2,x.0]
y = tf.Transpose(r:0, p:0) : float32[x.0,2]
`,
    after: `${io.replace("= y:0", "= r/Relu:0")}r/Relu = tf.Relu(x:0) : float32[x.0,2] @r\n`,
  },
  {
    pass: "transposes",
    name: "one that others use stays",
    before: `${io}p = const() {value: int32[2] <1, 0>} : int32[2] = (1,0)
t = tf.Transpose(x:0, p:0) : float32[2,x.0]
r = tf.Relu(t:0) : float32[2,x.0]
y = tf.Maximum(r:0, t:0) : float32[2,x.0]
`,
  },
  {
    pass: "batch-norm",
    name: "a scale goes into the weights before it",
    before: `${io}w = const() {value: float32[2,2] <1, 2, 3, 4>} : float32[2,2]
s = const() {value: float32[2] <10, 100>} : float32[2]
m = tf.MatMul(x:0, w:0) : float32[x.0,2]
y = tf.Mul(m:0, s:0) : float32[x.0,2]
`,
    after: `${io.replace("= y:0", "= y/MatMul:0")}y/const = const() {value: float32[2,2] <10, 200, 30, 400>} : float32[2,2] @y
y/MatMul = tf.MatMul(x:0, y/const:0) : float32[x.0,2] @y
`,
  },
  {
    pass: "batch-norm",
    name: "weights whose product is used elsewhere stay",
    before: `${io}w = const() {value: float32[2,2] <1, 2, 3, 4>} : float32[2,2]
s = const() {value: float32[2] <10, 100>} : float32[2]
m = tf.MatMul(x:0, w:0) : float32[x.0,2]
n = tf.Mul(m:0, s:0) : float32[x.0,2]
y = tf.Maximum(n:0, m:0) : float32[x.0,2]
`,
  },
  {
    pass: "patterns",
    name: "space to batch, convolution, batch to space",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[1,8,8,1]
b = const() {value: int32[2] <2, 2>} : int32[2] = (2,2)
p = const() {value: int32[2,2] <2, 2, 2, 2>} : int32[2,2]
c = const() {value: int32[2,2] <0, 0, 0, 0>} : int32[2,2]
w = const() {value: float32[3,3,1,1] <1, 2, 3, 4, 5, 6, 7, 8, 9>} : float32[3,3,1,1]
s = tf.SpaceToBatchND(x:0, b:0, p:0) : float32[4,6,6,1]
v = tf.Conv2D(s:0, w:0) {data_format: "NHWC", dilations: [1, 1, 1, 1], explicit_paddings: [], padding: "VALID", strides: [1, 1, 1, 1]} : float32[4,4,4,1]
y = tf.BatchToSpaceND(v:0, b:0, c:0) : float32[1,8,8,1]
`,
    after: `graph
input "x" = x:0
output "y" = y/Conv2D:0
x = input() : float32[1,8,8,1]
w = const() {value: float32[3,3,1,1] <1, 2, 3, 4, 5, 6, 7, 8, 9>} : float32[3,3,1,1]
y/const = const() {value: int32[4,2] <0, 0, 2, 2, 2, 2, 0, 0>} : int32[4,2] @y
y/Pad = tf.Pad(x:0, y/const:0) : float32[1,12,12,1] @y
y/Conv2D = tf.Conv2D(y/Pad:0, w:0) {data_format: "NHWC", dilations: [1, 2, 2, 1], explicit_paddings: [], padding: "VALID", strides: [1, 1, 1, 1]} : float32[1,8,8,1] @y
`,
  },
  {
    pass: "patterns",
    name: "gelu by erf",
    before: `${io}h = const() {value: float32[] <0.5>} : float32[]
r = const() {value: float32[] <0.7071067690849304>} : float32[]
o = const() {value: float32[] <1>} : float32[]
a = tf.Mul(x:0, r:0) : float32[x.0,2]
e = tf.Erf(a:0) : float32[x.0,2]
p = tf.AddV2(e:0, o:0) : float32[x.0,2]
m = tf.Mul(h:0, x:0) : float32[x.0,2]
y = tf.Mul(m:0, p:0) : float32[x.0,2]
`,
    after: `${io.replace("= y:0", "= y/Gelu:0")}y/Gelu = tf.Gelu(x:0) {approximate: false} : float32[x.0,2] @y\n`,
  },
  {
    pass: "patterns",
    name: "not gelu: another value is multiplied",
    before: `${io}h = const() {value: float32[] <0.5>} : float32[]
r = const() {value: float32[] <0.7071067690849304>} : float32[]
o = const() {value: float32[] <1>} : float32[]
z = tf.Abs(x:0) : float32[x.0,2]
a = tf.Mul(x:0, r:0) : float32[x.0,2]
e = tf.Erf(a:0) : float32[x.0,2]
p = tf.AddV2(e:0, o:0) : float32[x.0,2]
m = tf.Mul(h:0, z:0) : float32[x.0,2]
y = tf.Mul(m:0, p:0) : float32[x.0,2]
`,
  },
  {
    pass: "patterns",
    name: "hard swish and prelu",
    before: `${io}t = const() {value: float32[] <3>} : float32[]
s = const() {value: float32[] <6>} : float32[]
k = const() {value: float32[2] <-0.5, -0.25>} : float32[2]
a = tf.AddV2(x:0, t:0) : float32[x.0,2]
r = tf.Relu6(a:0) : float32[x.0,2]
d = tf.RealDiv(r:0, s:0) : float32[x.0,2]
w = tf.Mul(x:0, d:0) : float32[x.0,2]
p = tf.Relu(w:0) : float32[x.0,2]
n = tf.Neg(w:0) : float32[x.0,2]
q = tf.Relu(n:0) : float32[x.0,2]
m = tf.Mul(k:0, q:0) : float32[x.0,2]
y = tf.AddV2(p:0, m:0) : float32[x.0,2]
`,
    after: `${io.replace("= y:0", "= y/PRelu:0")}w/HardSwish = tf.HardSwish(x:0) : float32[x.0,2] @w
y/const = const() {value: float32[2] <0.5, 0.25>} : float32[2] @y
y/PRelu = tf.PRelu(w/HardSwish:0, y/const:0) : float32[x.0,2] @y
`,
  },
  {
    pass: "patterns",
    name: "padding that SAME would add, and padding that it wouldn't",
    before: `graph
input "x" = x:0
output "y" = y:0
output "z" = z:0
x = input() : float32[1,8,8,1]
p = const() {value: int32[4,2] <0, 0, 0, 1, 0, 1, 0, 0>} : int32[4,2]
q = const() {value: int32[4,2] <0, 0, 1, 0, 1, 0, 0, 0>} : int32[4,2]
w = const() {value: float32[3,3,1,1] <1, 2, 3, 4, 5, 6, 7, 8, 9>} : float32[3,3,1,1]
a = tf.Pad(x:0, p:0) : float32[1,9,9,1]
b = tf.Pad(x:0, q:0) : float32[1,9,9,1]
y = tf.Conv2D(a:0, w:0) {data_format: "NHWC", dilations: [1, 1, 1, 1], padding: "VALID", strides: [1, 2, 2, 1]} : float32[1,4,4,1]
z = tf.Conv2D(b:0, w:0) {data_format: "NHWC", dilations: [1, 1, 1, 1], padding: "VALID", strides: [1, 2, 2, 1]} : float32[1,4,4,1]
`,
    after: `graph
input "x" = x:0
output "y" = y/Conv2D:0
output "z" = z:0
x = input() : float32[1,8,8,1]
q = const() {value: int32[4,2] <0, 0, 1, 0, 1, 0, 0, 0>} : int32[4,2]
w = const() {value: float32[3,3,1,1] <1, 2, 3, 4, 5, 6, 7, 8, 9>} : float32[3,3,1,1]
b = tf.Pad(x:0, q:0) : float32[1,9,9,1]
y/Conv2D = tf.Conv2D(x:0, w:0) {data_format: "NHWC", dilations: [1, 1, 1, 1], padding: "SAME", strides: [1, 2, 2, 1]} : float32[1,4,4,1] @y
z = tf.Conv2D(b:0, w:0) {data_format: "NHWC", dilations: [1, 1, 1, 1], padding: "VALID", strides: [1, 2, 2, 1]} : float32[1,4,4,1]
`,
  },
  {
    pass: "reshapes",
    name: "only the last of several counts",
    before: `${io}s = const() {value: int32[2] <2, -1>} : int32[2] = (2,-1)
t = const() {value: int32[2] <-1, 2>} : int32[2] = (-1,2)
a = tfl.RESHAPE(x:0, s:0) {newShape: [2, -1]} : float32[2,x.0]
b = tfl.RESHAPE(a:0, t:0) {newShape: [-1, 2]} : float32[x.0,2]
y = tfl.RELU(b:0) : float32[x.0,2]
`,
    after: `${io}y = tfl.RELU(x:0) : float32[x.0,2]\n`,
  },
  {
    pass: "dedupe",
    name: "equal constants and computations are one",
    before: `${io}a = const() {value: float32[2] <1, 2>} : float32[2]
b = const() {value: float32[2] <1, 2>} : float32[2]
p = tf.Mul(x:0, a:0) : float32[x.0,2]
q = tf.Mul(x:0, b:0) : float32[x.0,2]
y = tf.AddV2(p:0, q:0) : float32[x.0,2]
`,
    after: `${io}a = const() {value: float32[2] <1, 2>} : float32[2]
p = tf.Mul(x:0, a:0) : float32[x.0,2]
y = tf.AddV2(p:0, p:0) : float32[x.0,2]
`,
  },
  {
    pass: "dedupe",
    name: "random numbers are drawn as often as before",
    before: `${io}s = const() {value: int32[1] <2>} : int32[1] = (2)
p = tf.RandomUniform(s:0) : float32[2]
q = tf.RandomUniform(s:0) : float32[2]
y = tf.Sub(p:0, q:0) : float32[2]
`,
  },
  {
    pass: "fuse-bias",
    name: "a constant per channel is the bias of what it is added to",
    before: `${io}w = const() {value: float32[2,2] <1, 2, 3, 4>} : float32[2,2]
b = const() {value: float32[2] <1, 2>} : float32[2]
c = const() {value: float32[2] <10, 20>} : float32[2]
m = tfl.FULLY_CONNECTED(x:0, w:0, b:0) {fusedActivationFunction: "NONE"} : float32[x.0,2]
y = tfl.ADD(m:0, c:0) {fusedActivationFunction: "NONE"} : float32[x.0,2]
`,
    after: `${io.replace("= y:0", "= y/FULLY_CONNECTED:0")}w = const() {value: float32[2,2] <1, 2, 3, 4>} : float32[2,2]
y/const = const() {value: float32[2] <11, 22>} : float32[2] @y
y/FULLY_CONNECTED = tfl.FULLY_CONNECTED(x:0, w:0, y/const:0) {fusedActivationFunction: "NONE"} : float32[x.0,2] @y
`,
  },
  {
    pass: "fuse-activations",
    name: "relu becomes an option of what it follows",
    before: `${io}a = tfl.ADD(x:0, x:0) {fusedActivationFunction: "NONE"} : float32[x.0,2]
y = tfl.RELU(a:0) : float32[x.0,2]
`,
    after: `${io.replace("= y:0", "= y/ADD:0")}y/ADD = tfl.ADD(x:0, x:0) {fusedActivationFunction: "RELU"} : float32[x.0,2] @y\n`,
  },
  {
    pass: "fuse-activations",
    name: "not tanh, not into a concatenation, not where the sum is an output",
    before: `graph
input "x" = x:0
output "s" = a:0
output "y" = y:0
x = input() : float32[x.0,2]
a = tfl.ADD(x:0, x:0) {fusedActivationFunction: "NONE"} : float32[x.0,2]
r = tfl.RELU(a:0) : float32[x.0,2]
t = tfl.ADD(r:0, x:0) {fusedActivationFunction: "NONE"} : float32[x.0,2]
h = tfl.TANH(t:0) : float32[x.0,2]
c = tfl.CONCATENATION(h:0, x:0) {axis: 0, fusedActivationFunction: "NONE"} : float32[?,2]
y = tfl.RELU(c:0) : float32[?,2]
`,
  },
  {
    pass: "narrow",
    name: "bits of an input are its own, those of what is computed in another dtype are marked to be refused",
    before: `graph
input "x" = x:0
output "y" = y:0
output "z" = z:0
x = input() : float16[2]
y = tf.Bitcast(x:0) {type: "int16"} : int16[2]
t = tf.Tanh(x:0) : float16[2]
z = tf.Bitcast(t:0) {type: "int16"} : int16[2]
`,
    after: `graph
input "x" = x:0
output "y" = y:0
output "z" = z:0
x = input() : float16[2]
x/float32 = tf.Cast(x:0) {DstT: "float32", SrcT: "float16", Truncate: false} : float32[2]
y = tf.Bitcast(x:0) {type: "int16"} : int16[2]
t = tf.Tanh(x/float32:0) : float32[2]
z = tf.Bitcast(t:0) {narrowed: true, type: "int16"} : int16[2]
`,
  },
  {
    pass: "cells",
    name: "a GRU cell is its gates",
    before: `graph
input "x" = x:0
input "h" = h:0
input "w" = w:0
input "c" = c:0
input "a" = a:0
input "b" = b:0
output "y" = y:3
x = input() : float32[2,3]
h = input() : float32[2,1]
w = input() : float32[4,2]
c = input() : float32[4,1]
a = input() : float32[2]
b = input() : float32[1]
y = tf.GRUBlockCell(x:0, h:0, w:0, c:0, a:0, b:0) : float32[2,1]; float32[2,1]; float32[2,1]; float32[2,1]
`,
    after: `graph
input "x" = x:0
input "h" = h:0
input "w" = w:0
input "c" = c:0
input "a" = a:0
input "b" = b:0
output "y" = y/AddV2:0
x = input() : float32[2,3]
h = input() : float32[2,1]
w = input() : float32[4,2]
c = input() : float32[4,1]
a = input() : float32[2]
b = input() : float32[1]
y/const = const() {value: int32[] <1>} : int32[] = (1) @y
y/ConcatV2 = tf.ConcatV2(x:0, h:0, y/const:0) : float32[2,4] @y
y/MatMul = tf.MatMul(y/ConcatV2:0, w:0) {transpose_a: false, transpose_b: false} : float32[2,2] @y
y/BiasAdd = tf.BiasAdd(y/MatMul:0, a:0) {data_format: "NHWC"} : float32[2,2] @y
y/const_1 = const() {value: int32[] <1>} : int32[] = (1) @y
y/Split = tf.Split(y/const_1:0, y/BiasAdd:0) {num_split: 2} : float32[2,1]; float32[2,1] @y
y/Sigmoid = tf.Sigmoid(y/Split:0) : float32[2,1] @y
y/Sigmoid_1 = tf.Sigmoid(y/Split:1) : float32[2,1] @y
y/Mul = tf.Mul(y/Sigmoid:0, h:0) : float32[2,1] @y
y/const_2 = const() {value: int32[] <1>} : int32[] = (1) @y
y/ConcatV2_1 = tf.ConcatV2(x:0, y/Mul:0, y/const_2:0) : float32[2,4] @y
y/MatMul_1 = tf.MatMul(y/ConcatV2_1:0, c:0) {transpose_a: false, transpose_b: false} : float32[2,1] @y
y/BiasAdd_1 = tf.BiasAdd(y/MatMul_1:0, b:0) {data_format: "NHWC"} : float32[2,1] @y
y/const_3 = const() {value: int32[] <1>} : int32[] = (1) @y
y/Split_1 = tf.Split(y/const_3:0, y/BiasAdd_1:0) {num_split: 1} : float32[2,1] @y
y/Tanh = tf.Tanh(y/Split_1:0) : float32[2,1] @y
y/const_4 = const() {value: float32[] <1>} : float32[] @y
y/Sub = tf.Sub(y/const_4:0, y/Sigmoid_1:0) : float32[2,1] @y
y/Mul_1 = tf.Mul(y/Sub:0, y/Tanh:0) : float32[2,1] @y
y/Mul_2 = tf.Mul(y/Sigmoid_1:0, h:0) : float32[2,1] @y
y/AddV2 = tf.AddV2(y/Mul_1:0, y/Mul_2:0) : float32[2,1] @y
`,
  },
  {
    pass: "narrow-indices",
    name: "positions are int32 where they are read so, through what moves them",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[4,5]
a = const() {value: int32[] <1>} : int32[]
o = const() {value: int64[1] <1>} : int64[1] = (1)
s = const() {value: int32[2] <2, 2>} : int32[2] = (2,2)
m = tfl.ARG_MAX(x:0, a:0) {outputType: "INT64"} : int64[4]
p = tfl.ADD(m:0, o:0) {fusedActivationFunction: "NONE"} : int64[4]
r = tfl.RESHAPE(p:0, s:0) {newShape: [2, 2]} : int64[2,2]
y = tfl.CAST(r:0) {inDataType: "INT64", outDataType: "INT32"} : int32[2,2]
`,
    after: `graph
input "x" = x:0
output "y" = y/RESHAPE:0
x = input() : float32[4,5]
a = const() {value: int32[] <1>} : int32[]
s = const() {value: int32[2] <2, 2>} : int32[2] = (2,2)
y/ARG_MAX = tfl.ARG_MAX(x:0, a:0) {outputType: "INT32"} : int32[4] @y
y/const = const() {value: int32[1] <1>} : int32[1] = (1) @y
y/ADD = tfl.ADD(y/ARG_MAX:0, y/const:0) {fusedActivationFunction: "NONE"} : int32[4] @y
y/RESHAPE = tfl.RESHAPE(y/ADD:0, s:0) {newShape: [2, 2]} : int32[2,2] @y
`,
  },
  {
    pass: "narrow-indices",
    name: "what else is read as int64, and int64 that comes from outside, is cast",
    before: `graph
input "x" = x:0
input "i" = i:0
output "y" = y:0
output "m" = m:0
output "z" = z:0
x = input() : float32[4,5]
i = input() : int64[4]
a = const() {value: int32[] <1>} : int32[]
m = tfl.ARG_MAX(x:0, a:0) {outputType: "INT64"} : int64[4]
y = tfl.CAST(m:0) {inDataType: "INT64", outDataType: "INT32"} : int32[4]
n = tfl.NEG(i:0) : int64[4]
z = tfl.CAST(n:0) {inDataType: "INT64", outDataType: "INT32"} : int32[4]
`,
  },
  {
    pass: "outputs",
    name: "an output that is an input is copied",
    before: `graph\ninput "x" = x:0\noutput "y" = x:0\nx = input() : float32[x.0,2]\n`,
    after: `graph
input "x" = x:0
output "y" = y/copy:0
x = input() : float32[x.0,2]
y/copy/always = const() {value: bool[] #01} : bool[]
y/copy = tfl.SELECT_V2(y/copy/always:0, x:0, x:0) : float32[x.0,2]
`,
  },
  {
    pass: "outputs",
    name: "strings that are an input are copied by a reshape to their shape",
    before: `graph\ninput "x" = x:0\noutput "y" = x:0\nx = input() : string[x.0,2]\n`,
    after: `graph
input "x" = x:0
output "y" = y/copy:0
x = input() : string[x.0,2]
y/copy/shape = const() {value: int32[2] <-1, 2>} : int32[2] = (-1,2)
y/copy = tfl.RESHAPE(x:0, y/copy/shape:0) {newShape: [-1, 2]} : string[x.0,2]
`,
  },
  {
    pass: "outputs",
    name: "a constant beside an empty input waits for nothing: such an input has no element to wait for",
    before: `graph\ninput "x" = x:0\noutput "y" = c:0\nx = input() : float32[0,2]
c = const() {value: float32[2] <0, 0>} : float32[2]\n`,
    after: `graph
input "x" = x:0
output "y" = y/copy:0
x = input() : float32[0,2]
c = const() {value: float32[2] <0, 0>} : float32[2]
y/copy/always = const() {value: bool[] #01} : bool[]
y/copy = tfl.SELECT_V2(y/copy/always:0, c:0, c:0) : float32[2]
`,
  },
  {
    pass: "outputs",
    name: "an output that is computed stays",
    before: `${io}y = tfl.RELU(x:0) : float32[x.0,2]\n`,
  },
  {
    pass: "simplify",
    name: "what changes no bit goes: times 1, over 1, less 0",
    before: `${io}a = const() {value: float32[] <1>} : float32[]
o = const() {value: float32[2] <1, 1>} : float32[2]
z = const() {value: float32[2] <0, 0>} : float32[2]
m = tf.Mul(a:0, x:0) : float32[x.0,2]
d = tf.RealDiv(m:0, o:0) : float32[x.0,2]
s = tf.Sub(d:0, z:0) : float32[x.0,2]
y = tf.Abs(s:0) : float32[x.0,2]
`,
    after: `${io}y = tf.Abs(x:0) : float32[x.0,2]
`,
  },
  {
    pass: "simplify",
    name: "plus 0 makes 0 of −0, 1 over x isn't x, ones may widen",
    before: `${io}a = const() {value: float32[] <0>} : float32[]
o = const() {value: float32[] <1>} : float32[]
w = const() {value: float32[3,1,1] <1, 1, 1>} : float32[3,1,1]
s = tf.AddV2(x:0, a:0) : float32[x.0,2]
d = tf.RealDiv(o:0, s:0) : float32[x.0,2]
y = tf.Mul(d:0, w:0) : float32[3,x.0,2]
`,
  },
  {
    pass: "simplify",
    name: "a mean keeps the dimensions that a reshape gives back",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[x.0,4,4,3]
a = const() {value: int32[2] <1, 2>} : int32[2] = (1,2)
s = const() {value: int32[4] <-1, 1, 1, 3>} : int32[4] = (-1,1,1,3)
m = tf.Mean(x:0, a:0) {keep_dims: false} : float32[x.0,3]
y = tf.Reshape(m:0, s:0) : float32[x.0,1,1,3]
`,
    after: `graph
input "x" = x:0
output "y" = y/Mean:0
x = input() : float32[x.0,4,4,3]
a = const() {value: int32[2] <1, 2>} : int32[2] = (1,2)
y/Mean = tf.Mean(x:0, a:0) {keep_dims: true} : float32[x.0,1,1,3] @y
`,
  },
  {
    pass: "simplify",
    name: "not where the reshape puts them elsewhere",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[x.0,4,4,3]
a = const() {value: int32[2] <1, 2>} : int32[2] = (1,2)
s = const() {value: int32[4] <-1, 3, 1, 1>} : int32[4] = (-1,3,1,1)
m = tf.Mean(x:0, a:0) {keep_dims: false} : float32[x.0,3]
y = tf.Reshape(m:0, s:0) : float32[x.0,3,1,1]
`,
  },
  {
    pass: "simplify",
    name: "a dense layer over two dimensions",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[x.0,3,2]
w = const() {value: float32[2,1] <1, 2>} : float32[2,1]
s = const() {value: int32[2] <-1, 2>} : int32[2] = (-1,2)
t = const() {value: int32[3] <-1, 3, 1>} : int32[3] = (-1,3,1)
r = tf.Reshape(x:0, s:0) : float32["3*x.0",2]
m = tf.MatMul(r:0, w:0) {transpose_a: false, transpose_b: false} : float32["3*x.0",1]
y = tf.Reshape(m:0, t:0) : float32[x.0,3,1]
`,
    after: `graph
input "x" = x:0
output "y" = y/BatchMatMulV2:0
x = input() : float32[x.0,3,2]
w = const() {value: float32[2,1] <1, 2>} : float32[2,1]
y/BatchMatMulV2 = tf.BatchMatMulV2(x:0, w:0) {adj_x: false, adj_y: false} : float32[x.0,3,1] @y
`,
  },
  {
    pass: "simplify",
    name: "not where the rows are others",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[x.0,3,2]
w = const() {value: float32[6,1] <1, 2, 3, 4, 5, 6>} : float32[6,1]
s = const() {value: int32[2] <-1, 6>} : int32[2] = (-1,6)
t = const() {value: int32[3] <-1, 1, 1>} : int32[3] = (-1,1,1)
r = tf.Reshape(x:0, s:0) : float32[x.0,6]
m = tf.MatMul(r:0, w:0) {transpose_a: false, transpose_b: false} : float32[x.0,1]
y = tf.Reshape(m:0, t:0) : float32[x.0,1,1]
`,
  },
  {
    pass: "sink-reshapes",
    name: "a bias of the last dimensions and an activation come before",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[x.0,6]
s = const() {value: int32[3] <-1, 2, 3>} : int32[3] = (-1,2,3)
c = const() {value: float32[2,3] <1, 2, 3, 4, 5, 6>} : float32[2,3]
r = tf.Reshape(x:0, s:0) : float32[x.0,2,3]
a = tf.AddV2(r:0, c:0) : float32[x.0,2,3]
y = tf.Relu(a:0) : float32[x.0,2,3]
`,
    after: `graph
input "x" = x:0
output "y" = y/Reshape:0
x = input() : float32[x.0,6]
s = const() {value: int32[3] <-1, 2, 3>} : int32[3] = (-1,2,3)
a/const = const() {value: float32[6] <1, 2, 3, 4, 5, 6>} : float32[6] @a
a/AddV2 = tf.AddV2(x:0, a/const:0) : float32[x.0,6] @a
y/Relu = tf.Relu(a/AddV2:0) : float32[x.0,6] @y
y/Reshape = tf.Reshape(y/Relu:0, s:0) : float32[x.0,2,3] @y
`,
  },
  {
    pass: "sink-reshapes",
    name: "a bias after a Squeeze",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[x.0,1,4,2]
c = const() {value: float32[2] <1, 2>} : float32[2]
r = tf.Squeeze(x:0) {squeeze_dims: [1]} : float32[x.0,4,2]
y = tf.BiasAdd(r:0, c:0) {data_format: "NHWC"} : float32[x.0,4,2]
`,
    after: `graph
input "x" = x:0
output "y" = y/Squeeze:0
x = input() : float32[x.0,1,4,2]
y/const = const() {value: float32[2] <1, 2>} : float32[2] @y
y/AddV2 = tf.AddV2(x:0, y/const:0) : float32[x.0,1,4,2] @y
y/Squeeze = tf.Squeeze(y/AddV2:0) {squeeze_dims: [1]} : float32[x.0,4,2] @y
`,
  },
  {
    pass: "sink-reshapes",
    name: "two of equal shapes",
    before: `graph
input "a" = a:0
input "b" = b:0
output "y" = y:0
a = input() : float32[1,6]
b = input() : float32[1,6]
s = const() {value: int32[2] <2, 3>} : int32[2] = (2,3)
r = tf.Reshape(a:0, s:0) : float32[2,3]
q = tf.Reshape(b:0, s:0) : float32[2,3]
y = tf.Mul(r:0, q:0) : float32[2,3]
`,
    after: `graph
input "a" = a:0
input "b" = b:0
output "y" = y/Reshape:0
a = input() : float32[1,6]
b = input() : float32[1,6]
s = const() {value: int32[2] <2, 3>} : int32[2] = (2,3)
y/Mul = tf.Mul(a:0, b:0) : float32[1,6] @y
y/Reshape = tf.Reshape(y/Mul:0, s:0) : float32[2,3] @y
`,
  },
  {
    pass: "sink-reshapes",
    name: "not a constant that repeats within the last dimensions, nor past what others use",
    before: `graph
input "x" = x:0
output "y" = y:0
output "z" = z:0
x = input() : float32[x.0,6]
s = const() {value: int32[3] <-1, 2, 3>} : int32[3] = (-1,2,3)
c = const() {value: float32[3] <1, 2, 3>} : float32[3]
k = const() {value: float32[2,1] <1, 2>} : float32[2,1]
r = tf.Reshape(x:0, s:0) : float32[x.0,2,3]
y = tf.AddV2(r:0, c:0) : float32[x.0,2,3]
z = tf.Mul(r:0, k:0) : float32[x.0,2,3]
`,
  },
  {
    pass: "sink-reshapes",
    name: "not where the constant covers a part of a dimension",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[x.0,6]
s = const() {value: int32[3] <-1, 2, 3>} : int32[3] = (-1,2,3)
c = const() {value: float32[3] <1, 2, 3>} : float32[3]
r = tf.Reshape(x:0, s:0) : float32[x.0,2,3]
y = tf.AddV2(r:0, c:0) : float32[x.0,2,3]
`,
  },
  {
    pass: "batch-norm",
    name: "a scale and an offset go into the weights after them",
    before: `${io}w = const() {value: float32[2,2] <1, 2, 3, 4>} : float32[2,2]
s = const() {value: float32[2] <10, 100>} : float32[2]
t = const() {value: float32[2] <1, -1>} : float32[2]
m = tf.Mul(x:0, s:0) : float32[x.0,2]
a = tf.AddV2(m:0, t:0) : float32[x.0,2]
y = tf.MatMul(a:0, w:0) {transpose_a: false, transpose_b: true} : float32[x.0,2]
`,
    after: `graph
input "x" = x:0
output "y" = y/AddV2:0
x = input() : float32[x.0,2]
y/const = const() {value: float32[2,2] <10, 200, 30, 400>} : float32[2,2] @y
y/MatMul = tf.MatMul(x:0, y/const:0) {transpose_a: false, transpose_b: true} : float32[x.0,2] @y
y/const_1 = const() {value: float32[2] <-1, -1>} : float32[2] @y
y/AddV2 = tf.AddV2(y/MatMul:0, y/const_1:0) : float32[x.0,2] @y
`,
  },
  {
    pass: "batch-norm",
    name: "before a convolution without padding",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[1,2,2,2]
w = const() {value: float32[1,2,2,1] <1, 2, 3, 4>} : float32[1,2,2,1]
s = const() {value: float32[2] <10, 100>} : float32[2]
t = const() {value: float32[2] <1, -1>} : float32[2]
m = tf.Mul(x:0, s:0) : float32[1,2,2,2]
a = tf.AddV2(m:0, t:0) : float32[1,2,2,2]
y = tf.Conv2D(a:0, w:0) {data_format: "NHWC", dilations: [1, 1, 1, 1], explicit_paddings: [], padding: "VALID", strides: [1, 1, 1, 1]} : float32[1,2,1,1]
`,
    after: `graph
input "x" = x:0
output "y" = y/AddV2:0
x = input() : float32[1,2,2,2]
y/const = const() {value: float32[1,2,2,1] <10, 200, 30, 400>} : float32[1,2,2,1] @y
y/Conv2D = tf.Conv2D(x:0, y/const:0) {data_format: "NHWC", dilations: [1, 1, 1, 1], explicit_paddings: [], padding: "VALID", strides: [1, 1, 1, 1]} : float32[1,2,1,1] @y
y/const_1 = const() {value: float32[1] <-2>} : float32[1] @y
y/AddV2 = tf.AddV2(y/Conv2D:0, y/const_1:0) : float32[1,2,1,1] @y
`,
  },
  {
    pass: "batch-norm",
    name: "an offset stays before a convolution that pads",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[1,2,2,2]
w = const() {value: float32[1,2,2,1] <1, 2, 3, 4>} : float32[1,2,2,1]
s = const() {value: float32[2] <10, 100>} : float32[2]
t = const() {value: float32[2] <1, -1>} : float32[2]
m = tf.Mul(x:0, s:0) : float32[1,2,2,2]
a = tf.AddV2(m:0, t:0) : float32[1,2,2,2]
y = tf.Conv2D(a:0, w:0) {data_format: "NHWC", dilations: [1, 1, 1, 1], explicit_paddings: [], padding: "SAME", strides: [1, 1, 1, 1]} : float32[1,2,2,1]
`,
  },
  {
    pass: "batch-norm",
    name: "an offset alone stays: the sum may be exact",
    before: `${io}w = const() {value: float32[2,2] <1, 2, 3, 4>} : float32[2,2]
t = const() {value: float32[2] <1, -1>} : float32[2]
a = tf.AddV2(x:0, t:0) : float32[x.0,2]
y = tf.MatMul(a:0, w:0) {transpose_a: false, transpose_b: false} : float32[x.0,2]
`,
  },
  {
    pass: "batch-norm",
    name: "a scale that would take the weights out of the normal range stays",
    before: `${io}w = const() {value: float32[2,2] <1, 2, 3, 4>} : float32[2,2]
s = const() {value: float32[] <9.999999350456404e-39>} : float32[]
m = tf.Mul(x:0, s:0) : float32[x.0,2]
y = tf.MatMul(m:0, w:0) {transpose_a: false, transpose_b: false} : float32[x.0,2]
`,
  },
  {
    pass: "patterns",
    name: "a normalisation subtracts the mean first",
    before: `${io}a = const() {value: int32[1] <1>} : int32[1] = (1)
b = const() {value: float32[2] <1, 2>} : float32[2]
m = tf.Mean(x:0, a:0) {keep_dims: true} : float32[x.0,1]
s = tf.Abs(x:0) : float32[x.0,2]
n = tf.Neg(m:0) : float32[x.0,1]
p = tf.Mul(n:0, s:0) : float32[x.0,2]
q = tf.AddV2(p:0, b:0) : float32[x.0,2]
r = tf.Mul(x:0, s:0) : float32[x.0,2]
y = tf.AddV2(r:0, q:0) : float32[x.0,2]
`,
    after: `graph
input "x" = x:0
output "y" = y/AddV2:0
x = input() : float32[x.0,2]
a = const() {value: int32[1] <1>} : int32[1] = (1)
b = const() {value: float32[2] <1, 2>} : float32[2]
m = tf.Mean(x:0, a:0) {keep_dims: true} : float32[x.0,1]
s = tf.Abs(x:0) : float32[x.0,2]
y/Sub = tf.Sub(x:0, m:0) : float32[x.0,2] @y
y/Mul = tf.Mul(y/Sub:0, s:0) : float32[x.0,2] @y
y/AddV2 = tf.AddV2(y/Mul:0, b:0) : float32[x.0,2] @y
`,
  },
  {
    pass: "patterns",
    name: "and so in the other spelling",
    before: `${io}a = const() {value: int32[1] <1>} : int32[1] = (1)
b = const() {value: float32[2] <1, 2>} : float32[2]
m = tf.Mean(x:0, a:0) {keep_dims: true} : float32[x.0,1]
s = tf.Abs(x:0) : float32[x.0,2]
p = tf.Mul(m:0, s:0) : float32[x.0,2]
q = tf.Sub(b:0, p:0) : float32[x.0,2]
r = tf.Mul(s:0, x:0) : float32[x.0,2]
y = tf.AddV2(r:0, q:0) : float32[x.0,2]
`,
    after: `graph
input "x" = x:0
output "y" = y/AddV2:0
x = input() : float32[x.0,2]
a = const() {value: int32[1] <1>} : int32[1] = (1)
b = const() {value: float32[2] <1, 2>} : float32[2]
m = tf.Mean(x:0, a:0) {keep_dims: true} : float32[x.0,1]
s = tf.Abs(x:0) : float32[x.0,2]
y/Sub = tf.Sub(x:0, m:0) : float32[x.0,2] @y
y/Mul = tf.Mul(y/Sub:0, s:0) : float32[x.0,2] @y
y/AddV2 = tf.AddV2(y/Mul:0, b:0) : float32[x.0,2] @y
`,
  },
  {
    pass: "patterns",
    name: "a dilated convolution of a sequence",
    before: `graph
input "x" = x:0
output "y" = y:0
x = input() : float32[x.0,10,1]
b = const() {value: int32[1] <2>} : int32[1] = (2)
p = const() {value: int32[1,2] <0, 0>} : int32[1,2]
e = const() {value: int32[] <1>} : int32[] = (1)
w = const() {value: float32[1,3,1,1] <1, 2, 3>} : float32[1,3,1,1]
s = tf.SpaceToBatchND(x:0, b:0, p:0) : float32["2*x.0",5,1]
i = tf.ExpandDims(s:0, e:0) : float32["2*x.0",1,5,1]
v = tf.Conv2D(i:0, w:0) {data_format: "NHWC", dilations: [1, 1, 1, 1], explicit_paddings: [], padding: "VALID", strides: [1, 1, 1, 1]} : float32["2*x.0",1,3,1]
q = tf.Squeeze(v:0) {squeeze_dims: [1]} : float32["2*x.0",3,1]
y = tf.BatchToSpaceND(q:0, b:0, p:0) : float32[x.0,6,1]
`,
    after: `graph
input "x" = x:0
output "y" = y/Squeeze:0
x = input() : float32[x.0,10,1]
e = const() {value: int32[] <1>} : int32[] = (1)
w = const() {value: float32[1,3,1,1] <1, 2, 3>} : float32[1,3,1,1]
y/ExpandDims = tf.ExpandDims(x:0, e:0) : float32[x.0,1,10,1] @y
y/Conv2D = tf.Conv2D(y/ExpandDims:0, w:0) {data_format: "NHWC", dilations: [1, 1, 2, 1], explicit_paddings: [], padding: "VALID", strides: [1, 1, 1, 1]} : float32[x.0,1,6,1] @y
y/Squeeze = tf.Squeeze(y/Conv2D:0) {squeeze_dims: [1]} : float32[x.0,6,1] @y
`,
  },
  {
    pass: "simplify",
    name: "what isn't below zero is an activation",
    before: `${io}z = const() {value: float32[2] <0, 0>} : float32[2]
m = tf.Maximum(z:0, x:0) : float32[x.0,2]
y = tf.Abs(m:0) : float32[x.0,2]
`,
    after: `${io}m/Relu = tf.Relu(x:0) : float32[x.0,2] @m
y = tf.Abs(m/Relu:0) : float32[x.0,2]
`,
  },
  {
    pass: "simplify",
    name: "not where zeros widen, nor for integers",
    before: `graph
input "x" = x:0
output "y" = y:0
output "z" = z:0
x = input() : float32[2]
i = input() : int32[2]
w = const() {value: float32[3,1] <0, 0, 0>} : float32[3,1]
o = const() {value: int32[] <0>} : int32[] = (0)
y = tf.Maximum(x:0, w:0) : float32[3,2]
z = tf.Maximum(i:0, o:0) : int32[2]
`,
  },
  {
    pass: "loop-variables",
    name: "what a loop passes on is the constant that it was",
    before: `graph
input "x" = x:0
output "y" = w:1
output "n" = w:2
x = input() : float32[2]
i = const() {value: int32[] <0>} : int32[] = (0)
n = const() {value: int32[] <3>} : int32[] = (3)
w = tf.While(i:0, x:0, n:0) : int32[]; float32[2]; int32[]
  region body
    graph
    input "a" = a:0
    input "b" = b:0
    input "c" = c:0
    output "i" = j:0
    output "x" = s:0
    output "n" = c:0
    a = input() : int32[]
    b = input() : float32[2]
    c = input() : int32[]
    o = const() {value: int32[] <1>} : int32[] = (1)
    j = tf.AddV2(a:0, o:0) : int32[]
    s = tf.Neg(b:0) : float32[2]
  region cond
    graph
    input "a" = a:0
    input "b" = b:0
    input "c" = c:0
    output "t" = t:0
    a = input() : int32[]
    b = input() : float32[2]
    c = input() : int32[]
    t = tf.Less(a:0, c:0) : bool[]
`,
    after: `graph
input "x" = x:0
output "y" = w/While:1
output "n" = n:0
x = input() : float32[2]
i = const() {value: int32[] <0>} : int32[] = (0)
n = const() {value: int32[] <3>} : int32[] = (3)
w/While = tf.While(i:0, x:0) : int32[]; float32[2] @w
  region body
    graph
    input "a" = a:0
    input "b" = b:0
    output "i" = j:0
    output "x" = s:0
    a = input() : int32[]
    b = input() : float32[2]
    o = const() {value: int32[] <1>} : int32[] = (1)
    j = tf.AddV2(a:0, o:0) : int32[]
    s = tf.Neg(b:0) : float32[2]
  region cond
    graph
    input "a" = a:0
    input "b" = b:0
    output "t" = t:0
    a = input() : int32[]
    b = input() : float32[2]
    c_1 = const() {value: int32[] <3>} : int32[] = (3) @c
    t = tf.Less(a:0, c_1:0) : bool[]
`,
  },
  {
    pass: "loop-variables",
    name: "one that isn't a constant before, or is another after, stays a variable",
    before: `graph
input "x" = x:0
output "y" = w:1
x = input() : float32[2]
i = const() {value: int32[] <0>} : int32[] = (0)
w = tf.While(i:0, x:0) : int32[]; float32[2]
  region body
    graph
    input "a" = a:0
    input "b" = b:0
    output "i" = j:0
    output "x" = b:0
    a = input() : int32[]
    b = input() : float32[2]
    o = const() {value: int32[] <1>} : int32[] = (1)
    j = tf.AddV2(a:0, o:0) : int32[]
  region cond
    graph
    input "a" = a:0
    input "b" = b:0
    output "t" = t:0
    a = input() : int32[]
    b = input() : float32[2]
    o = const() {value: int32[] <3>} : int32[] = (3)
    t = tf.Less(a:0, o:0) : bool[]
`,
  },
  {
    pass: "patterns",
    name: "gelu by tanh, x taken out of the sum",
    before: `${io}h = const() {value: float32[] <0.5>} : float32[]
r = const() {value: float32[] <0.7978845834732056>} : float32[]
k = const() {value: float32[] <0.044714998453855515>} : float32[]
o = const() {value: float32[] <1>} : float32[]
q = tf.Square(x:0) : float32[x.0,2]
a = tf.Mul(k:0, q:0) : float32[x.0,2]
s = tf.AddV2(a:0, o:0) : float32[x.0,2]
t = tf.Mul(x:0, r:0) : float32[x.0,2]
u = tf.Mul(t:0, s:0) : float32[x.0,2]
e = tf.Tanh(u:0) : float32[x.0,2]
p = tf.AddV2(e:0, o:0) : float32[x.0,2]
m = tf.Mul(h:0, x:0) : float32[x.0,2]
y = tf.Mul(m:0, p:0) : float32[x.0,2]
`,
    after: `graph
input "x" = x:0
output "y" = y/Gelu:0
x = input() : float32[x.0,2]
y/Gelu = tf.Gelu(x:0) {approximate: true} : float32[x.0,2] @y
`,
  },
  {
    pass: "patterns",
    name: "hard swish with the sixth at the end",
    before: `${io}t = const() {value: float32[] <3>} : float32[]
s = const() {value: float32[] <0.1666666716337204>} : float32[]
a = tf.AddV2(x:0, t:0) : float32[x.0,2]
r = tf.Relu6(a:0) : float32[x.0,2]
w = tf.Mul(x:0, r:0) : float32[x.0,2]
y = tf.Mul(w:0, s:0) : float32[x.0,2]
`,
    after: `graph
input "x" = x:0
output "y" = y/HardSwish:0
x = input() : float32[x.0,2]
y/HardSwish = tf.HardSwish(x:0) : float32[x.0,2] @y
`,
  },
  {
    pass: "loop-variables",
    name: "a counter that only counts goes, with what it is counted by",
    before: `graph
input "x" = x:0
output "y" = w:1
x = input() : float32[2]
i = const() {value: int32[] <0>} : int32[] = (0)
w = tf.While(i:0, x:0) : int32[]; float32[2]
  region body
    graph
    input "a" = a:0
    input "b" = b:0
    output "i" = j:0
    output "x" = s:0
    a = input() : int32[]
    b = input() : float32[2]
    o = const() {value: int32[] <1>} : int32[] = (1)
    j = tf.AddV2(a:0, o:0) : int32[]
    s = tf.Neg(b:0) : float32[2]
  region cond
    graph
    input "a" = a:0
    input "b" = b:0
    output "t" = t:0
    a = input() : int32[]
    b = input() : float32[2]
    f = const() {value: float32[] <0>} : float32[]
    r = const() {value: int32[1] <0>} : int32[1] = (0)
    l = tf.Less(b:0, f:0) : bool[2]
    t = tf.All(l:0, r:0) {keep_dims: false} : bool[]
`,
    after: `graph
input "x" = x:0
output "y" = w/While:0
x = input() : float32[2]
w/While = tf.While(x:0) : float32[2] @w
  region body
    graph
    input "b" = b:0
    output "x" = s:0
    b = input() : float32[2]
    s = tf.Neg(b:0) : float32[2]
  region cond
    graph
    input "b" = b:0
    output "t" = t:0
    b = input() : float32[2]
    f = const() {value: float32[] <0>} : float32[]
    r = const() {value: int32[1] <0>} : int32[1] = (0)
    l = tf.Less(b:0, f:0) : bool[2]
    t = tf.All(l:0, r:0) {keep_dims: false} : bool[]
`,
  },
];

const passes = new Map([...sourcePasses, ...targetPasses, ...lastPasses].map((pass) => [pass.name, pass]));

for (const {pass, name, before, after = before} of cases) {
  test(`${pass}: ${name}`, () => {
    const graph = parseGraph(before);
    verifyGraph(graph, "test");
    const result = pruneGraph(runPass(passes.get(pass)!, graph, () => {}));
    verifyGraph(result, pass);
    assert.equal(printGraph(result), after);
    assert.equal(printGraph(graph), before, "the pass changed its input");
  });
}

test("every pass has a case", () => {
  const tested = new Set(cases.map((each) => each.pass));
  assert.deepEqual(
    [...passes.keys()].filter((name) => !tested.has(name)),
    [],
  );
});

test("the verifier finds broken graphs", () => {
  const broken = [
    `${io}y = tf.Abs(z:0) : float32[x.0,2]\n`,
    `${io}y = tf.Abs(x:1) : float32[x.0,2]\n`,
    `${io}y = tf.Abs(x:0) : float32[x.0,2]\ny = tf.Abs(x:0) : float32[x.0,2]\n`,
    `${io}y = const() : float32[1]\n`,
    io,
  ];
  for (const text of broken) assert.throws(() => verifyGraph(parseGraph(text), "test"), /CONVERT_IR_INVALID/);
});
