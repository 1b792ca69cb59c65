/** Oracle: Node's X509Certificate (OpenSSL) says the same of every certificate that we accept. */
import assert from "node:assert/strict";
import {createHash, createPublicKey, X509Certificate} from "node:crypto";
import {before, test} from "node:test";
import {encodeHex} from "@tf-trusted/core";
import fc from "fast-check";
import {DerReader} from "../der/reader.ts";
import {derValue} from "../der/writer.ts";
import {encodeCertificate, encodeRevocationList} from "../simulated/certificates.ts";
import {generateSigningKey, type SigningKey, signDer} from "../simulated/keys.ts";
import {readVectorCases, vectorReader, vectorsFolder} from "../testing/corpus.ts";
import {forgeCertificate, makeWorld, type World} from "../testing/forge.ts";
import {type Certificate, parseCertificate, parseCertificates} from "./certificate.ts";
import {verifyIssuedBy} from "./chain.ts";
import {parseRevocationList, verifyRevocationList} from "./crl.ts";
import {encodePem, parsePem} from "./pem.ts";
import {parsePublicKey, publicKeyFromCoordinates, verifyDerSignature} from "./public-key.ts";

let world: World;
let key: SigningKey;
before(async () => {
  world = await makeWorld();
  key = await generateSigningKey();
});

/** All that stays readable where names and keys are damaged. */
function assertFactsAgree(ours: Certificate, der: Uint8Array): X509Certificate {
  const theirs = new X509Certificate(der);
  assert.equal(BigInt(`0x${ours.serial}`), BigInt(`0x${theirs.serialNumber}`));
  assert.equal(ours.notBefore, Date.parse(theirs.validFrom));
  assert.equal(ours.notAfter, Date.parse(theirs.validTo));
  assert.equal(ours.isAuthority, theirs.ca);
  return theirs;
}

function assertAgrees(ours: Certificate, der: Uint8Array): void {
  const theirs = assertFactsAgree(ours, der);
  assert.ok(theirs.subject.split("\n").includes(`CN=${ours.subject.commonName}`));
  assert.ok(theirs.issuer.split("\n").includes(`CN=${ours.issuer.commonName}`));
  assert.equal(encodeHex(ours.publicKey.spki), theirs.publicKey.export({type: "spki", format: "der"}).toString("hex"));
}

test("simulated certificates agree with the oracle", async () => {
  for (const der of Object.values(world.certificates)) assertAgrees(parseCertificate(der), der);
  const [pck, authority, root] = [world.certificates.pck, world.certificates.authority, world.certificates.root].map(
    (der) => new X509Certificate(der),
  );
  assert.ok(pck!.checkIssued(authority!) && pck!.verify(authority!.publicKey));
  assert.ok(authority!.checkIssued(root!) && authority!.verify(root!.publicKey));
});

test("certificates of the SGX vectors agree with the oracle", {
  skip: "skip" in vectorsFolder ? vectorsFolder.skip : false,
}, async () => {
  const folder = "path" in vectorsFolder ? vectorsFolder.path : "";
  const read = vectorReader(folder);
  const seen = new Set<string>();
  for (const vector of readVectorCases(folder).filter(({tee}) => tee === "sgx")) {
    for (const name of ["tcbInfoChain", "qeIdentityChain", "pckCrlChain", "pckChain"]) {
      const path = vector.files[name];
      if (path === undefined) continue;
      for (const der of parsePem(read(path))) {
        const digest = createHash("sha256").update(der).digest("hex");
        if (seen.has(digest)) continue;
        seen.add(digest);
        assertAgrees(parseCertificate(der), der);
      }
    }
  }
  assert.ok(seen.size > 20, `${seen.size} certificates`);
});

test("what we accept of damaged certificates, the oracle accepts too", () => {
  const der = world.certificates.pck;
  fc.assert(
    fc.property(fc.nat({max: der.length - 1}), fc.nat({max: 255}), fc.nat({max: 2}), (at, byte, remove) => {
      const changed = Uint8Array.from([...der.slice(0, at), byte, ...der.slice(at + remove)]);
      let ours: Certificate;
      try {
        ours = parseCertificate(changed);
      } catch (error) {
        assert.equal((error as {code?: string}).code, "CERT_FORMAT");
        return;
      }
      assertFactsAgree(ours, changed);
    }),
    {numRuns: 1000},
  );
});

