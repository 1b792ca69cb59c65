/** Simulated machines with one fault each: the code that it gives, and whether a policy can accept it. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {encodeHex} from "@tf-trusted/core";
import {acceptableTcbStatuses} from "../collateral/tcb-status.ts";
import {
  type AttestationCode,
  createSimulatedMachine,
  createSimulatedPlatform,
  createSimulatedTdxPlatform,
  type PolicyInput,
  parsePolicy,
  restoreSimulatedMachine,
  type SimulatedFault,
  type SimulatedMachine,
  type SimulatedSnpFault,
  simulatedFaults,
  simulatedSnpFaults,
  simulatedTees,
  type TcbStatus,
  verifyEvidence,
} from "../index.ts";
import {makeSnpKeys, snpPlatformWith} from "./snp.ts";

const time = new Date("2026-03-01T12:34:56.789Z");
const options = {now: () => time};
const program = {measurement: new Uint8Array(32).fill(1), reportData: new Uint8Array(64).fill(5)};

async function verify(machine: SimulatedMachine, changes: object = {}, debug = false) {
  const identity = {...(await machine.identity([encodeHex(program.measurement)])), ...changes};
  const policy = parsePolicy({version: 1, identities: [identity]} as PolicyInput);
  const evidence = await machine.attest({...program, debug});
  return verifyEvidence(evidence, {policy, now: time, expectedReportData: program.reportData});
}

/** `sgx: null`: only TDX has modules. */
const faults: Readonly<
  Record<SimulatedFault, AttestationCode | {readonly sgx: AttestationCode | null; readonly tdx: AttestationCode}>
> = {
  "pck-revoked": "CERT_REVOKED",
  "authority-revoked": "CERT_REVOKED",
  "tcb-signer-revoked": "CERT_REVOKED",
  "platform-out-of-date": "TCB_STATUS",
  "platform-revoked": "TCB_STATUS",
  "platform-needs-hardening": "TCB_STATUS",
  "platform-needs-configuration": "TCB_STATUS",
  "platform-needs-both": "TCB_STATUS",
  "platform-out-of-date-and-needs-configuration": "TCB_STATUS",
  "platform-level-unknown": "TCB_LEVEL_NOT_FOUND",
  "qe-out-of-date": "TCB_STATUS",
  "qe-revoked": "TCB_STATUS",
  "qe-level-unknown": "QE_TCB_LEVEL_NOT_FOUND",
  "module-out-of-date": {sgx: null, tdx: "TCB_STATUS"},
  "module-revoked": {sgx: null, tdx: "TCB_STATUS"},
  "module-level-unknown": {sgx: null, tdx: "TDX_MODULE_TCB_LEVEL_NOT_FOUND"},
  "module-foreign": {sgx: null, tdx: "TDX_MODULE"},
  "root-expired": "CERT_EXPIRED",
  "authority-expired": "CERT_EXPIRED",
  "pck-expired": "CERT_EXPIRED",
  "pck-not-yet-valid": "CERT_NOT_YET_VALID",
  "tcb-signer-expired": "CERT_EXPIRED",
  "tcb-info-expired": "TCB_INFO_EXPIRED",
  "tcb-info-not-yet-valid": "TCB_INFO_NOT_YET_VALID",
  "qe-identity-expired": "QE_IDENTITY_EXPIRED",
  "qe-identity-not-yet-valid": "QE_IDENTITY_NOT_YET_VALID",
  "pck-crl-expired": "CRL_EXPIRED",
  "pck-crl-not-yet-valid": "CRL_NOT_YET_VALID",
  "root-crl-expired": "CRL_EXPIRED",
  "root-crl-not-yet-valid": "CRL_NOT_YET_VALID",
  "wrong-fmspc": "FMSPC_MISMATCH",
  "wrong-pceid": "PCEID_MISMATCH",
  "tcb-info-of-other-tee": "TCB_INFO_ID",
  "qe-identity-of-other-tee": "QE_IDENTITY_ID",
  "evaluation-rollback": "TCB_EVALUATION_NUMBER",
  "qe-evaluation-rollback": "TCB_EVALUATION_NUMBER",
};

const snpFaults: Readonly<Record<SimulatedSnpFault, AttestationCode>> = {
  "authority-revoked": "CERT_REVOKED",
  "root-expired": "CERT_EXPIRED",
  "authority-expired": "CERT_EXPIRED",
  "vcek-expired": "CERT_EXPIRED",
  "vcek-not-yet-valid": "CERT_NOT_YET_VALID",
  "crl-expired": "CRL_EXPIRED",
  "crl-not-yet-valid": "CRL_NOT_YET_VALID",
  "firmware-rolled-back": "SNP_TCB_MISMATCH",
  "chip-masked": "SNP_CHIP_ID",
  "migration-agent": "SNP_GUEST_POLICY",
  "asked-by-host": "SNP_GUEST_POLICY",
};

