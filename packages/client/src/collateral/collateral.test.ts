/** Collateral over real sockets: simulated machines' vendors on loopback, the cache, and services that misbehave. */
import assert from "node:assert/strict";
import {mkdtemp, readdir, readFile, rm, writeFile} from "node:fs/promises";
import type {IncomingMessage, ServerResponse} from "node:http";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {
  createSimulatedMachine,
  createSimulatedPlatform,
  type Evidence,
  evidenceFromParts,
  evidenceParts,
  parsePolicy,
  type SimulatedMachine,
  simulatedTees,
  verifyEvidence,
} from "@tf-trusted/attestation";
import {derOfCrl} from "./crl-forms.ts";
import {download} from "./download.ts";
import {collateralFiles, collateralFolder} from "./folder.ts";
import {kdsCollateral} from "./kds.ts";
import {pcsCollateral} from "./pcs.ts";
import {type SimulatedService, serveSimulatedCollateral} from "./simulated-service.ts";
import {carriedCollateral, collateralFrom} from "./source.ts";

const program = {measurement: new Uint8Array(32).fill(1), reportData: new Uint8Array(64).fill(2)};
const now = () => new Date();

const machines: SimulatedMachine[] = [];
const services: SimulatedService[] = [];
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tf-trusted-collateral-"));
  for (const tee of simulatedTees) {
    const machine = await createSimulatedMachine(tee, {now});
    machines.push(machine);
    services.push(await serveSimulatedCollateral({machine}));
  }
});
after(async () => {
  for (const service of services) await service.close();
  await rm(folder, {recursive: true, force: true});
});

/** Evidence as a platform without network gives it. */
async function bareEvidence(machine: SimulatedMachine): Promise<Evidence> {
  return evidenceFromParts({...evidenceParts(await machine.attest(program)), collateral: {}});
}

async function codeOf(machine: SimulatedMachine, evidence: Evidence): Promise<string | null> {
  const policy = parsePolicy({version: 1, identities: [await machine.identity(["01".repeat(32)])]});
  return (await verifyEvidence(evidence, {policy, now: now(), expectedReportData: program.reportData})).code;
}

const both = (url: string, options: object = {}) =>
  collateralFrom(pcsCollateral({url, ...options}), kdsCollateral({url, ...options}));

/** A service in front of the simulated one of SGX, which answers some requests otherwise. */
async function withService<T>(
  intercept: (request: IncomingMessage, response: ServerResponse, count: number) => boolean,
  run: (service: SimulatedService) => Promise<T>,
): Promise<T> {
  let count = 0;
  const service = await serveSimulatedCollateral({
    machine: machines[0]!,
    intercept: (request, response) => intercept(request, response, ++count),
  });
  try {
    return await run(service);
  } finally {
    await service.close();
  }
}

test("evidence without collateral is refused, and accepted with what the vendor's service gives", async () => {
  for (const [i, machine] of machines.entries()) {
    const bare = await bareEvidence(machine);
    assert.equal(await codeOf(machine, await carriedCollateral(bare)), "COLLATERAL_MISSING");
    assert.equal(await codeOf(machine, await both(services[i]!.url)(bare)), null, machine.tee);
  }
  assert.deepEqual(services[0]!.requests.map((path) => path.replace(/=[0-9a-f]{12}$/, "=…")).sort(), [
    "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
    "/sgx/certification/v4/qe/identity",
    "/sgx/certification/v4/rootcacrl",
    "/sgx/certification/v4/tcb?fmspc=…",
  ]);
  assert.deepEqual(services[1]!.requests.map((path) => path.split("?")[0]).sort(), [
    "/sgx/certification/v4/pckcrl",
    "/sgx/certification/v4/rootcacrl",
    "/tdx/certification/v4/qe/identity",
    "/tdx/certification/v4/tcb",
  ]);
  assert.match(
    services[2]!.requests.join(" "),
    /\/vcek\/v1\/Milan\/[0-9a-f]{128}\?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219/,
  );
});

