/** Everything that must not get past the client: each case is one lie, told by a server with a real simulated platform. */
import assert from "node:assert/strict";
import {randomBytes} from "node:crypto";
import {connect as connectTcp} from "node:net";
import {after, before, test} from "node:test";
import {connect as connectTls} from "node:tls";
import {
  createSimulatedMachine,
  createSimulatedPlatform,
  type EvidenceParts,
  evidenceFromParts,
  evidenceParts,
  type PolicyInput,
  type SimulatedFault,
} from "@tf-trusted/attestation";
import {AttestationError, ClientError, connect, launchSimulated, type SimulatedEnclave} from "@tf-trusted/client";
import {makeTlsIdentity} from "@tf-trusted/enclave";
import {encodeClaims} from "@tf-trusted/protocol";
import {
  type Answer,
  type Asked,
  makeAnswer,
  policyFor,
  rawAttest,
  rawCall,
  rawSession,
  relay,
  stage,
} from "./harness.ts";

let real: SimulatedEnclave;
before(async () => {
  real = await launchSimulated();
});
after(() => real.stop());

/** The client refuses with this code, has the whole report, and called nothing but Attest. */
async function refused(code: string, answer: (asked: Asked) => Promise<Answer>): Promise<AttestationError> {
  const server = await stage(answer);
  try {
    const error = await connect({address: server.address, policy: server.policy}).then(
      () => assert.fail("the client let it through"),
      (failure: unknown) => failure,
    );
    assert.ok(error instanceof AttestationError, String(error));
    assert.equal(error.code, code);
    assert.equal(error.report.verdict, "refused");
    assert.equal(error.report.steps.find((step) => step.code !== null)?.code, code);
    assert.deepEqual(server.requests, ["/tf_trusted.v1.AttestationService/Attest"]);
    return error;
  } finally {
    server.close();
  }
}

test("an honest server passes, so that the lies below are what is refused", async () => {
  const server = await stage();
  const enclave = await connect({address: server.address, policy: server.policy});
  assert.equal(enclave.report.verdict, "trusted");
  assert.equal(enclave.report.bound, true);
  assert.equal(enclave.report.simulated, true);
  await enclave.close();
  server.close();
});

test("wrong measurement", async () => {
  const policy = policyFor(real.platform, "00".repeat(32));
  await assert.rejects(connect({address: real.address, policy}), {code: "MRENCLAVE"});
});

test("wrong root", async () => {
  const other = await createSimulatedPlatform({now: () => new Date()});
  const policy = policyFor(other, real.process.measurement);
  await assert.rejects(connect({address: real.address, policy}), {code: "ROOT_UNTRUSTED"});
});

test("a required claim that isn't made", async () => {
  const [identity] = real.policyInput.identities;
  const policy = {...real.policyInput, identities: [{...identity!, requiredClaims: {software: "9.9.9"}}]};
  await assert.rejects(connect({address: real.address, policy}), {code: "CLAIM_MISMATCH"});
});

test("claims altered after the evidence was made", async () => {
  await refused("REPORT_DATA", async (asked) => ({
    ...(await makeAnswer(asked)),
    claims: encodeClaims({...asked.claims, software: "0.1.1"}),
  }));
});

test("claims that aren't canonical, or aren't claims", async () => {
  for (const text of ["{}", "", "{", JSON.stringify({protocol: 1}, undefined, 1)]) {
    const server = await stage(async (asked) => ({
      ...(await makeAnswer(asked)),
      claims: new TextEncoder().encode(text),
    }));
    await assert.rejects(connect({address: server.address, policy: server.policy}), {code: "NOT_ATTESTABLE"});
    server.close();
  }
});

test("evidence or collateral stripped, evidence of another kind, another enclave's claims", async () => {
  const server = await stage(async (asked) => ({...(await makeAnswer(asked)), evidence: null}));
  await assert.rejects(connect({address: server.address, policy: server.policy}), {
    code: "NOT_ATTESTABLE",
    message: /no evidence/,
  });
  server.close();
  const changed =
    (change: (parts: EvidenceParts) => Partial<EvidenceParts>) =>
    async (asked: Asked): Promise<Answer> => {
      const answer = await makeAnswer(asked);
      const parts = evidenceParts(answer.evidence!);
      return {...answer, evidence: evidenceFromParts({...parts, ...change(parts)})};
    };
  await refused(
    "COLLATERAL_MISSING",
    changed(() => ({collateral: {}})),
  );
  await refused(
    "QUOTE_FORMAT",
    changed(() => ({body: new Uint8Array(0)})),
  );
  await refused("QUOTE_TEE_TYPE", async (asked) => {
    const tdx = await createSimulatedMachine("tdx", {now: () => new Date()});
    const answer = await makeAnswer({...asked, platform: tdx});
    return {...answer, evidence: evidenceFromParts({...evidenceParts(answer.evidence!), kind: "sgx-quote"})};
  });
  // Both halves are an honest enclave's, of two sessions.
  const earlier: Answer[] = [];
  const swapping = await stage(async (asked) => {
    const startup = String(earlier.length).repeat(32);
    const answer = await makeAnswer({...asked, claims: {...asked.claims, startup}});
    earlier.push(answer);
    return {...answer, claims: earlier[0]!.claims};
  });
  const first = await connect({address: swapping.address, policy: swapping.policy});
  await assert.rejects(connect({address: swapping.address, policy: swapping.policy}), {code: "REPORT_DATA"});
  await first.close();
  swapping.close();
});

