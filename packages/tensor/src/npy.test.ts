import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {type DType, dtypes} from "./dtype.ts";
import {TensorError} from "./errors.ts";
import {readNpy, writeNpy} from "./npy.ts";
import {Tensor} from "./tensor.ts";
import {anyTensor} from "./testing/arbitraries.ts";
import {golden, goldenTensor, readFixture} from "./testing/golden.ts";
import {throwsCode} from "./testing/throws-code.ts";

for (const row of golden.files) {
  test(`NumPy's ${row.file} is read${row.canonical ? ", and written byte for byte" : ""}`, () => {
    const bytes = readFixture(`npy/${row.file}`);
    const wanted = goldenTensor(row);
    const found = readNpy(bytes, {dtypeHint: row.dtype});
    assert.deepEqual([found.dtype, found.shape, [...found.bytes]], [wanted.dtype, wanted.shape, [...wanted.bytes]]);
    if (row.canonical) assert.deepEqual(Buffer.from(writeNpy(wanted, {strings: row.strings ?? "S"})), bytes);
  });
}

for (const {file, code} of golden.refused) {
  test(`NumPy's ${file} is refused: ${code}`, () => {
    const error = throwsCode(code, () => readNpy(readFixture(`npy/${file}`), {name: file, dtypeHint: "bfloat16"}));
    assert.ok(error.message.includes(file));
  });
}

test("a refused dtype is called by its name", () => {
  for (const [file, name] of [
    ["date", /datetime64/],
    ["duration", /timedelta64/],
    ["longdouble", /floats of another size/],
    ["clongdouble", /complex numbers of another size/],
  ] as const) {
    assert.match(throwsCode("NPY_DTYPE", () => readNpy(readFixture(`npy/${file}.npy`))).message, name);
  }
});

test("untyped elements need the right hint; a hint changes nothing else", () => {
  const bfloat16 = readFixture("npy/bfloat16.npy");
  throwsCode("NPY_VOID", () => readNpy(bfloat16));
  throwsCode("NPY_VOID", () => readNpy(bfloat16, {dtypeHint: "int4"}));
  throwsCode("NPY_VOID", () => readNpy(bfloat16, {dtypeHint: "float16"}));
  throwsCode("NPY_VOID", () =>
    readNpy(npy("{'descr': '>V2', 'fortran_order': False, 'shape': (1,)}", 2), {dtypeHint: "bfloat16"}),
  );
  assert.equal(readNpy(readFixture("npy/float16.npy"), {dtypeHint: "bfloat16"}).dtype, "float16");
});

test("int4 is read from either way of filling its byte", () => {
  const header = "{'descr': '|V1', 'fortran_order': False, 'shape': (4,)}";
  const file = npy(header, 0, Uint8Array.of(0x0f, 0xff, 0x07, 0x08));
  assert.deepEqual(readNpy(file, {dtypeHint: "int4"}).values(), [-1, -1, 7, -8]);
});

test("a view where possible, with the file's bytes misaligned or not", () => {
  const file = npy(
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
    0,
    new Uint8Array(Float32Array.of(1.5).buffer),
  );
  const tensor = readNpy(file);
  assert.equal(tensor.bytes.buffer, file.buffer);
  assert.deepEqual(tensor.values(), [1.5]);
  for (let offset = 0; offset < 8; offset++) {
    const buffer = Buffer.alloc(file.length + offset);
    buffer.set(file, offset);
    assert.deepEqual(readNpy(buffer.subarray(offset)).data, Float32Array.of(1.5));
  }
});