test("a service knows its own machine only, and a source its own kind of evidence", async () => {
  const other = await createSimulatedPlatform({now, overrides: {fmspc: new Uint8Array(6).fill(7)}});
  await assert.rejects(both(services[0]!.url)(await bareEvidence(other)), {
    code: "COLLATERAL_FETCH",
    message: /answered 404: it doesn't know this platform/,
  });
  const snp = await bareEvidence(machines[2]!);
  assert.equal(await pcsCollateral({url: services[0]!.url})(snp), snp);
  const sgx = await bareEvidence(machines[0]!);
  assert.equal(await kdsCollateral({url: services[2]!.url})(sgx), sgx);
  const unreadable = {...sgx, quote: new Uint8Array(100)} as Evidence;
  assert.equal(await both(services[0]!.url)(unreadable), unreadable);
});

test("CRLs in DER, PEM and hexadecimal are the same CRL", async () => {
  const {origin} = new URL(services[0]!.url);
  const get = async (path: string) => (await download(new URL(`${origin}/sgx/certification/v4/${path}`), {})).body;
  const der = await get("pckcrl?ca=platform&encoding=der");
  const pem = await get("pckcrl?ca=platform");
  assert.match(Buffer.from(pem).toString(), /^-----BEGIN X509 CRL-----/);
  const hex = Buffer.from(Buffer.from(der).toString("hex"));
  // ECDSA signatures differ each time, in length too; all between the outer length and them is the same.
  for (const form of [pem, hex]) assert.deepEqual(derOfCrl(form).subarray(4, 100), der.subarray(4, 100));
  assert.deepEqual(derOfCrl(hex), der);
  assert.deepEqual(derOfCrl(Uint8Array.of(1, 2)), Uint8Array.of(1, 2));
  assert.deepEqual(derOfCrl(new Uint8Array(0)), new Uint8Array(0));
});

test("the cache: asked once; by age, offline, without a service, and for damaged entries", async () => {
  for (const [i, machine] of machines.entries()) {
    const cache = join(folder, `cache-${machine.tee}`);
    const bare = await bareEvidence(machine);
    const {url, requests} = services[i]!;
    const asked = async (options: object = {}) => {
      const earlier = requests.length;
      assert.equal(await codeOf(machine, await both(url, {cache, ...options})(bare)), null);
      return requests.length - earlier;
    };
    await assert.rejects(both(url, {cache, offline: true})(bare), {code: "COLLATERAL_OFFLINE"});
    const all = machine.tee === "snp" ? 3 : 4;
    assert.equal(await asked(), all);
    assert.equal(await asked(), 0);
    assert.equal(await asked({offline: true}), 0);

    const inDays = (days: number) => ({now: () => new Date(Date.now() + days * 86_400_000)});
    // After a day statements are asked for again; a VCEK and its chain never change.
    assert.equal(await asked(inDays(2)), machine.tee === "snp" ? 1 : 4);
    const cached = (options: object) => both("http://127.0.0.1:1", {cache: `${cache}-none`, ...options})(bare);
    await assert.rejects(cached({download: {attempts: 1}}), {code: "COLLATERAL_FETCH"});
    // What is stored from the future, or expired, is no entry.
    await assert.rejects(both(url, {cache, offline: true, ...inDays(60)})(bare), {code: "COLLATERAL_OFFLINE"});
    await assert.rejects(both(url, {cache, offline: true, ...inDays(-1)})(bare), {code: "COLLATERAL_OFFLINE"});

    const names = await readdir(cache);
    assert.equal(names.length, all);
    assert.ok(
      names.every((name) => /^[0-9a-f]{64}\.json$/.test(name)),
      "no temporary files are left",
    );
    for (const [at, damage] of ["", "{", "null", '{"url":1}', "x".repeat(5 * 2 ** 20)].entries()) {
      await writeFile(join(cache, names[at % names.length]!), damage);
    }
    assert.ok((await asked()) > 0);
    for (const name of names) JSON.parse(await readFile(join(cache, name), "utf8"));
  }
});

