/** Evidence is made, verified and refused in a browser as in Node. */
import assert from "node:assert/strict";
import {test} from "node:test";
import * as attestation from "@tf-trusted/attestation";
import {bundle, executable, inPage, skipReason} from "./browser.ts";

/** What is done on either side; the page gets it as text. */
async function attestHere({createSimulatedPlatform, parsePolicy, verifyEvidence}: typeof attestation) {
  const now = new Date("2026-01-01T00:00:00Z");
  const platform = await createSimulatedPlatform({now: () => now});
  const request = {
    mrEnclave: new Uint8Array(32).fill(1),
    mrSigner: new Uint8Array(32).fill(2),
    isvProdId: 1,
    isvSvn: 2,
    reportData: new Uint8Array(64).fill(3),
  };
  const evidence = await platform.evidence(request);
  const root = {simulated: platform.rootSpkiSha256};
  const policy = parsePolicy({version: 1, identities: [{tee: "sgx", root, mrEnclave: ["01".repeat(32)]}]});
  const options = {policy, now, expectedReportData: request.reportData};
  const good = await verifyEvidence(evidence, options);
  const quote = evidence.quote.slice();
  quote[600]! ^= 1;
  const bad = await verifyEvidence({...evidence, quote}, options);
  return [good.verdict, bad.verdict, bad.code];
}

test("Chromium verifies evidence as Node does", {skip: executable ? false : skipReason}, async (t) => {
  const bundled = await bundle("attestation");
  t.diagnostic(`bundle of attestation: ${bundled.bytes} bytes, ${bundled.gzipped} gzipped`);
  const wanted = await attestHere(attestation);
  const found = await inPage(bundled, (page) => page.evaluate(`(${attestHere})(bundled)`));
  assert.deepEqual(found, wanted);
  assert.equal(wanted[0], "trusted");
  assert.equal(wanted[1], "refused");
});
