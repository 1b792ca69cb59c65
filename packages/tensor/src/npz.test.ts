import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {deflateSync, inflateSync, zipSync} from "fflate";
import {TensorError} from "./errors.ts";
import {writeNpy} from "./npy.ts";
import {readNpz, writeNpz} from "./npz.ts";
import {Tensor} from "./tensor.ts";
import {anyTensor} from "./testing/arbitraries.ts";
import {golden, goldenTensor, readFixture} from "./testing/golden.ts";
import {throwsCode} from "./testing/throws-code.ts";

for (const {file, members} of golden.npz) {
  test(`NumPy's ${file} is read, in its order`, () => {
    const found = readNpz(readFixture(`npz/${file}`));
    assert.deepEqual(
      [...found.keys()],
      members.map((member) => member.file),
    );
    for (const member of members) assert.ok(found.get(member.file)!.equals(goldenTensor(member)), member.file);
  });
}

const pair = [
  ["b", Tensor.from([1, 2])],
  ["a", Tensor.from(["x"])],
] as const;

test("written archives: order, names, determinism, compression", () => {
  const zeros = new Map([
    ["10", Tensor.from(new Float32Array(10_000))],
    ["2", Tensor.from(1)],
    ["", Tensor.from(2)],
  ]);
  for (const compress of [false, true]) {
    const file = writeNpz(zeros, {compress});
    assert.deepEqual([...readNpz(file).keys()], ["10", "2", ""]);
    assert.deepEqual(file, writeNpz(zeros, {compress}));
    assert.equal(file.length < 2000, compress);
  }
  assert.deepEqual([...readNpz(writeNpz([])).keys()], []);
  assert.deepEqual([...readNpz(writeNpz([["__proto__", Tensor.from(1)]])).keys()], ["__proto__"]);
});

test("hints are by name", () => {
  const file = writeNpz([["x", Tensor.from([1, 2], {dtype: "bfloat16"})]]);
  throwsCode("NPY_VOID", () => readNpz(file));
  assert.equal(readNpz(file, {dtypeHints: {x: "bfloat16"}}).get("x")!.dtype, "bfloat16");
});

test("names that an archive can't have", () => {
  throwsCode("NPZ_NAME", () => writeNpz([...pair, ...pair]));
  throwsCode("NPZ_NAME", () => writeNpz([["\ud800", Tensor.from(1)]]));
  throwsCode("NPZ_NAME", () => writeNpz([["x".repeat(65_536), Tensor.from(1)]]));
  throwsCode("NPZ_NAME", () => readNpz(zipSync({"readme.txt": new Uint8Array(1)})));
  throwsCode("NPZ_NAME", () => readNpz(zipSync({folder: {}})));
});

test("more members than ZIP counts without ZIP64", () => {
  const one = Tensor.from(1);
  throwsCode("NPZ_TOO_LARGE", () => writeNpz(Array.from({length: 65_535}, (_, i) => [`${i}`, one] as const)));
});

test("maxBytes counts the members after decompression", () => {
  const file = writeNpz([["x", Tensor.from(new Float32Array(1000))]], {compress: true});
  throwsCode("NPZ_TOO_LARGE", () => readNpz(file, {maxBytes: 4127}));
  assert.equal(readNpz(file, {maxBytes: 4128}).size, 1);
});

test("errors of members name the member", () => {
  const file = zipSync({"bad.npy": new Uint8Array(100)});
  assert.match(throwsCode("NPY_MAGIC", () => readNpz(file)).message, /bad\.npy/);
});

test("what isn't an archive, or not whole", () => {
  throwsCode("NPZ_NOT_ZIP", () => readNpz(new Uint8Array()));
  throwsCode("NPZ_NOT_ZIP", () => readNpz(readFixture("npy/int16.npy")));
  const file = readFixture("npz/stored.npz");
  for (let length = 0; length < file.length; length += 7) {
    throwsCode("NPZ_NOT_ZIP", () => readNpz(file.subarray(0, length)));
  }
  throwsCode("NPZ_NOT_ZIP", () => readNpz(Buffer.concat([file, Buffer.of(0)])));
  throwsCode("NPZ_CORRUPT", () => readNpz(Buffer.concat([Buffer.of(0), file])));
});

/**
 * An archive of one or two members by hand, so that each field can lie. Offsets of fields: APPNOTE.TXT §4.3.7 (local
 * header), §4.3.12 (central directory), §4.3.16 (end record).
 */
function forge(
  change: (file: DataView, central: number, end: number) => void,
  compress = false,
  members = pair.length,
): Uint8Array {
  const file = writeNpz(pair.slice(0, members), {compress});
  const view = new DataView(file.buffer);
  const end = file.length - 22;
  change(view, view.getUint32(end + 16, true), end);
  return file;
}

