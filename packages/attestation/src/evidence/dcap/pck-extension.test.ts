import assert from "node:assert/strict";
import {test} from "node:test";
import {derBoolean, derEnumerated, derInteger, derOctetString, derOid, derSequence} from "../../der/writer.ts";
import type {Certificate} from "../../x509/certificate.ts";
import {readPckExtension, SGX_EXTENSION} from "./pck-extension.ts";

type Item = readonly [suffix: string, value: Uint8Array];
const svns = Array.from({length: 16}, (_, i) => i * 17);

const tcbItems: readonly Item[] = [
  ...svns.map((svn, i): Item => [`.2.${i + 1}`, derInteger(svn)]),
  [".2.17", derInteger(0x1234)],
  [".2.18", derOctetString(new Uint8Array(16).fill(1))],
];
const items: readonly Item[] = [
  [".1", derOctetString(new Uint8Array(16).fill(2))],
  [".2", list(tcbItems)],
  [".3", derOctetString(Uint8Array.of(0, 1))],
  [".4", derOctetString(new Uint8Array(6).fill(3))],
  [".5", derEnumerated(2)],
];
const platformItems: readonly Item[] = [
  [".6", derOctetString(new Uint8Array(16).fill(4))],
  [
    ".7",
    list([
      [".7.1", derBoolean(true)],
      [".7.3", derBoolean(false)],
    ]),
  ],
];

function list(of: readonly Item[]): Uint8Array {
  return derSequence(...of.map(([suffix, value]) => derSequence(derOid(SGX_EXTENSION + suffix), value)));
}

function read(value: Uint8Array) {
  const certificate = {subject: {commonName: "t"}, extensions: new Map([[SGX_EXTENSION, value]])};
  return readPckExtension(certificate as unknown as Certificate);
}

function replaced(suffix: string, value: Uint8Array): Uint8Array {
  return list(items.map((item) => (item[0] === suffix ? [suffix, value] : item)));
}

function withTcb(change: (tcb: readonly Item[]) => readonly Item[]): Uint8Array {
  return replaced(".2", list(change(tcbItems)));
}

test("the extension under the Processor CA, and in any order", () => {
  for (const value of [list(items), list(items.toReversed()), withTcb((tcb) => tcb.toReversed())]) {
    const extension = read(value);
    assert.deepEqual(extension.components, svns);
    assert.deepEqual(
      [extension.pceSvn, extension.sgxType, extension.platformInstanceId],
      [0x1234, "scalable with integrity", null],
    );
    assert.deepEqual(
      [extension.pceId, extension.fmspc[0], extension.ppid[0], extension.cpuSvn[0]],
      [Uint8Array.of(0, 1), 3, 2, 1],
    );
    assert.deepEqual(extension.configuration, {dynamicPlatform: null, cachedKeys: null, smtEnabled: null});
  }
});

test("the extension under the Platform CA; its configuration may be partly absent", () => {
  const extension = read(list([...items, ...platformItems]));
  assert.deepEqual(extension.platformInstanceId, new Uint8Array(16).fill(4));
  assert.deepEqual(extension.configuration, {dynamicPlatform: true, cachedKeys: null, smtEnabled: false});
});

const refused: Readonly<Record<string, Uint8Array>> = {
  "no FMSPC": list(items.filter(([suffix]) => suffix !== ".4")),
  "FMSPC twice": list([...items, items[3]!]),
  "FMSPC of 5 bytes": replaced(".4", derOctetString(new Uint8Array(5))),
  "PCEID as a number": replaced(".3", derInteger(1)),
  "unknown SGX type": replaced(".5", derEnumerated(3)),
  "15 components": withTcb((tcb) => tcb.slice(1)),
  "component twice": withTcb((tcb) => [...tcb, tcb[0]!]),
  "component of 256": withTcb((tcb) => tcb.with(0, [".2.1", derInteger(256)])),
  "negative component": withTcb((tcb) => tcb.with(0, [".2.1", Uint8Array.of(2, 1, 0xff)])),
  "PCESVN above 16 bits": withTcb((tcb) => tcb.with(16, [".2.17", derInteger(0x10000)])),
  "two values in an item": replaced(".4", Uint8Array.from([...derOctetString(new Uint8Array(6)), 5, 0])),
  "bytes after the list": Uint8Array.from([...list(items), 0]),
  "another type": derOctetString(list(items)),
  "flag that is no BOOLEAN": list([...items, [".7", list([[".7.1", derInteger(1)]])]]),
};

test("malformed extensions are refused", async (context) => {
  for (const [name, value] of Object.entries(refused)) {
    await context.test(name, () => assert.throws(() => read(value), {code: "PCK_EXTENSION"}));
  }
  const none = {subject: {commonName: "t"}, extensions: new Map()} as unknown as Certificate;
  assert.throws(() => readPckExtension(none), {code: "PCK_EXTENSION", message: /"t" without the SGX extension/});
});
