/** Enclaves on several kinds of TEE, each in a process of its own, under one policy; and what each must refuse. */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {connect as connectTls} from "node:tls";
import {
  type PolicyInput,
  raTlsEvidence,
  readRaTlsCertificate,
  type SgxCollateral,
  simulatedTees,
  verifyEvidence,
} from "@tf-trusted/attestation";
import {AttestationError, connect, launchSimulated, type SimulatedEnclave} from "@tf-trusted/client";
import {digitsModel, images, makeAnswer, stage} from "./harness.ts";

const enclaves: SimulatedEnclave[] = [];
let together: PolicyInput;
before(async () => {
  for (const tee of simulatedTees) enclaves.push(await launchSimulated({tee}));
  together = {version: 1, identities: enclaves.flatMap(({policyInput}) => policyInput.identities)};
});
after(() => Promise.all(enclaves.map((enclave) => enclave.stop())));

test("one policy with several identities: each enclave is verified, and predicts", async () => {
  for (const [index, {address, platform}] of enclaves.entries()) {
    const connection = await connect({address, policy: together});
    const {report} = connection;
    assert.deepEqual(
      [report.verdict, report.bound, report.simulated, report.identity?.tee, report.policy.matchedIdentity],
      ["trusted", true, true, platform.tee, index],
    );
    const model = await connection.load(await digitsModel(), {name: "digits"});
    const {probabilities} = await model.predict(images(2));
    assert.deepEqual(probabilities?.shape, [2, 10]);
    await connection.close();
  }
});

test("an identity of another TEE, or the same TEE under another root, is not enough", async () => {
  for (const [index, {address}] of enclaves.entries()) {
    const others = {...together, identities: together.identities.filter((_, i) => i !== index)};
    await assert.rejects(connect({address, policy: others}), {code: "POLICY_TEE"});
    const strange = {...together.identities[index]!, root: {simulated: "00".repeat(32)}} as const;
    await assert.rejects(connect({address, policy: {version: 1, identities: [strange]}}), {code: "ROOT_UNTRUSTED"});
  }
});

test("RA-TLS: the certificate that a connection sees is enough for verifiers that can't attest sessions", async () => {
  for (const {
    process: {host, port},
    platform,
    policy,
  } of enclaves) {
    const der = await new Promise<Uint8Array>((resolve, reject) => {
      const socket = connectTls({host, port, rejectUnauthorized: false, ALPNProtocols: ["h2"]}, () => {
        resolve(Uint8Array.from(socket.getPeerX509Certificate()!.raw));
        socket.destroy();
      });
      socket.once("error", reject);
    });
    if (platform.tee === "snp") {
      await assert.rejects(readRaTlsCertificate(der), {code: "RATLS_INVALID"});
      continue;
    }
    const certificate = await readRaTlsCertificate(der);
    const collateral = (await platform.collateral()) as SgxCollateral;
    const identities = policy.identities.map((identity) => ({...identity, requiredClaims: {}}));
    const report = await verifyEvidence(raTlsEvidence(certificate, collateral), {
      policy: {...policy, identities},
      now: new Date(),
      expectedReportData: certificate.reportData,
    });
    assert.deepEqual([report.verdict, report.code], ["trusted", null], platform.tee);
  }
});

test("claims, role and replay are bound on each kind of TEE", async () => {
  for (const {platform} of enclaves) {
    const refuses = async (answer: Parameters<typeof stage>[0]) => {
      const server = await stage(answer, {platform});
      try {
        const error = await connect({address: server.address, policy: server.policy}).catch(
          (failure: unknown) => failure,
        );
        assert.ok(error instanceof AttestationError, String(error));
        assert.equal(error.code, "REPORT_DATA", platform.tee);
        assert.equal(error.report.genuine, true);
      } finally {
        server.close();
      }
    };
    await refuses((asked) => makeAnswer(asked, {role: "client"}));
    await refuses((asked) => makeAnswer({...asked, nonce: asked.exporter}));
    await refuses(async (asked) => ({
      ...(await makeAnswer({...asked, claims: {...asked.claims, software: "0.0.9"}})),
      claims: (await makeAnswer(asked)).claims,
    }));
  }
});