test("faults of a simulated platform, through a whole session", async () => {
  const faults: Readonly<Partial<Record<SimulatedFault, string>>> = {
    "pck-revoked": "CERT_REVOKED",
    "authority-revoked": "CERT_REVOKED",
    "platform-out-of-date": "TCB_STATUS",
    "qe-revoked": "TCB_STATUS",
    "tcb-info-expired": "TCB_INFO_EXPIRED",
    "root-crl-not-yet-valid": "CRL_NOT_YET_VALID",
    "wrong-fmspc": "FMSPC_MISMATCH",
    "evaluation-rollback": "TCB_EVALUATION_NUMBER",
  };
  for (const [fault, code] of Object.entries(faults)) {
    const platform = await createSimulatedPlatform({now: () => new Date(), faults: [fault as SimulatedFault]});
    const server = await stage(undefined, {platform});
    const identities = server.policy.identities.map((identity) => ({...identity, minimumTcbEvaluationDataNumber: 19}));
    const policy = {...server.policy, identities} as PolicyInput;
    await assert.rejects(connect({address: server.address, policy}), {code}, fault);
    assert.deepEqual(server.requests, ["/tf_trusted.v1.AttestationService/Attest"]);
    server.close();
  }
});

test("claims of another TLS key, although bound", async () => {
  const server = await stage((asked) =>
    makeAnswer({...asked, claims: {...asked.claims, tlsKeySha256: "11".repeat(32)}}),
  );
  await assert.rejects(connect({address: server.address, policy: server.policy}), {code: "CLAIMS_MISMATCH"});
  server.close();
});

test("evidence replayed: right once, with an old nonce the next time", async () => {
  let recorded: Answer | undefined;
  const server = await stage(async (asked) => {
    recorded ??= await makeAnswer(asked);
    return recorded;
  });
  const first = await connect({address: server.address, policy: server.policy});
  await assert.rejects(connect({address: server.address, policy: server.policy}), {code: "REPORT_DATA"});
  await first.close();
  server.close();
});

test("nonce and exporter swapped; digest in the low half only; evidence of the client's own role; other key", async () => {
  await refused("REPORT_DATA", (asked) => makeAnswer({...asked, nonce: asked.exporter, exporter: asked.nonce}));
  await refused("REPORT_DATA", (asked) =>
    makeAnswer(asked, {reportData: (right) => Uint8Array.from(right, (byte, i) => (i < 32 ? byte : 0))}),
  );
  await refused("REPORT_DATA", (asked) => makeAnswer(asked, {role: "client"}));
  await refused("REPORT_DATA", (asked) => makeAnswer({...asked, spkiSha256: new Uint8Array(32)}));
});

test("a man in the middle who relays a real enclave's evidence over his own TLS", async () => {
  const middle = await relay(real.process.port, makeTlsIdentity());
  const error = await connect({address: middle.address, policy: real.policy}).catch((failure: unknown) => failure);
  assert.ok(error instanceof AttestationError);
  assert.equal(error.code, "REPORT_DATA");
  assert.equal(error.report.genuine, true, "the evidence itself is a real one");
  middle.close();
});

test("a man in the middle who stole the enclave's TLS key", async () => {
  const victim = await stage();
  const middle = await relay(victim.port, victim.identity);
  const direct = await connect({address: victim.address, policy: victim.policy});
  await assert.rejects(connect({address: middle.address, policy: victim.policy}), {code: "REPORT_DATA"});
  await direct.close();
  middle.close();
  victim.close();
});