test("a service that went away: what the cache has, while it holds", async () => {
  const machine = machines[0]!;
  const cache = join(folder, "gone");
  const bare = await bareEvidence(machine);
  const service = await serveSimulatedCollateral({machine});
  await pcsCollateral({url: service.url, cache})(bare);
  await service.close();
  const later = (days: number) =>
    pcsCollateral({
      url: service.url,
      cache,
      download: {attempts: 1},
      now: () => new Date(Date.now() + days * 86_400_000),
    })(bare);
  assert.equal(await codeOf(machine, await later(2)), null);
  await assert.rejects(later(40), {code: "COLLATERAL_FETCH"});
});

test("services that misbehave: each with a clear end, none without", async (context) => {
  const bare = await bareEvidence(machines[0]!);
  const limits = {download: {timeoutMs: 300, maxPauseMs: 50}};
  const cases: Readonly<
    Record<string, [(request: IncomingMessage, response: ServerResponse) => void, RegExp, attempts: number]>
  > = {
    "always 500": [(_, response) => response.writeHead(500).end(), /answered 500 \(attempt 3\)/, 3],
    "410 is final": [(_, response) => response.writeHead(410).end(), /answered 410: that evaluation/, 1],
    "a redirect": [
      (_, response) => response.writeHead(302, {location: "http://127.0.0.1:1/"}).end(),
      /answered 302 \(attempt 1\)/,
      1,
    ],
    "429 for an hour": [
      (_, response) => response.writeHead(429, {"retry-after": "3600"}).end(),
      /wants 3600 s of patience/,
      1,
    ],
    "too large": [
      (_, response) => response.writeHead(200).end(Buffer.alloc(2 ** 20 + 1)),
      /more than 1048576 bytes/,
      1,
    ],
    "never an answer": [() => undefined, /can't be fetched \(.*attempt 3\)/, 3],
    "never an end": [(_, response) => response.writeHead(200).write("x"), /can't be fetched \(.*attempt 3\)/, 3],
    "cut off": [(request) => request.socket.destroy(), /can't be fetched \(.*attempt 3\)/, 3],
    "no issuer chain": [(_, response) => response.writeHead(200).end("{}"), /gave no issuer chain/, 1],
    "a chain that isn't percent-encoded": [
      (_, response) => response.writeHead(200, {"tcb-info-issuer-chain": "%zz"}).end("{}"),
      /gave no issuer chain/,
      1,
    ],
  };
  for (const [name, [reply, message, attempts]] of Object.entries(cases)) {
    await context.test(name, () =>
      withService(
        (request, response) => {
          if (!request.url!.includes("/tcb?")) return false;
          reply(request, response);
          return true;
        },
        async (service) => {
          const source = pcsCollateral({url: service.url, ...limits});
          await assert.rejects(source(bare), {code: "COLLATERAL_FETCH", message});
          assert.equal(service.requests.filter((path) => path.includes("/tcb?")).length, attempts);
        },
      ),
    );
  }
});

test("a service that is busy for a moment is asked again", async () => {
  const bare = await bareEvidence(machines[0]!);
  await withService(
    (_, response, count) => {
      if (count > 4) return false;
      response.writeHead(429, {"retry-after": "0"}).end();
      return true;
    },
    async (service) => {
      assert.equal(await codeOf(machines[0]!, await pcsCollateral({url: service.url})(bare)), null);
      assert.equal(service.requests.length, 8);
    },
  );
});

test("the caller's signal ends it; what answers garbage is refused by the verifier and not kept", async () => {
  const machine = machines[0]!;
  const bare = await bareEvidence(machine);
  const abort = AbortSignal.timeout(50);
  await withService(
    () => true,
    (service) => assert.rejects(pcsCollateral({url: service.url})(bare, abort), {name: "TimeoutError"}),
  );
  const cache = join(folder, "garbage");
  await withService(
    (request, response) => {
      if (!request.url!.includes("rootcacrl")) return false;
      response.writeHead(200).end("garbage");
      return true;
    },
    async (service) => {
      const evidence = await pcsCollateral({url: service.url, cache})(bare);
      assert.equal(await codeOf(machine, evidence), "CRL_FORMAT");
      assert.equal((await readdir(cache)).length, 3);
    },
  );
});

test("plain HTTP to another machine is refused; HTTPS with the service's own authority works, without it doesn't", async () => {
  const machine = machines[0]!;
  const bare = await bareEvidence(machine);
  await assert.rejects(pcsCollateral({url: "http://192.0.2.1"})(bare), {message: /isn't HTTPS/});
  await assert.rejects(pcsCollateral({url: "ftp://127.0.0.1"})(bare), {message: /isn't HTTPS/});
  const service = await serveSimulatedCollateral({machine, tls: {key: serviceKey, certificate: serviceCertificate}});
  try {
    assert.match(service.url, /^https:/);
    await assert.rejects(pcsCollateral({url: service.url, download: {attempts: 1}})(bare), {code: "COLLATERAL_FETCH"});
    const trusting = pcsCollateral({url: service.url, download: {ca: serviceCertificate}});
    assert.equal(await codeOf(machine, await trusting(bare)), null);
  } finally {
    await service.close();
  }
});

test("a folder: its files count, others are carried on; an empty one is a mistake", async () => {
  const machine = machines[0]!;
  const bare = await bareEvidence(machine);
  const parts = evidenceParts(await machine.attest(program)).collateral;
  await assert.rejects(collateralFolder(join(folder, "nowhere"))(bare), {code: "COLLATERAL_FOLDER"});
  const files = await mkdtemp(join(folder, "files-"));
  await assert.rejects(collateralFolder(files)(bare), {code: "COLLATERAL_FOLDER"});
  for (const [name, part] of Object.entries(parts)) {
    await writeFile(join(files, collateralFiles[name as keyof typeof collateralFiles]), part);
  }
  assert.equal(await codeOf(machine, await collateralFolder(files)(bare)), null);
  await writeFile(join(files, collateralFiles.rootCrl), "x");
  assert.equal(await codeOf(machine, await collateralFolder(files)(await machine.attest(program))), "CRL_FORMAT");
  await writeFile(join(files, collateralFiles.rootCrl), new Uint8Array(2 ** 20 + 1));
  await assert.rejects(collateralFolder(files)(bare), {code: "COLLATERAL_FOLDER"});
});

/** Of 127.0.0.1, for a hundred years; protects nothing. */
const serviceKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxAR1lMSffNz2MDRm
r0msd+NrAngufLxmXUn3CFoHyBWhRANCAATZ3bKyuYWq2riJT4to9wl3/oNRxn2d
OkydHKKyaGU1sttMV24CiUuuAD4MBXkf+L1JLlfwb+/tXhamXNdU7qD3
-----END PRIVATE KEY-----
`;
const serviceCertificate = `-----BEGIN CERTIFICATE-----
MIIBoDCCAUagAwIBAgIUZ2F9rbSkRGtOwaGOaByO9Fgqe5kwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRc2ltdWxhdGVkIHNlcnZpY2UwIBcNMjYxMTI0MDM0NTM5WhgP
MjEyNjEwMzEwMzQ1MzlaMBwxGjAYBgNVBAMMEXNpbXVsYXRlZCBzZXJ2aWNlMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2d2ysrmFqtq4iU+LaPcJd/6DUcZ9nTpM
nRyismhlNbLbTFduAolLrgA+DAV5H/i9SS5X8G/v7V4WplzXVO6g96NkMGIwHQYD
VR0OBBYEFNfSJW1MDroZqAr8it+/CcbehbypMB8GA1UdIwQYMBaAFNfSJW1MDroZ
qAr8it+/CcbehbypMA8GA1UdEwEB/wQFMAMBAf8wDwYDVR0RBAgwBocEfwAAATAK
BggqhkjOPQQDAgNIADBFAiBvTQUwMDp0ugPP1uEoKsnO1CKu+/jenV54TfaUu6g1
RAIhAJYDJ3NqpQZrxWVnTvK2NyhAyn9iHEt05CeTy197wQe7
-----END CERTIFICATE-----
`;