test("flaws of certificates are refused", async (context) => {
  const certificate = (changes: Parameters<typeof forgeCertificate>[2]) => forgeCertificate(world, "pck", changes);
  const refused: Readonly<Record<string, () => Promise<Uint8Array>>> = {
    "unknown critical extension": () => certificate({extensions: [["1.2.3", Uint8Array.of(5, 0), true]]}),
    "extension twice": () =>
      certificate({
        extensions: [
          ["1.2.3", Uint8Array.of(5, 0), false],
          ["1.2.3", Uint8Array.of(5, 0), false],
        ],
      }),
    "serial above 20 bytes": () => certificate({serial: new Uint8Array(21).fill(1)}),
    "too many extensions": () =>
      certificate({
        extensions: Array.from({length: 40}, (_, i) => [`1.2.3.${i}`, Uint8Array.of(5, 0), false] as const),
      }),
    "trailing byte": async () => Uint8Array.from([...(await certificate({})), 0]),
    nothing: async () => new Uint8Array(0),
  };
  for (const [name, make] of Object.entries(refused)) {
    await context.test(name, async () => {
      const der = await make();
      assert.throws(() => parseCertificate(der), {code: "CERT_FORMAT"});
    });
  }
  await context.test("serial 0 and unknown extensions that aren't critical are accepted", async () => {
    const der = await certificate({serial: Uint8Array.of(0), extensions: [["1.2.3", Uint8Array.of(5, 0), false]]});
    assert.equal(parseCertificate(der).serial, "00");
  });
});

test("a path length of 0 lets no authority follow", async () => {
  const validity = world.plan.rootValidity;
  const root = parseCertificate(
    await encodeCertificate({
      subject: "r",
      issuer: "r",
      publicKey: key.publicKey,
      issuerKey: key,
      validity,
      pathLength: 0,
    }),
  );
  await verifyIssuedBy(root, root, 0);
  await assert.rejects(verifyIssuedBy(root, root, 1), {code: "CERT_CHAIN"});
});

test("keys that aren't ours to verify with are refused", () => {
  const secp256k1 = "3056301006072a8648ce3d020106052b8104000a034200";
  for (const hex of [
    `${secp256k1}04${"00".repeat(64)}`,
    encodeHex(key.publicKey.spki).replace("03420004", "03420002"),
  ]) {
    assert.throws(() => parsePublicKey(Uint8Array.from(Buffer.from(hex, "hex"))), {code: "DER_INVALID"});
  }
  const rebuilt = publicKeyFromCoordinates(key.publicKey.point.subarray(1));
  assert.deepEqual(rebuilt.spki, key.publicKey.spki);
  assert.equal(createPublicKey({key: Buffer.from(rebuilt.spki), format: "der", type: "spki"}).asymmetricKeyType, "ec");
});

test("bytes after a key or a signature make it another", async () => {
  const data = Uint8Array.of(1, 2, 3);
  const signature = await signDer(key, data);
  assert.ok(await verifyDerSignature(key.publicKey, signature, data));
  assert.equal(await verifyDerSignature(key.publicKey, Uint8Array.from([...signature, 0]), data), false);
  assert.equal(await verifyDerSignature(key.publicKey, withNull(signature, 0), data), false);
  assert.throws(() => parsePublicKey(Uint8Array.from([...key.publicKey.spki, 0])), {code: "BYTES_TRAILING"});
  assert.throws(() => parsePublicKey(withNull(key.publicKey.spki, 0)), {code: "DER_INVALID"});
  assert.throws(() => parsePublicKey(withNull(key.publicKey.spki, 1)), {code: "BYTES_TRAILING"});
});

test("a signature that is no DER is a wrong signature", async () => {
  for (const hex of [
    "",
    "3000",
    "30060201010201",
    "300602010102010100",
    "30060201ff020101",
    `3045022100${"ff".repeat(32)}02207f`,
  ]) {
    assert.equal(
      await verifyDerSignature(key.publicKey, Uint8Array.from(Buffer.from(hex, "hex")), new Uint8Array(3)),
      false,
    );
  }
});

