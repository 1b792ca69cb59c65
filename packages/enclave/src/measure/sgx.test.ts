/** SIGSTRUCT and MRENCLAVE against files made by Gramine's own signing code (fixtures/measure/README.md). */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";
import {TfTrustedError} from "@tf-trusted/core";
import fc from "fast-check";
import {checkGramineManifest, parseGramineManifest} from "./gramine-manifest.ts";
import {gramineVersions, measureGramineEnclave} from "./mrenclave.ts";
import {readSigstruct} from "./sigstruct.ts";

const fixture = (name: string) =>
  Uint8Array.from(readFileSync(new URL(`../../../../fixtures/measure/${name}`, import.meta.url)));
const expected = JSON.parse(Buffer.from(fixture("expected.json")).toString()) as {
  readonly mrEnclave: Readonly<Record<"fixed" | "edmm", string>>;
  readonly mrSigner: string;
};
const libpal = fixture("libpal-stand-in.so");

for (const name of ["fixed", "edmm"] as const) {
  test(`${name}: the SIGSTRUCT is genuine, and MRENCLAVE from the files is the one in it`, () => {
    const {mrEnclave, mrSigner, isvProdId, isvSvn, date} = readSigstruct(fixture(`${name}.sig`));
    assert.deepEqual([mrEnclave, mrSigner], [expected.mrEnclave[name], expected.mrSigner]);
    assert.deepEqual([isvProdId, isvSvn, date], [7, 3, "2026-11-24"]);
    for (const version of gramineVersions) {
      const measured = measureGramineEnclave({manifest: fixture(`${name}.manifest.sgx`), libpal, version});
      assert.equal(measured, mrEnclave);
    }
  });
}

test("a SIGSTRUCT for debugging is refused, though its signature is right", () => {
  assert.throws(() => readSigstruct(fixture("debug.sig")), {code: "SIGSTRUCT_DEBUG"});
});

test("any byte of a SIGSTRUCT that is changed is noticed", () => {
  const genuine = fixture("fixed.sig");
  const before = readSigstruct(genuine);
  for (let at = 0; at < genuine.length; at++) {
    const changed = Uint8Array.from(genuine);
    changed[at]! ^= 1 << (at % 8);
    assert.throws(
      () => readSigstruct(changed),
      (error: unknown) => error instanceof TfTrustedError && /^SIGSTRUCT_/.test(error.code),
      `byte ${at}`,
    );
  }
  for (const length of [0, 1, 1807, 1809]) {
    const bytes = new Uint8Array(length);
    bytes.set(genuine.subarray(0, length));
    assert.throws(() => readSigstruct(bytes), {code: "SIGSTRUCT_FORMAT"});
  }
  assert.deepEqual(readSigstruct(genuine), before);
});

test("every byte of the manifest and of the loader's segments counts", () => {
  const manifest = fixture("edmm.manifest.sgx");
  const measure = (m: Uint8Array, l: Uint8Array) => measureGramineEnclave({manifest: m, libpal: l, version: "1.9"});
  const text = Buffer.from(manifest).toString();
  const seen = new Set([measure(manifest, libpal)]);
  for (const other of [`${text}\n`, text.replace("bin/node", "bin/nodf"), text.replace("isvsvn = 3", "isvsvn = 4")]) {
    const measured = measure(Buffer.from(other), libpal);
    assert.ok(!seen.has(measured));
    seen.add(measured);
  }
  for (const at of [0x400, 0x1080, 0x1aa0, 0x1e40, 0x1e40 + 0x34f]) {
    const changed = Uint8Array.from(libpal);
    changed[at]! ^= 1;
    const measured = measure(manifest, changed);
    assert.ok(!seen.has(measured), `${at}`);
    seen.add(measured);
  }
});

test("hostile manifests and loaders give coded errors", () => {
  const manifest = fixture("edmm.manifest.sgx");
  fc.assert(
    fc.property(fc.nat(libpal.length - 1), fc.nat(255), fc.boolean(), (at, value, cut) => {
      const changed = Uint8Array.from(libpal);
      changed[at % 400] = value;
      const input = cut ? changed.subarray(0, at) : changed;
      try {
        measureGramineEnclave({manifest, libpal: input, version: "1.9"});
      } catch (error) {
        assert.ok(error instanceof TfTrustedError && /^GRAMINE_/.test(error.code), String(error));
      }
    }),
    {numRuns: 60},
  );
  fc.assert(
    fc.property(fc.nat(manifest.length - 1), fc.string({maxLength: 8}), (at, inserted) => {
      const text = Buffer.from(manifest).toString();
      try {
        checkGramineManifest(parseGramineManifest(text.slice(0, at) + inserted + text.slice(at + 1)));
      } catch (error) {
        assert.ok(error instanceof TfTrustedError && error.code === "GRAMINE_MANIFEST", String(error));
      }
    }),
    {numRuns: 500},
  );
});

test("sizes that can't be are refused", () => {
  const text = Buffer.from(fixture("fixed.manifest.sgx")).toString();
  for (const [size, threads] of [
    ["65M", 4],
    ["0", 4],
    ["1024G", 4],
    ["64K", 1],
    ["64M", 0],
    ["64M", 200],
    ["1e9", 1],
  ] as const) {
    const changed = text.replace('"64M"', `"${size}"`).replace("max_threads = 4", `max_threads = ${threads}`);
    const manifest = Buffer.from(changed);
    assert.throws(() => measureGramineEnclave({manifest, libpal, version: "1.9"}), {code: "GRAMINE_MANIFEST"}, size);
  }
});