const forgeries: Readonly<Record<string, readonly [string, Uint8Array, RegExp?]>> = {
  "a changed byte of data": ["NPZ_CRC", forge((file, central) => file.setUint8(central - 1, 9))],
  "a changed checksum": ["NPZ_CRC", forge((file, central) => file.setUint32(central + 16, 9, true))],
  "a changed checksum of compressed data": [
    "NPZ_CRC",
    forge((file, central) => file.setUint32(central + 16, 9, true), true),
  ],
  "two names the same": ["NPZ_NAME", forge((file, central) => file.setUint8(central + 46, 0x61))],
  "a name not ASCII and not flagged UTF-8": ["NPZ_NAME", forge((file, central) => file.setUint8(central + 46, 0xe9))],
  "a name flagged, but not UTF-8": [
    "NPZ_NAME",
    forge((file, central) => {
      file.setUint16(central + 8, 1 << 11, true);
      file.setUint8(central + 46, 0xe9);
    }),
  ],
  "another name in the local header": ["NPZ_CORRUPT", forge((file) => file.setUint8(30, 0x63))],
  "another method in the local header": ["NPZ_CORRUPT", forge((file) => file.setUint16(8, 8, true))],
  "no signature in the local header": ["NPZ_CORRUPT", forge((file) => file.setUint8(0, 0))],
  "no signature in the directory": ["NPZ_CORRUPT", forge((file, central) => file.setUint8(central, 0))],
  encryption: ["NPZ_UNSUPPORTED", forge((file, central) => file.setUint16(central + 8, 1, true))],
  bzip2: ["NPZ_UNSUPPORTED", forge((file, central) => file.setUint16(central + 10, 12, true))],
  "ZIP64 sizes": ["NPZ_UNSUPPORTED", forge((file, central) => file.setUint32(central + 24, 0xffffffff, true))],
  "ZIP64 offsets": ["NPZ_UNSUPPORTED", forge((file, central) => file.setUint32(central + 42, 0xffffffff, true))],
  "ZIP64 counts": ["NPZ_UNSUPPORTED", forge((file, _, end) => file.setUint16(end + 10, 0xffff, true))],
  "ZIP64 directory": ["NPZ_UNSUPPORTED", forge((file, _, end) => file.setUint32(end + 16, 0xffffffff, true))],
  "several disks": ["NPZ_UNSUPPORTED", forge((file, _, end) => file.setUint16(end + 4, 1, true))],
  "a member on another disk": ["NPZ_UNSUPPORTED", forge((file, central) => file.setUint16(central + 34, 1, true))],
  "a size that isn't the stored one": ["NPZ_CORRUPT", forge((file, central) => file.setUint32(central + 24, 9, true))],
  "a member beyond the end": ["NPZ_CORRUPT", forge((file, central) => file.setUint32(central + 42, 0xfffffffe, true))],
  "a directory elsewhere": ["NPZ_CORRUPT", forge((file, central, end) => file.setUint32(end + 16, central - 1, true))],
  "a directory of another size": ["NPZ_CORRUPT", forge((file, _, end) => file.setUint32(end + 12, 1, true))],
  "more members than there are": [
    "NPZ_CORRUPT",
    forge((file, _, end) => {
      file.setUint16(end + 8, 3, true);
      file.setUint16(end + 10, 3, true);
    }),
  ],
  "fewer members than there are": [
    "NPZ_CORRUPT",
    forge((file, _, end) => {
      file.setUint16(end + 8, 1, true);
      file.setUint16(end + 10, 1, true);
    }),
  ],
  "compressed data that isn't deflate": [
    "NPZ_CORRUPT",
    forge((file) => file.setUint8(35, 0xff), true),
    /"b\.npy" can't be decompressed/,
  ],
  "a smaller size than the data has": [
    "NPZ_CORRUPT",
    forge((file, central) => file.setUint32(central + 24, 100, true), true),
    /larger than the 100 bytes it claims/,
  ],
  "a larger size than the data has": [
    "NPZ_CORRUPT",
    forge((file, central) => file.setUint32(central + 24, 200, true), true),
    /gives 136 bytes, not the 200 it claims/,
  ],
  "a size that deflate can't reach": [
    "NPZ_TOO_LARGE",
    forge((file, central) => file.setUint32(central + 24, 2 ** 20, true), true),
  ],
  "sizes above the limit": [
    "NPZ_TOO_LARGE",
    forge((file, central) => {
      file.setUint32(central + 20, 2 ** 31, true);
      file.setUint32(central + 24, 2 ** 31, true);
    }),
  ],
};
for (const [name, [code, file, message = /./]] of Object.entries(forgeries)) {
  test(`forged: ${name}: ${code}`, () => {
    assert.match(throwsCode(code, () => readNpz(file)).message, message);
  });
}