test("PEM: line ends, NULs, white space; nothing else", async (context) => {
  const chain = [world.certificates.pck, world.certificates.root];
  const pem = new TextDecoder().decode(encodePem(chain));
  const read = (text: string) => parsePem(new TextEncoder().encode(text)).map(encodeHex);
  const expected = chain.map(encodeHex);
  for (const text of [pem, pem.replaceAll("\n", "\r\n"), `${pem}\0`, `\n${pem}\n\n`, pem.trimEnd()])
    assert.deepEqual(read(text), expected);
  assert.deepEqual(read(""), []);
  assert.equal(read(pem.repeat(4)).length, 8);
  const [first = ""] = pem.split("-----END");
  const refused: Readonly<Record<string, string>> = {
    "text before": `x${pem}`,
    "text after": `${pem}x`,
    "text between": pem.replace("-----\n-----BEGIN", "-----\nx\n-----BEGIN"),
    "no end": first,
    "another label": pem.replaceAll("CERTIFICATE", "X509 CRL"),
    "not base64": pem.replace("MII", "M!I"),
    "padding in the middle": pem.replace("MII", "M=I"),
    "another line of the same length": pem.replace("BEGIN CERTIFICATE", "BEGIN certificate"),
    "white space that is not ASCII": `${pem}\u00a0`,
    "empty block": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
    "stray bits": "-----BEGIN CERTIFICATE-----\nAAB=\n-----END CERTIFICATE-----",
    "not ASCII": `${pem}é`,
    "ten certificates": pem.repeat(5),
  };
  for (const [name, text] of Object.entries(refused)) {
    await context.test(name, () => assert.throws(() => read(text), {code: "CERT_FORMAT"}));
  }
  assert.equal(parseCertificates(encodePem(chain)).length, 2);
});

test("CRLs: entries, issuer, required and critical extensions", async () => {
  const times = {thisUpdate: new Date("2026-01-01T00:00:00Z"), nextUpdate: new Date("2051-01-01T00:00:00Z")};
  const der = await encodeRevocationList({
    issuer: "r",
    issuerKey: key,
    ...times,
    revoked: [Uint8Array.of(0x80, 1), Uint8Array.of(0)],
  });
  const list = parseRevocationList(der);
  assert.deepEqual([...list.revokedSerials], ["8001", "00"]);
  assert.deepEqual([list.thisUpdate, list.nextUpdate], [times.thisUpdate.getTime(), times.nextUpdate.getTime()]);
  const validity = world.plan.rootValidity;
  const issuer = parseCertificate(
    await encodeCertificate({
      subject: "r",
      issuer: "r",
      publicKey: key.publicKey,
      issuerKey: key,
      validity,
      pathLength: 0,
    }),
  );
  await verifyRevocationList(list, issuer);

  const hex = encodeHex(der);
  // crlNumber, then authorityKeyIdentifier, under other names.
  for (const [from, to] of [
    ["0603551d14", "0603551d15"],
    ["0603551d23", "0603551d24"],
  ] as const) {
    assert.ok(hex.includes(from));
    const changed = Uint8Array.from(Buffer.from(hex.replace(from, to), "hex"));
    assert.throws(() => parseRevocationList(changed), {code: "CRL_FORMAT"});
  }
  // The version, and the outer one of the two signature algorithms.
  const oid = "06082a8648ce3d040302";
  const other = oid.replace(/2$/, "4");
  const outer = hex.lastIndexOf(oid);
  for (const changed of [
    hex.replace("020101", "020100"),
    hex.slice(0, outer) + other + hex.slice(outer + oid.length),
    hex.replaceAll(oid, other),
  ]) {
    assert.notEqual(changed, hex);
    assert.throws(() => parseRevocationList(Uint8Array.from(Buffer.from(changed, "hex"))), {code: "CRL_FORMAT"});
  }
  fc.assert(
    fc.property(fc.nat({max: der.length - 1}), (end) => {
      assert.throws(() => parseRevocationList(der.subarray(0, end)), {code: "CRL_FORMAT"});
    }),
  );
});

test("nothing may follow inside any structure of a certificate or CRL", async () => {
  const times = {thisUpdate: new Date("2026-01-01T00:00:00Z"), nextUpdate: new Date("2027-01-01T00:00:00Z")};
  const crl = await encodeRevocationList({
    issuer: "r",
    issuerKey: key,
    ...times,
    revoked: [Uint8Array.of(1), Uint8Array.of(2)],
  });
  const cases = [
    [world.certificates.pck, parseCertificate, "CERT_FORMAT"],
    [world.certificates.root, parseCertificate, "CERT_FORMAT"],
    [crl, parseRevocationList, "CRL_FORMAT"],
  ] as const;
  for (const [der, parse, code] of cases) {
    parse(der);
    const count = constructed(der);
    assert.ok(count > 15);
    for (let nth = 0; nth < count; nth++) {
      assert.throws(() => parse(withNull(der, nth)), {code}, `structure ${nth}`);
    }
  }
});

