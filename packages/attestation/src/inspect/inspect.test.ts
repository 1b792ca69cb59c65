import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {before, test} from "node:test";
import {fileURLToPath} from "node:url";
import fc from "fast-check";
import {detectEvidence, type Inspection, identityOfEvidence, inspectEvidence, parsePolicy} from "../index.ts";
import {readVectorCases, vectorReader, vectorsFolder} from "../testing/corpus.ts";
import {forge, makeWorld} from "../testing/forge.ts";

const fixtures = fileURLToPath(new URL("../../../../fixtures/", import.meta.url));
const nitro: Uint8Array = new Uint8Array(readFileSync(`${fixtures}nitro/document.bin`));
const snp: Uint8Array = new Uint8Array(readFileSync(`${fixtures}snp/report.bin`));
let sgx: Uint8Array;
before(async () => {
  sgx = (await forge(await makeWorld(), {})).evidence.quote;
});

const fieldOf = ({sections}: Inspection, section: RegExp, name: string) => {
  const found = sections.filter(({title}) => section.test(title)).flatMap(({fields}) => fields);
  return found.find((item) => item.name === name) ?? assert.fail(`no ${name} in ${section}`);
};

test("evidence is told by its first bytes, raw, as hexadecimal and as base64 text", () => {
  for (const [tee, bytes] of [
    ["sgx", sgx],
    ["snp", snp],
    ["nitro", nitro],
  ] as const) {
    for (const encoding of ["hex", "base64"] as const) {
      const text = Buffer.from(bytes).toString(encoding).replace(/.{76}/g, "$&\r\n");
      assert.deepEqual(detectEvidence(new TextEncoder().encode(`${text}\n`)), {tee, bytes: Uint8Array.from(bytes)});
    }
    assert.equal(detectEvidence(bytes).tee, tee);
  }
  for (const other of ["", "{}", "not evidence", "abcd", "0x", "\0\0\0\0"]) {
    assert.throws(() => detectEvidence(new TextEncoder().encode(other)), {code: "EVIDENCE_KIND"}, other);
  }
});

test("an SGX quote: every byte is in a field, up to the certificates", async () => {
  const inspection = await inspectEvidence(detectEvidence(sgx));
  assert.deepEqual([inspection.title, inspection.problem, inspection.size], ["SGX quote, version 3", null, sgx.length]);
  assert.equal(fieldOf(inspection, /^Quote header/, "qeVendorId").meaning, "Intel");
  assert.match(fieldOf(inspection, /^Enclave report/, "attributes").meaning!, /^INIT, MODE64BIT; XFRM: x87, SSE/);
  const {offset, hex} = fieldOf(inspection, /^Enclave report/, "mrEnclave");
  assert.deepEqual([offset, hex], [112, Buffer.from(sgx.subarray(112, 144)).toString("hex")]);
  assert.match(fieldOf(inspection, /^Certificate 1/, "FMSPC").meaning!, /^[0-9a-f]{12}$/);
  assert.match(fieldOf(inspection, /^Certificate 3/, "authority").meaning!, /^yes/);
  const shown = inspection.sections.flatMap(({fields}) => fields).filter(({offset}) => offset !== null);
  const covered = new Set(shown.flatMap(({offset, size}) => Array.from({length: size!}, (_, i) => offset! + i)));
  // Then come the authentication data, which are told with their length, and the certificates.
  for (let at = 0; at < 1012; at++) assert.ok(covered.has(at), `byte ${at}`);
});

test("an SNP report: TCB by component, policy by bit", async () => {
  const inspection = await inspectEvidence(detectEvidence(snp));
  assert.equal(inspection.problem, null);
  assert.equal(fieldOf(inspection, /report/, "reportedTcb").meaning, "bl 4, tee 0, snp 24, ucode 219");
  assert.equal(fieldOf(inspection, /report/, "policy").meaning, "ABI 0.0 at least; SMT, reserved (always set)");
  assert.equal(fieldOf(inspection, /report/, "cpuid").meaning, "family 0x19, model 0x1, stepping 1: Milan");
  const sizes = inspection.sections[0]!.fields.map(({size}) => size!);
  assert.equal(
    sizes.reduce((sum, size) => sum + size),
    1184,
  );
});

test("a Nitro document: members, PCRs, certificates", async () => {
  const inspection = await inspectEvidence(detectEvidence(nitro));
  assert.equal(inspection.problem, null);
  assert.equal(fieldOf(inspection, /^Attestation/, "timestamp").meaning, "1772323190000: 2026-02-28T23:59:50.000Z");
  assert.deepEqual(fieldOf(inspection, /^PCRs/, "PCR0").hex, "10".repeat(48));
  assert.equal(fieldOf(inspection, /^Bundle 1/, "public key").meaning, "ECDSA P-384");
});

test("broken evidence is shown up to where it breaks", async () => {
  const inspection = await inspectEvidence({tee: "sgx", bytes: sgx.subarray(0, 600)});
  assert.ok(inspection.sections.some(({title}) => title === "Enclave report"));
  assert.equal(inspection.problem?.code, "BYTES_TRUNCATED");
  for (const [tee, bytes] of [
    ["sgx", sgx],
    ["tdx", sgx],
    ["snp", snp],
    ["nitro", nitro],
  ] as const) {
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length), fc.nat(bytes.length - 1), fc.nat(255), async (length, at, byte) => {
        const copy = bytes.slice(0, length);
        if (at < length) copy[at] = byte;
        assert.equal((await inspectEvidence({tee, bytes: copy})).tee, tee);
      }),
      {numRuns: 50},
    );
  }
});

test("every piece of evidence of the vectors is detected, and the genuine are whole", {
  skip: "skip" in vectorsFolder ? vectorsFolder.skip : false,
}, async () => {
  const folder = "path" in vectorsFolder ? vectorsFolder.path : "";
  const read = vectorReader(folder);
  for (const vector of readVectorCases(folder).filter(({expect}) => expect.verdict === "accept")) {
    if (vector.patch?.some(({file}) => file === "evidence")) continue;
    const detected = detectEvidence(read(vector.files.evidence!));
    assert.equal(detected.tee, vector.tee, vector.id);
    assert.equal((await inspectEvidence(detected)).problem, null, vector.id);
    // A debug document has measured nothing that a policy could name.
    if (vector.tee === "nitro" && vector.policy.allowDebug === true) continue;
    const product = vector.policy.product as "Milan" | undefined;
    const policy = parsePolicy({version: 1, identities: [identityOfEvidence(detected.tee, detected.bytes, product)]});
    assert.equal(policy.identities[0]!.tee, vector.tee);
  }
});

test("an identity of evidence accepts its program, and says where it can't tell", () => {
  const identity = identityOfEvidence("nitro", nitro);
  assert.deepEqual(Object.keys(identity.tee === "nitro" ? identity.pcrs : {}), ["0", "1", "2"]);
  const unknown = snp.slice();
  unknown.fill(0, 0x188, 0x18b);
  assert.throws(() => identityOfEvidence("snp", unknown), {code: "SNP_PRODUCT_MISMATCH"});
  const told = identityOfEvidence("snp", unknown, "Genoa");
  assert.deepEqual([told.tee === "snp" && told.product, told.root], ["Genoa", "amd-genoa"]);
});