test("every method but Attest is refused before attestation, and its body isn't read", async () => {
  const session = await rawSession(real.process.port);
  for (const method of [
    "ModelService/ListModels",
    "ModelService/UploadModel",
    "ModelService/DeleteModel",
    "PredictionService/Predict",
    "NoService/NoMethod",
  ]) {
    const answer = await rawCall(session, `/tf_trusted.v1.${method}`, new Uint8Array(100));
    assert.equal(answer.status, 16, method);
    assert.match(answer.message, /^ATTEST_FIRST: /);
    assert.ok(answer.hasDetails);
  }
  assert.equal((await rawAttest(session)).status, 0);
  assert.equal((await rawCall(session, "/tf_trusted.v1.ModelService/ListModels", new Uint8Array(0))).status, 0);
  session.close();
  // The next connection starts from nothing.
  const other = await rawSession(real.process.port);
  assert.equal((await rawCall(other, "/tf_trusted.v1.ModelService/ListModels", new Uint8Array(0))).status, 16);
  other.close();
});

test("a short nonce, and more questions than a connection may ask", async () => {
  const session = await rawSession(real.process.port);
  const attest = "/tf_trusted.v1.AttestationService/Attest";
  assert.match((await rawCall(session, attest, new Uint8Array(0))).message, /^ATTEST_NONCE/);
  const statuses = [];
  for (let i = 0; i < 5; i++) statuses.push((await rawAttest(session)).status);
  assert.deepEqual(statuses, [0, 0, 0, 0, 8]);
  session.close();
});

test("TLS 1.2, other protocols than h2, and plain bytes get nothing", async () => {
  const {port} = real.process;
  const ends = (options: object): Promise<string> =>
    new Promise((resolve) => {
      const socket = connectTls({host: "127.0.0.1", port, rejectUnauthorized: false, ...options});
      let received = 0;
      socket.on("data", (data) => {
        received += data.length;
      });
      socket.once("secureConnect", () => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
      socket.once("error", () => undefined);
      socket.once("close", () => resolve(`${received} bytes`));
    });
  assert.equal(await ends({maxVersion: "TLSv1.2", ALPNProtocols: ["h2"]}), "0 bytes");
  assert.equal(await ends({ALPNProtocols: ["http/1.1"]}), "0 bytes");
  assert.equal(await ends({}), "0 bytes");
  const plain = await new Promise<number>((resolve) => {
    const socket = connectTcp(port, "127.0.0.1", () => socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    let received = 0;
    socket.on("data", (data) => {
      received += data.length;
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(received));
  });
  assert.ok(plain <= 7, "a TLS alert at most");
});

test("no session is resumed, where an ordinary server resumes", async () => {
  const ordinary = await stage();
  assert.equal(await resumes(ordinary.port), true, "the test notices resumption");
  ordinary.close();
  assert.equal(await resumes(real.process.port), false);
});

/** Whether a second connection can resume the session of a first one. */
async function resumes(port: number): Promise<boolean> {
  const options = {host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"]};
  const ticket = await new Promise<Buffer | undefined>((resolve) => {
    const socket = connectTls(options);
    const done = (session: Buffer | undefined) => {
      resolve(session);
      socket.destroy();
    };
    socket.once("session", done);
    socket.once("secureConnect", () => setTimeout(() => done(socket.getSession()), 200));
  });
  return new Promise<boolean>((resolve, reject) => {
    const socket = connectTls({...options, ...(ticket && {session: ticket})}, () => {
      resolve(socket.isSessionReused());
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

test("nobody there; not an address", async () => {
  await assert.rejects(connect({address: "127.0.0.1:1", policy: real.policy}), {code: "CONNECTION_FAILED"});
  await assert.rejects(connect({address: "nowhere", policy: real.policy}), ClientError);
});

test("noise after the handshake: random bytes, broken frames, endless headers; the enclave goes on serving others", async () => {
  const {port} = real.process;
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const settings = Buffer.from("000000040000000000", "hex");
  const noises = [
    randomBytes(5000),
    preface,
    Buffer.concat([preface, randomBytes(5000)]),
    Buffer.concat([preface, settings, Buffer.from("ffffff000000000001", "hex"), randomBytes(100)]),
    // HEADERS without end, then CONTINUATION again and again.
    Buffer.concat([preface, settings, Buffer.from("000001010000000001", "hex"), Buffer.from([0x82])]),
    Buffer.concat([
      preface,
      settings,
      Buffer.from("00000101000000000182", "hex"),
      ...Array.from({length: 2000}, () => Buffer.from("000001090000000001be", "hex")),
    ]),
  ];
  for (const noise of noises) {
    await new Promise<void>((resolve) => {
      const socket = connectTls({host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"]});
      socket.once("secureConnect", () => socket.end(noise));
      socket.on("error", () => undefined);
      socket.resume();
      socket.setTimeout(1000, () => socket.destroy());
      socket.once("close", () => resolve());
    });
  }
  const enclave = await connect({address: real.address, policy: real.policy});
  assert.deepEqual(await enclave.list(), []);
  await enclave.close();
});