test("entries of a CRL may have extensions that aren't critical, and nothing after them", async () => {
  const times = {thisUpdate: new Date("2026-01-01T00:00:00Z"), nextUpdate: new Date("2027-01-01T00:00:00Z")};
  const crl = await encodeRevocationList({issuer: "r", issuerKey: key, ...times, revoked: [Uint8Array.of(7)]});
  const withEntry = (tail: string) =>
    rewrite(crl, (content) => {
      const isEntry = encodeHex(content).startsWith("020107170d");
      return isEntry ? Uint8Array.from([...content, ...Buffer.from(tail, "hex")]) : content;
    });
  const reason = "300a0603551d1504030a0101";
  assert.deepEqual([...parseRevocationList(withEntry(`300c${reason}`)).revokedSerials], ["07"]);
  const critical = "300d0603551d150101ff04030a0101";
  for (const tail of [`300c${reason}0500`, `300f${critical}`, `3018${reason}${reason}`]) {
    assert.throws(() => parseRevocationList(withEntry(tail)), {code: "CRL_FORMAT"}, tail);
  }
});

test("certificates of another version or with two signature algorithms are refused", () => {
  const hex = encodeHex(world.certificates.pck);
  const oid = "06082a8648ce3d040302";
  const other = oid.replace(/2$/, "4");
  const outer = hex.lastIndexOf(oid);
  for (const changed of [
    hex.replace("a003020102", "a003020101"),
    hex.slice(0, outer) + other + hex.slice(outer + oid.length),
    hex.replaceAll(oid, other),
  ]) {
    assert.notEqual(changed, hex);
    assert.throws(() => parseCertificate(Uint8Array.from(Buffer.from(changed, "hex"))), {code: "CERT_FORMAT"});
  }
});

test("a default that is written out is refused", () => {
  const subjectKeyIdentifier = "0603551d0e";
  const der = rewrite(world.certificates.pck, (content) => {
    if (!encodeHex(content).startsWith(subjectKeyIdentifier)) return content;
    return Uint8Array.from([...content.subarray(0, 5), 1, 1, 0, ...content.subarray(5)]);
  });
  assert.throws(() => parseCertificate(der), {code: "CERT_FORMAT", message: /a default value that is written out/});
});

test("nothing may follow inside an extension's value or an algorithm", () => {
  const algorithm = "06082a8648ce3d040302";
  const edits: readonly (readonly [from: string, to: string])[] = [
    ["04023000", "040430020500"],
    ["04023000", "040430000500"],
    ["0404030206c0", "0406030206c00500"],
    [algorithm, `${algorithm}0500`],
  ];
  for (const [from, to] of edits) {
    let applied = 0;
    const der = rewrite(world.certificates.pck, (content) => {
      const hex = encodeHex(content);
      if (!hex.endsWith(from) || hex.length > 60) return content;
      applied++;
      return Uint8Array.from(Buffer.from(hex.slice(0, -from.length) + to, "hex"));
    });
    assert.equal(applied, from === algorithm ? 2 : 1, from);
    assert.throws(() => parseCertificate(der), {code: "CERT_FORMAT"}, to);
  }
});

function constructed(der: Uint8Array): number {
  let count = 0;
  rewrite(der, (content) => {
    count++;
    return content;
  });
  return count;
}

/** `der` with a NULL at the end of its nth constructed value, all lengths right. */
function withNull(der: Uint8Array, nth: number): Uint8Array {
  let seen = 0;
  return rewrite(der, (content) => (seen++ === nth ? Uint8Array.from([...content, 5, 0]) : content));
}

function rewrite(der: Uint8Array, change: (content: Uint8Array) => Uint8Array): Uint8Array {
  const reader = new DerReader(der, "t");
  const parts: Uint8Array[] = [];
  while (!reader.done) {
    const {tag, content, encoding} = reader.value();
    parts.push(tag & 0x20 ? derValue(tag, change(rewrite(content, change))) : encoding);
  }
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