test("forged: a name in UTF-8 that isn't flagged as such could be in any old code page", () => {
  const file = writeNpz([["é", Tensor.from(1)]]);
  const view = new DataView(file.buffer);
  const central = view.getUint32(file.length - 6, true);
  assert.equal(view.getUint16(central + 8, true), 1 << 11);
  view.setUint16(central + 8, 0, true);
  throwsCode("NPZ_NAME", () => readNpz(file));
});

test("forged: members that share their bytes, as in zip bombs", () => {
  const file = forge((view, central) => {
    // The first member's data grows over the second member.
    view.setUint32(central + 20, central - 35, true);
    view.setUint32(central + 24, central - 35, true);
  });
  assert.match(throwsCode("NPZ_CORRUPT", () => readNpz(file)).message, /overlaps/);
});

test("forged: a bomb that claims to be small is given up soon", () => {
  // 256 MB of zeros in 256 KB, of which the directory admits 200 bytes.
  const bomb = deflateSync(new Uint8Array(2 ** 28), {level: 9});
  const name = Buffer.from("x.npy");
  const file = Buffer.alloc(30 + 5 + bomb.length + 46 + 5 + 22);
  file.writeUInt32LE(0x04034b50, 0);
  file.writeUInt16LE(8, 8);
  file.writeUInt16LE(5, 26);
  file.set([...name], 30);
  file.set(bomb, 35);
  const central = 35 + bomb.length;
  file.writeUInt32LE(0x02014b50, central);
  file.writeUInt16LE(8, central + 10);
  file.writeUInt32LE(bomb.length, central + 20);
  file.writeUInt32LE(200, central + 24);
  file.writeUInt16LE(5, central + 28);
  file.set([...name], central + 46);
  const end = central + 51;
  file.writeUInt32LE(0x06054b50, end);
  file.set([1, 0, 1, 0], end + 8);
  file.writeUInt32LE(51, end + 12);
  file.writeUInt32LE(central, end + 16);
  const refusing = timeOf(() => throwsCode("NPZ_CORRUPT", () => readNpz(file)));
  const inflating = timeOf(() => inflateSync(bomb));
  assert.ok(refusing < inflating / 4, `${refusing} ms, and ${inflating} ms to inflate all of it`);
});

test("a comment at the end, even one that looks like an end record", () => {
  const file = Buffer.from(writeNpz(pair));
  const comment = Buffer.from("PK\x05\x06 and more than twenty bytes of text");
  file.writeUInt16LE(comment.length, file.length - 2);
  assert.equal(readNpz(Buffer.concat([file, comment])).size, 2);
});

test("traversing names are only names", () => {
  const file = zipSync({"../../etc/passwd.npy": writeNpy(Tensor.from(1))});
  assert.deepEqual([...readNpz(file).keys()], ["../../etc/passwd"]);
});

test("property: all tensors come back, stored and deflated", () => {
  const named = fc.dictionary(fc.string({unit: "grapheme"}), anyTensor(), {maxKeys: 4, noNullPrototype: true});
  fc.assert(
    fc.property(named, fc.boolean(), (tensors, compress) => {
      const entries = Object.entries(tensors).filter(
        ([, {dtype, bytes}]) => dtype !== "string" || bytes.length === 0 || bytes.at(-1) !== 0,
      );
      fc.pre(
        entries.every(
          ([, tensor]) => tensor.dtype !== "string" || tensor.stringBytes().every((item) => item.at(-1) !== 0),
        ),
      );
      const dtypeHints = Object.fromEntries(entries.map(([name, {dtype}]) => [name, dtype]));
      const found = [...readNpz(writeNpz(entries, {compress}), {dtypeHints})];
      assert.deepEqual(
        found.map(([name]) => name),
        entries.map(([name]) => name),
      );
      assert.ok(found.every(([, tensor], i) => tensor.equals(entries[i]![1])));
    }),
  );
});

test("property: changed bytes give tensors or a coded error", () => {
  const files = golden.npz.map(({file}) => readFixture(`npz/${file}`));
  const changes = fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), {minLength: 1, maxLength: 4});
  fc.assert(
    fc.property(fc.constantFrom(...files), changes, (file, edits) => {
      const changed = new Uint8Array(file);
      for (const [offset, byte] of edits) changed[offset % changed.length] = byte;
      try {
        assert.ok(readNpz(changed) instanceof Map);
      } catch (error) {
        assert.ok(error instanceof TensorError, `${error}`);
      }
    }),
    {numRuns: 3000},
  );
});

function timeOf(action: () => unknown): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}
