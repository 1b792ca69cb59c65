import assert from "node:assert/strict";
import {createHash, X509Certificate} from "node:crypto";
import {test} from "node:test";
import {attestationCodes, parsePolicy, vendorRoots} from "./index.ts";
import {readVectorCases, vectorReader, vectorsFolder} from "./testing/corpus.ts";
import {vectorFlaws, verifyVector} from "./testing/vector-case.ts";

const skip = "skip" in vectorsFolder ? vectorsFolder.skip : false;
const folder = "path" in vectorsFolder ? vectorsFolder.path : "";

/** Refused for another reason than the index's, which comes first here. */
const refusedBefore: Readonly<Record<string, string>> = {
  // Its TCB info holds SVNs of more than a byte, which the format doesn't have; its module is never looked at.
  "r-tdx4-intel-sample": "TCB_INFO_FORMAT",
};

for (const tee of ["sgx", "tdx", "snp", "nitro"]) {
  test(`attestation vectors: ${tee}`, {skip}, async (context) => {
    const cases = readVectorCases(folder).filter((vector) => vector.tee === tee);
    const read = vectorReader(folder);
    let passed = 0;
    for (const vector of cases) {
      await context.test(vector.id, async () => {
        const report = await verifyVector(vector, read);
        const reason = refusedBefore[vector.id];
        if (reason !== undefined) assert.equal(report.code, reason);
        const expected = reason === undefined ? vector : {...vector, expect: {...vector.expect, reason: null}};
        assert.deepEqual(vectorFlaws(report, expected), [], `${report.code}: ${report.summary}`);
        passed++;
      });
    }
    console.log(`attestation vectors: ${passed} of ${cases.length} ${tee} cases`);
    assert.ok(cases.length > 50, "the corpus has its cases");
  });
}

test("every reason of the index is the family of a code, so that the table of codes maps onto it", {skip}, () => {
  const families = new Set<string>(Object.values(attestationCodes).map(({family}) => family));
  const reasons = new Set(readVectorCases(folder).flatMap(({expect}) => expect.reason?.split("|") ?? []));
  for (const reason of reasons) {
    const known = families.has(reason) || [...families].some((family) => family.endsWith(`_${reason}`));
    assert.ok(known, `no code has the family ${reason}`);
  }
  assert.ok(reasons.size > 40, `${reasons.size} reasons`);
});

test("a policy that lists Revoked isn't even read", () => {
  const identity = {tee: "sgx", root: "intel", mrEnclave: ["00".repeat(32)], acceptedTcbStatuses: ["Revoked"]};
  assert.throws(() => parsePolicy(JSON.stringify({version: 1, identities: [identity]})), {
    code: "POLICY_INVALID",
    message: /Revoked is never acceptable/,
  });
});

test("the pinned root of Intel is the one of the real vectors", {skip}, async () => {
  const real = readVectorCases(folder).filter(({id}) => id === "r-sgx-plat-a" || id === "r-sgx-proc-a");
  assert.equal(real.length, 2);
  for (const vector of real) {
    const root = new X509Certificate(Buffer.from(vectorReader(folder)(vector.files.root!)));
    assert.equal(createHash("sha256").update(root.raw).digest("hex"), vendorRoots.intel.certificateSha256);
    const spki = root.publicKey.export({type: "spki", format: "der"});
    assert.equal(createHash("sha256").update(spki).digest("hex"), vendorRoots.intel.spkiSha256);
  }
});