const headers: readonly [string, string][] = [
  // The literal.
  ["NPY_HEADER", ""],
  ["NPY_HEADER", "{"],
  ["NPY_HEADER", "{}"],
  ["NPY_HEADER", "[]"],
  ["NPY_HEADER", "'descr'"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': False}"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'extra': 1}"],
  ["NPY_HEADER", "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_HEADER", "{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} {}"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,}"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': False,, 'shape': (1,)}"],
  ["NPY_HEADER", "{'descr' '<f4', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_HEADER", "{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_HEADER", "{'descr': '<f4\n', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_HEADER", "{'descr': '\\q<f4', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_HEADER", "{'descr': '\\x3', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_HEADER", "{'descr': '\\U00110000', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_HEADER", "{'descr': '\\"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': False, 'shape': (1 + 1,)}"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': False, 'shape': (0x1,)}"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': False, 'shape': (01,)}"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': false, 'shape': (1,)}"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}"],
  ["NPY_HEADER", "{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os').system('id')}"],
  ["NPY_HEADER", "{'descr': 4, 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_HEADER", "{'descr': None, 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_HEADER", `{'descr': '<f4', 'fortran_order': False, 'shape': ${"(".repeat(5000)}}`],
  ["NPY_HEADER", "{".repeat(9000)],
  ["NPY_HEADER", " ".repeat(10_001)],
  // The shape.
  ["NPY_SHAPE", "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}"],
  ["NPY_SHAPE", "{'descr': '<f4', 'fortran_order': False, 'shape': [1]}"],
  ["NPY_SHAPE", "{'descr': '<f4', 'fortran_order': False, 'shape': None}"],
  ["NPY_SHAPE", "{'descr': '<f4', 'fortran_order': False, 'shape': ('1',)}"],
  ["NPY_SHAPE", "{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}"],
  ["NPY_SHAPE", "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"],
  ["NPY_SHAPE", "{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740993,)}"],
  ["NPY_SHAPE", `{'descr': '<f4', 'fortran_order': False, 'shape': (1${"0".repeat(5000)},)}`],
  ["NPY_SHAPE", "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}"],
  ["NPY_SHAPE", "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 0)}"],
  ["NPY_SHAPE", `{'descr': '<f4', 'fortran_order': False, 'shape': (${"1,".repeat(65)})}`],
  ["NPY_SHAPE", "{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000000,)}"],
  ["NPY_TRUNCATED", "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}"],
  ["NPY_TRUNCATED", "{'descr': '<c16', 'fortran_order': True, 'shape': (9007199254740991,)}"],
  ["NPY_TRUNCATED", "{'descr': '|S999999999', 'fortran_order': False, 'shape': (1000000,)}"],
  // The dtype.
  ["NPY_DTYPE", "{'descr': '', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_DTYPE", "{'descr': 'f4', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_DTYPE", "{'descr': '=f4', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_DTYPE", "{'descr': '|f4', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_DTYPE", "{'descr': '<f3', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_DTYPE", "{'descr': '<i16', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_DTYPE", "{'descr': '<f4x', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_DTYPE", "{'descr': '<b4', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_DTYPE", "{'descr': '|S', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_DTYPE", "{'descr': '|S9999999999', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_DTYPE", "{'descr': '|U4', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_DTYPE", "{'descr': '<constructor', 'fortran_order': False, 'shape': (1,)}"],
  ["NPY_STRUCTURED", "{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (1,)}"],
];
test("headers that aren't what the format prescribes", () => {
  for (const [code, header] of headers) throwsCode(code, () => readNpy(npy(header)));
});

test("headers that other writers make are read", () => {
  const data = new Uint8Array(Int16Array.of(1, 2).buffer);
  for (const header of [
    "{'descr':'<i2','fortran_order':False,'shape':(2,)}",
    "{'shape': (2L,), 'fortran_order': True, 'descr': \"<i2\"}\n",
    "\t{ 'shape' : ( 2 , ) ,\n'fortran_order':False,\"descr\":'<i2' , }   \n",
    "{'descr': '\\x3ci2', 'fortran_order': False, 'shape': (1, 2, )}",
  ]) {
    assert.deepEqual(readNpy(npy(header, 0, data)).values(), [1, 2], header);
  }
  const bytes = "{'descr': '>i1', 'fortran_order': False, 'shape': (4,)}";
  assert.deepEqual(readNpy(npy(bytes, 0, data)).values(), [1, 0, 2, 0]);
  const none = "{'descr': '|S0', 'fortran_order': False, 'shape': (0,)}";
  assert.deepEqual(readNpy(npy(none)).values(), []);
});

test("what isn't .npy, or of another version", () => {
  const file = readFixture("npy/scalar.npy");
  throwsCode("NPY_MAGIC", () => readNpy(new Uint8Array()));
  throwsCode("NPY_MAGIC", () => readNpy(Uint8Array.of(0x50, 0x4b, 3, 4)));
  for (const [major, minor] of [
    [0, 0],
    [1, 1],
    [4, 0],
    [255, 255],
  ] as const) {
    const changed = new Uint8Array(file);
    changed.set([major, minor], 6);
    throwsCode("NPY_VERSION", () => readNpy(changed));
  }
  const invalid = new Uint8Array(readFixture("npy/version3.npy"));
  invalid[20] = 0xff;
  throwsCode("NPY_HEADER", () => readNpy(invalid));
});

test("a header of 4 GB is refused by its claim", () => {
  const file = new Uint8Array(readFixture("npy/version2.npy"));
  file.set([0xff, 0xff, 0xff, 0xff], 8);
  throwsCode("NPY_HEADER", () => readNpy(file));
});

test("every truncation and every addition is refused", () => {
  for (const name of ["int16.npy", "strings-u.npy", "version2.npy", "scalar.npy", "empty.npy"]) {
    const file = readFixture(`npy/${name}`);
    for (let length = 1; length < file.length; length++) {
      throwsCode("NPY_TRUNCATED", () => readNpy(file.subarray(0, length)));
    }
    throwsCode("NPY_TRAILING", () => readNpy(Buffer.concat([file, Buffer.of(0)])));
  }
});

