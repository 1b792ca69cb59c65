/** RA-TLS certificates: three real ones, ours, and forged ones with one fault each. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {concatBytes, encodeHex, sha256} from "@tf-trusted/core";
import {cborBytes, cborHead, cborMap, cborText} from "../cbor/writer.ts";
import {
  createSimulatedMachine,
  encodeRaTlsEvidence,
  parsePolicy,
  parseSgxQuote,
  raTlsClaims,
  raTlsEvidence,
  raTlsOids,
  readRaTlsCertificate,
  type SgxCollateral,
  verifyEvidence,
} from "../index.ts";
import {encodeCertificate} from "../simulated/certificates.ts";
import {generateSigningKey, type SigningKey} from "../simulated/keys.ts";
import {vectorsFolder} from "../testing/corpus.ts";
import {parsePem} from "../x509/pem.ts";

const now = () => new Date("2026-03-01T00:00:00Z");
const key = await generateSigningKey();
const other = await generateSigningKey();

type Extension = readonly [oid: string, value: Uint8Array];

async function certificate(extensions: readonly Extension[], issuerKey: SigningKey = key): Promise<Uint8Array> {
  return encodeCertificate({
    subject: "test",
    issuer: "test",
    publicKey: key.publicKey,
    issuerKey,
    validity: {notBefore: new Date(0), notAfter: new Date(1)},
    extensions: extensions.map(([oid, value]) => [oid, value, false]),
  });
}

const {claims, reportData} = await raTlsClaims(key.publicKey.spki);
const quote = Uint8Array.of(1, 2, 3);
const good: Extension = [raTlsOids.tagged, encodeRaTlsEvidence(quote, claims)];
const legacy: Extension = [raTlsOids.gramine, quote];

test("our form and Gramine's, each with the report data that its quote has to carry", async () => {
  const tagged = await readRaTlsCertificate(await certificate([good]));
  assert.deepEqual(tagged, {form: "tagged", spki: key.publicKey.spki, quote, reportData, nonce: null});
  const gramine = await readRaTlsCertificate(await certificate([legacy]));
  assert.equal(gramine.form, "gramine");
  const digest = await sha256(key.publicKey.spki);
  assert.deepEqual(gramine.reportData, concatBytes(digest, new Uint8Array(32)));
  assert.equal((await readRaTlsCertificate(await certificate([legacy, good]))).form, "tagged");
});

test("certificates of simulated machines: verified with collateral, bound to their key and to no other", async () => {
  for (const tee of ["sgx", "tdx"] as const) {
    const machine = await createSimulatedMachine(tee, {now});
    const measurement = new Uint8Array(32).fill(1);
    const evidence = await machine.attest({measurement, reportData});
    assert.ok("quote" in evidence);
    const policy = parsePolicy({version: 1, identities: [await machine.identity([encodeHex(measurement)])]});
    const options = {policy, now: now()};
    const verify = async (carried: Uint8Array) => {
      const read = await readRaTlsCertificate(
        await certificate([[raTlsOids.tagged, encodeRaTlsEvidence(evidence.quote, carried)]]),
      );
      const again = raTlsEvidence(read, evidence.collateral as SgxCollateral);
      return verifyEvidence(again, {...options, expectedReportData: read.reportData});
    };
    const report = await verify(claims);
    assert.deepEqual([report.verdict, report.code, report.bound], ["trusted", null, true]);
    // The same claims with a nonce beside them: the key's hash is right, the quote is about other bytes.
    const more = cborMap([
      [cborText("pubkey-hash"), cborBytes(concatBytes(cborHead(4, 2), cborHead(0, 1), cborBytes(await sha256(key.publicKey.spki))))],
      [cborText("nonce"), cborBytes(quote)],
    ]);
    assert.equal((await verify(more)).code, "REPORT_DATA");
  }
});

test("forged certificates are refused, each for its fault", async () => {
  const keyHash = async (algorithm: number, digest: Uint8Array) =>
    cborMap([
      [cborText("pubkey-hash"), cborBytes(concatBytes(cborHead(4, 2), cborHead(0, algorithm), cborBytes(digest)))],
    ]);
  const tagged = (value: Uint8Array): Extension => [raTlsOids.tagged, value];
  const ofOther = (await raTlsClaims(other.publicKey.spki)).claims;
  const rightDigest = await sha256(key.publicKey.spki);
  const faults: Readonly<Record<string, Uint8Array>> = {
    "no evidence": await certificate([]),
    "signed by another key": await certificate([good], other),
    "claims about another key": await certificate([tagged(encodeRaTlsEvidence(quote, ofOther))]),
    "bad tagged evidence beside a good quote of the older form": await certificate([tagged(quote), legacy]),
    "another tag": await certificate([
      tagged(concatBytes(cborHead(6, 60001), cborHead(4, 2), cborBytes(quote), cborBytes(claims))),
    ]),
    "three parts": await certificate([
      tagged(concatBytes(cborHead(6, 60000), cborHead(4, 3), cborBytes(quote), cborBytes(claims), cborBytes(quote))),
    ]),
    "a quote that is text": await certificate([
      tagged(concatBytes(cborHead(6, 60000), cborHead(4, 2), cborText("x"), cborBytes(claims))),
    ]),
    "bytes after the evidence": await certificate([tagged(concatBytes(good[1], Uint8Array.of(0)))]),
    "claims without a key": await certificate([tagged(encodeRaTlsEvidence(quote, cborMap([])))]),
    "claims that are no map": await certificate([tagged(encodeRaTlsEvidence(quote, cborBytes(claims)))]),
    "an unknown hash": await certificate([tagged(encodeRaTlsEvidence(quote, await keyHash(2, rightDigest)))]),
    "a digest cut short": await certificate([
      tagged(encodeRaTlsEvidence(quote, await keyHash(1, rightDigest.subarray(0, 16)))),
    ]),
    "an empty digest": await certificate([tagged(encodeRaTlsEvidence(quote, await keyHash(1, new Uint8Array(0))))]),
    "no certificate": new Uint8Array(0),
    "too large": new Uint8Array(70_000),
    "bytes after the certificate": concatBytes(await certificate([good]), Uint8Array.of(0)),
  };
  for (const [name, der] of Object.entries(faults)) {
    await assert.rejects(readRaTlsCertificate(der), {code: "RATLS_INVALID"}, name);
  }
  const whole = await certificate([good]);
  for (let at = 0; at < whole.length; at++) {
    const mutant = whole.map((byte, i) => (i === at ? byte ^ 1 : byte));
    await assert.rejects(readRaTlsCertificate(mutant), {code: "RATLS_INVALID"}, `bit 0 of byte ${at}`);
    await assert.rejects(readRaTlsCertificate(whole.subarray(0, at)), {code: "RATLS_INVALID"}, `cut at ${at}`);
  }
});

interface Vector {
  readonly id: string;
  readonly file: string;
  readonly expect: {
    readonly nonce: string | null;
    readonly quoteVersion: number;
    readonly quoteClaims: Readonly<Record<"mrEnclave" | "mrSigner" | "reportData", string>>;
    readonly legacyReportDataIsSha256Of?: readonly string[];
  };
}

test("three real certificates: Gramine, Intel's SGX SDK, rats-tls", async (context) => {
  if ("skip" in vectorsFolder) return context.skip(vectorsFolder.skip);
  const {path} = vectorsFolder;
  const {cases} = JSON.parse(readFileSync(join(path, "ratls.json"), "utf8")) as {readonly cases: readonly Vector[]};
  assert.equal(cases.length, 3);
  for (const {id, file, expect} of cases) {
    const [der] = parsePem(Uint8Array.from(readFileSync(join(path, file))));
    const read = await readRaTlsCertificate(der!);
    const parsed = parseSgxQuote(read.quote);
    assert.deepEqual(
      [read.form, read.nonce, parsed.header.version, encodeHex(parsed.report.mrEnclave), encodeHex(parsed.report.mrSigner)],
      ["tagged", expect.nonce, expect.quoteVersion, expect.quoteClaims.mrEnclave, expect.quoteClaims.mrSigner],
      id,
    );
    // The quote is about the very claims that name the key: the binding.
    assert.equal(encodeHex(parsed.report.reportData), expect.quoteClaims.reportData, id);
    assert.deepEqual(read.reportData, Uint8Array.from(parsed.report.reportData), id);
    for (const at of [100, Math.floor(der!.length / 2), der!.length - 200]) {
      const mutant = der!.map((byte, i) => (i === at ? byte ^ 1 : byte));
      await assert.rejects(readRaTlsCertificate(mutant), {code: "RATLS_INVALID"}, id);
    }
  }
});