const makers = {sgx: createSimulatedPlatform, tdx: createSimulatedTdxPlatform} as const;
const strict = {minimumTcbEvaluationDataNumber: 19};

for (const [tee, make] of Object.entries(makers) as [keyof typeof makers, typeof makers.tdx | typeof makers.sgx][]) {
  test(`${tee}: each named fault is refused with its code`, async (context) => {
    assert.deepEqual(Object.keys(faults).sort(), Object.keys(simulatedFaults).sort());
    for (const [fault, expected] of Object.entries(faults)) {
      const code = typeof expected === "string" ? expected : expected[tee];
      await context.test(`${fault} gives ${code ?? "no refusal"}`, async () => {
        const report = await verify(await make({...options, faults: [fault as SimulatedFault]}), strict);
        assert.deepEqual([report.verdict, report.code], [code === null ? "trusted" : "refused", code]);
      });
    }
  });

  test(`${tee}: every status of the TCB is reported, and accepted where the policy says so; Revoked never`, async () => {
    for (const status of [...acceptableTcbStatuses, "Revoked"] satisfies TcbStatus[]) {
      const machine = await make({...options, overrides: {platformStatus: status}});
      const accepting = await verify(machine, {acceptedTcbStatuses: acceptableTcbStatuses});
      assert.deepEqual(
        [accepting.verdict, accepting.tcb?.status],
        [status === "Revoked" ? "refused" : "trusted", status],
      );
      const strictly = await verify(machine);
      assert.equal(strictly.verdict, status === "UpToDate" ? "trusted" : "refused", status);
    }
  });
}

test("snp: each named fault is refused with its code", async (context) => {
  assert.deepEqual(Object.keys(snpFaults).sort(), Object.keys(simulatedSnpFaults).sort());
  // Keys of 4096 bits take seconds: made once.
  const keys = await makeSnpKeys();
  for (const [fault, code] of Object.entries(snpFaults)) {
    await context.test(`${fault} gives ${code}`, async () => {
      const report = await verify(await snpPlatformWith(keys, {...options, faults: [fault as SimulatedSnpFault]}));
      assert.deepEqual([report.verdict, report.code], ["refused", code]);
    });
  }
});

for (const tee of simulatedTees) {
  test(`${tee}: healthy, kept and restored, debug, and under another policy`, async () => {
    const machine = await createSimulatedMachine(tee, options);
    const report = await verify(machine);
    assert.deepEqual(
      [report.verdict, report.code, report.simulated, report.identity?.tee],
      ["trusted", null, true, tee],
    );
    assert.equal((await verify(machine, {}, true)).code, "DEBUG");
    assert.equal((await verify(machine, {root: {simulated: "00".repeat(32)}})).code, "ROOT_UNTRUSTED");

    const kept: unknown = JSON.parse(JSON.stringify(await machine.state()));
    const restored = await restoreSimulatedMachine(kept, options);
    assert.deepEqual([restored.tee, restored.rootSpkiSha256], [tee, machine.rootSpkiSha256]);
    assert.equal((await verify(restored)).verdict, "trusted");
    for (const damaged of [
      null,
      {},
      {...(kept as object), keys: {}},
      {...(kept as object), certificates: {root: "!"}},
    ]) {
      await assert.rejects(restoreSimulatedMachine(damaged, options), {code: "SIMULATION_STATE"});
    }
  });
}

test("one policy with an identity for each: each machine is accepted, and by its own identity", async () => {
  const machines = await Promise.all(simulatedTees.map((tee) => createSimulatedMachine(tee, options)));
  const measurement = encodeHex(program.measurement);
  const identities = await Promise.all(machines.map((machine) => machine.identity([measurement])));
  const policy = parsePolicy({version: 1, identities});
  for (const [index, machine] of machines.entries()) {
    const evidence = await machine.attest(program);
    const verifyOptions = {policy, now: time, expectedReportData: program.reportData};
    const report = await verifyEvidence(evidence, verifyOptions);
    assert.deepEqual([report.verdict, report.policy.matchedIdentity], ["trusted", index]);
    const others = parsePolicy({version: 1, identities: identities.filter((_, i) => i !== index)});
    assert.equal((await verifyEvidence(evidence, {...verifyOptions, policy: others})).code, "POLICY_TEE");
    const swapped = {...verifyOptions, expectedReportData: new Uint8Array(64)};
    assert.equal((await verifyEvidence(evidence, swapped)).code, "REPORT_DATA");
  }
});
