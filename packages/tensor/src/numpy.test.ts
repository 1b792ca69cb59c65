/** NumPy reads what we write; and we read every .npz of the shared corpus of models. */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {type TestContext, test} from "node:test";
import {fileURLToPath} from "node:url";
import fc from "fast-check";
import {type DType, dtypes} from "./dtype.ts";
import {writeNpy} from "./npy.ts";
import {readNpz, writeNpz} from "./npz.ts";
import {Tensor} from "./tensor.ts";
import {anyTensor} from "./testing/arbitraries.ts";

const corpus = process.env.TF_TRUSTED_CORPUS ?? fileURLToPath(new URL("../../../../shared", import.meta.url));

/** Prints, for each array, its dtype, shape and little-endian row-major bytes in hexadecimal. */
const describeArrays = `
import sys, json, numpy as np
assert [np.load(p, allow_pickle=False).shape for p in sys.argv[2:]] == [(2, 2)] * len(sys.argv[2:])
with np.load(sys.argv[1], allow_pickle=False) as arrays:
    print(json.dumps([[k, a.dtype.str, a.shape, a.tobytes().hex()] for k, a in arrays.items()]))
`;

/** How NumPy calls our dtypes in files. */
const typeStrings: Readonly<Partial<Record<DType, string>>> = {
  bfloat16: "|V2",
  int4: "|V1",
  bool: "|b1",
  int8: "|i1",
  uint8: "|u1",
  float16: "<f2",
  complex64: "<c8",
  complex128: "<c16",
};

test("NumPy reads what we write", (context) => {
  const python = findNumPy(context);
  if (python === undefined) return;
  const folder = mkdtempSync(join(tmpdir(), "tensor-"));
  try {
    const tensors = fc.sample(anyTensor(), {numRuns: 200, seed: 8}).filter(({dtype}) => dtype !== "string");
    const npz = join(folder, "all.npz");
    writeFileSync(
      npz,
      writeNpz(
        tensors.map((tensor, i) => [`é${i}`, tensor] as const),
        {compress: true},
      ),
    );
    const single = join(folder, "one.npy");
    writeFileSync(
      single,
      writeNpy(
        Tensor.from([
          ["a", "é"],
          ["", "long"],
        ]),
        {strings: "U"},
      ),
    );
    const {stdout, stderr, status} = spawnSync(python, ["-c", describeArrays, npz, single], {encoding: "utf8"});
    assert.equal(status, 0, stderr);
    const wanted = tensors.map(({dtype, shape, bytes}, i) => {
      const type = typeStrings[dtype] ?? `<${dtypes[dtype].kind[0]}${dtypes[dtype].bytes}`;
      const stored = dtype === "int4" ? bytes.map((byte) => byte & 15) : bytes;
      return [`é${i}`, type, shape, Buffer.from(stored).toString("hex")];
    });
    assert.deepEqual(JSON.parse(stdout), wanted);
  } finally {
    rmSync(folder, {recursive: true});
  }
});

test("every .npz of the corpus of operators loads, and is the same when written and read again", (context) => {
  const folder = join(corpus, "models", "ops");
  if (!existsSync(folder)) return context.skip(`no corpus at ${folder} (set TF_TRUSTED_CORPUS)`);
  const files = readdirSync(folder).filter((name) => name.endsWith(".npz"));
  assert.ok(files.length > 0);
  for (const file of files) {
    const tensors = readNpz(readFileSync(join(folder, file)));
    const again = readNpz(writeNpz(tensors));
    for (const [name, tensor] of tensors) assert.ok(again.get(name)!.equals(tensor), `${file}: ${name}`);
  }
  context.diagnostic(`${files.length} files`);
});

/** A Python that has NumPy, or skips the test. */
function findNumPy(context: TestContext): string | undefined {
  const found = spawnSync("python3", ["-c", "import numpy"], {encoding: "utf8"});
  if (found.status === 0) return "python3";
  context.skip(`no python3 with numpy on PATH: ${found.error?.message ?? found.stderr.trim().split("\n").at(-1)}`);
  return undefined;
}