test("bools other than 0 and 1, characters that aren't Unicode", () => {
  const bool = "{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}";
  throwsCode("TENSOR_VALUE", () => readNpy(npy(bool, 0, Uint8Array.of(2))));
  const text = "{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}";
  for (const codePoint of [0xd800, 0xdfff, 0x110000, 0xffffffff]) {
    throwsCode("NPY_STRING", () => readNpy(npy(text, 0, new Uint8Array(Uint32Array.of(codePoint).buffer))));
  }
  assert.deepEqual(readNpy(npy(text, 0, Uint8Array.of(0xff, 0xff, 0x10, 0))).values(), ["\u{10ffff}"]);
});

test("strings: S by default, U as text; refuses what would come back changed", () => {
  const tensor = Tensor.from(["é", "", "abc"]);
  assert.match(headerOf(writeNpy(tensor)), /'\|S3'/);
  assert.match(headerOf(writeNpy(tensor, {strings: "U"})), /'<U3'/);
  assert.ok(readNpy(writeNpy(tensor, {strings: "U"})).equals(tensor));
  throwsCode("NPY_STRING", () => writeNpy(Tensor.from(["a\0"])));
  throwsCode("NPY_STRING", () => writeNpy(Tensor.from(["a\0"]), {strings: "U"}));
  throwsCode("NPY_STRING", () => writeNpy(Tensor.from([Uint8Array.of(0xff)], {dtype: "string"}), {strings: "U"}));
  const lopsided = new Array<string>(2 ** 15).fill("");
  lopsided[0] = "x".repeat(2 ** 15 + 1);
  throwsCode("NPY_STRING", () => writeNpy(Tensor.from(lopsided)));
});

test("property: every tensor comes back", () => {
  fc.assert(
    fc.property(anyTensor(), fc.constantFrom("S", "U"), (tensor, strings) => {
      if (tensor.dtype === "string") fc.pre(tensor.stringBytes().every((item) => item.at(-1) !== 0));
      const file = writeNpy(tensor, {strings});
      assert.equal((file.length - tensorBytes(tensor, file)) % 64, 0);
      assert.ok(readNpy(file, {dtypeHint: tensor.dtype}).equals(tensor));
    }),
    {numRuns: 500},
  );
});

test("property: big-endian and column-major files of every dtype are the same tensor", () => {
  fc.assert(
    fc.property(anyTensor(), (tensor) => {
      const {dtype, shape} = tensor;
      fc.pre(dtype !== "string" && dtype !== "bfloat16" && dtype !== "int4");
      const each = dtypes[dtype].bytes!;
      const lane = dtypes[dtype as DType].array.BYTES_PER_ELEMENT;
      const out = new Uint8Array(tensor.bytes.length);
      for (let index = 0; index < tensor.size; index++) {
        // The slow formula: where in a column-major array is the element with these coordinates?
        let [rest, to, stride] = [index, 0, 1];
        const coordinates = shape.toReversed().map((length) => {
          const coordinate = rest % length;
          rest = (rest - coordinate) / length;
          return coordinate;
        });
        for (const [axis, coordinate] of coordinates.toReversed().entries()) {
          to += coordinate * stride;
          stride *= shape[axis]!;
        }
        for (let i = 0; i < each; i += lane) {
          out.set(tensor.bytes.slice(index * each + i, index * each + i + lane).reverse(), to * each + i);
        }
      }
      const descr = /'descr': '.([^']+)'/.exec(headerOf(writeNpy(tensor)))![1];
      const tuple = `(${shape.map((length) => `${length},`).join("")})`;
      const file = npy(`{'descr': '>${descr}', 'fortran_order': True, 'shape': ${tuple}}`, 0, out);
      assert.ok(readNpy(file).equals(tensor));
    }),
    {numRuns: 500},
  );
});

test("property: changed bytes give a tensor or a coded error", () => {
  const files = golden.files.map(({file}) => readFixture(`npy/${file}`));
  const changes = fc.array(fc.tuple(fc.nat(255), fc.nat(255)), {minLength: 1, maxLength: 4});
  fc.assert(
    fc.property(fc.constantFrom(...files), changes, fc.constantFrom("bfloat16", "int4"), (file, edits, dtypeHint) => {
      const changed = new Uint8Array(file);
      for (const [offset, byte] of edits) changed[offset % changed.length] = byte;
      try {
        assert.ok(readNpy(changed, {dtypeHint}) instanceof Tensor);
      } catch (error) {
        assert.ok(error instanceof TensorError, `${error}`);
      }
    }),
    {numRuns: 5000},
  );
});

/** A version 1.0 file of this header, and then `zeros` and `data`. */
function npy(header: string, zeros = 0, data: Uint8Array = new Uint8Array()): Uint8Array {
  const text = Buffer.from(header, "latin1");
  const start = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, text.length & 0xff, text.length >>> 8);
  return new Uint8Array(Buffer.concat([start, text, new Uint8Array(zeros), data]));
}

function headerOf(file: Uint8Array): string {
  return Buffer.from(file.subarray(10, 10 + file[8]! + 256 * file[9]!)).toString("latin1");
}

function tensorBytes(tensor: Tensor, file: Uint8Array): number {
  return tensor.dtype === "string" ? file.length - 10 - headerOf(file).length : tensor.bytes.length;
}
