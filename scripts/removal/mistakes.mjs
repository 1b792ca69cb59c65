// The known mistakes of attestation verifiers, each with the checks of ours that stand against it: where a check is in the
// source, and what is left when somebody takes it away. `scripts/removal/run.mjs` takes them away one by one. `from` must occur
// exactly once in the file, so that a check that moved or changed is noticed here.

const dcap = ["forged.test.js"];
const snp = ["evidence/snp/forged-snp.test.js", "evidence/snp/snp.test.js"];
const nitro = ["evidence/nitro/nitro.test.js", "evidence/nitro/forged-nitro.test.js"];
const json = ["json/strict-json.test.js", "forged.test.js"];
const policy = ["policy/policy.test.js"];

const chains = "evidence/dcap/chains.ts";
const statements = "evidence/dcap/statements.ts";
const quote = "evidence/dcap/quote.ts";
const snpVerify = "evidence/snp/verify.ts";
const nitroVerify = "evidence/nitro/verify.ts";

const pin = "trustedRoots.find((item) => item.spkiSha256 === spkiSha256)";

export const mistakes = [
  {
    mistake: "QE identity fetched, not verified (CVE-2026-22696)",
    checks: [
      {
        what: "its signature",
        file: statements,
        from: `await requireSignature(signed, qeIdentitySigner, "QE_IDENTITY_SIGNATURE");`,
        to: "",
        tests: dcap,
      },
      {
        what: "MRSIGNER",
        file: statements,
        from: "!equalBytes(qeReport.mrSigner, qeIdentity.mrSigner)",
        to: "false",
        tests: dcap,
      },
      {
        what: "ISVPRODID",
        file: statements,
        from: "qeReport.isvProdId === qeIdentity.isvProdId",
        to: "true",
        tests: dcap,
      },
      {
        what: "its identifier",
        file: statements,
        from: "qeIdentity.id !== collateralIds.qeIdentity",
        to: "false",
        tests: dcap,
      },
      {
        what: "a level for its ISVSVN",
        file: "collateral/qe-identity.ts",
        from: "levels.find((level) => isvSvn >= level.isvSvn)",
        to: "levels.find((level) => isvSvn >= level.isvSvn) ?? levels.at(-1)",
        tests: dcap,
      },
    ],
  },
  {
    mistake: "TDX module not checked, or only the module's status used",
    checks: [
      {
        what: "MRSIGNERSEAM",
        file: "evidence/tdx/tcb.ts",
        from: "equalBytes(report.mrSignerSeam, module.mrSigner) &&",
        to: "",
        tests: dcap,
      },
      {
        what: "SEAM attributes",
        file: "evidence/tdx/tcb.ts",
        from: "report.seamAttributes.every((byte) => byte === 0) &&\n    module.attributes.every((byte, i) => byte === (report.seamAttributes[i]! & module.attributesMask[i]!))",
        to: "true",
        tests: dcap,
      },
      {
        what: "an identity for its version",
        file: "evidence/tdx/tcb.ts",
        from: "tcbInfo.tdxModuleIdentities.find((module) => module.id.toUpperCase() === id)",
        to: "tcbInfo.tdxModuleIdentities[0]",
        tests: dcap,
      },
      {
        what: "the platform's status as well",
        file: statements,
        from: "convergeTcbStatus(platform.status, [",
        to: `convergeTcbStatus(module ? "UpToDate" : platform.status, [`,
        tests: dcap,
      },
      {
        what: "the module's status as well",
        file: statements,
        from: "...(module ? [module.status] : [])]",
        to: "]",
        tests: dcap,
      },
    ],
  },
  {
    mistake: "vendor id not checked",
    checks: [{what: "the QE's vendor", file: quote, from: "vendor !== INTEL_QE_VENDOR_ID", to: "false", tests: dcap}],
  },
  {
    mistake: "any certificate under the root signs collateral",
    checks: [
      {
        what: "the role of the signer",
        file: chains,
        from: `requireRole(chain[0], [roles.tcbSigner], {authority: false, usage: "digitalSignature"});`,
        to: "",
        tests: dcap,
      },
    ],
  },
  {
    mistake: "a root that came along is trusted; names compared instead of keys",
    checks: [
      {what: "the pin (SGX, TDX)", file: chains, from: pin, to: "trustedRoots[0]", tests: dcap},
      {
        what: "one root for all chains",
        file: chains,
        from: "roots.some((other) => !equalBytes(other.publicKey.spki, root.publicKey.spki))",
        to: "false",
        tests: dcap,
      },
      {what: "the pin (SNP)", file: snpVerify, from: pin, to: "trustedRoots[0]", tests: snp},
      {what: "the pin (Nitro)", file: nitroVerify, from: pin, to: "trustedRoots[0]", tests: nitro},
      {
        what: "signatures of certificates",
        file: "x509/chain.ts",
        from: "!(await verifyDerSignature(issuer.publicKey, certificate.signature, certificate.toBeSigned))",
        to: "false",
        tests: dcap,
      },
    ],
  },
  {
    mistake: "PCEID or FMSPC ignored",
    checks: [
      {what: "FMSPC", file: statements, from: "!equalBytes(tcbInfo.fmspc, platform.fmspc)", to: "false", tests: dcap},
      {what: "PCEID", file: statements, from: "equalBytes(tcbInfo.pceId, platform.pceId)", to: "true", tests: dcap},
      {
        what: "PCEID of the quote",
        file: chains,
        from: "quoted && !equalBytes(quoted, platform.pceId)",
        to: "false",
        tests: dcap,
      },
    ],
  },
  {
    mistake: "issueDate, notBefore, thisUpdate ignored",
    checks: [
      {what: "issueDate", file: statements, from: "if (at < issueDate) return", to: "if (false) return", tests: dcap},
      {what: "nextUpdate", file: statements, from: "at <= nextUpdate", to: "true", tests: dcap},
      {what: "notBefore", file: "x509/chain.ts", from: "at < notBefore", to: "false", tests: dcap},
      {what: "notAfter", file: "x509/chain.ts", from: "at > notAfter", to: "false", tests: dcap},
      {what: "thisUpdate", file: chains, from: "at < list.thisUpdate", to: "false", tests: dcap},
    ],
  },
  {
    mistake: "CRL of the other CA, unsigned, stale, or none",
    checks: [
      {
        what: "the issuer",
        file: "x509/crl.ts",
        from: "!equalBytes(list.issuer.encoding, issuer.subject.encoding)",
        to: "false",
        tests: dcap,
      },
      {
        what: "the signature",
        file: "x509/crl.ts",
        from: "!(await verifyDerSignature(issuer.publicKey, list.signature, list.toBeSigned))",
        to: "false",
        tests: dcap,
      },
      {what: "nextUpdate", file: chains, from: "at > list.nextUpdate", to: "false", tests: dcap},
      {what: "that all parts came", file: chains, from: "missing.length > 0", to: "false", tests: dcap},
      {what: "the serials", file: chains, from: "list.revokedSerials.has(serial)", to: "false", tests: dcap},
    ],
  },
  {
    mistake: "forms of signatures: r, s against DER, byte order, zero, cut numbers",
    checks: [
      {
        what: "r, s of JSON in 64 bytes",
        file: "collateral/signed-json.ts",
        from: `envelope.hex("signature", 64)`,
        to: `envelope.hex("signature", envelope.string("signature").length / 2)`,
        tests: dcap,
      },
      {
        what: "upper bytes of SNP's r, s",
        file: snpVerify,
        from: "!numbers.every((number) => isZero(number.subarray(48)))",
        to: "false",
        tests: snp,
      },
      {
        what: "little-endian r, s of SNP",
        file: snpVerify,
        from: "Uint8Array.from(number.subarray(0, 48)).reverse()",
        to: "number.subarray(0, 48)",
        tests: snp,
      },
    ],
  },
  {
    mistake: "QE report data: second half, authentication data of another length",
    checks: [
      {
        what: "all 64 bytes",
        file: statements,
        from: "equalBytes(qeReport.reportData, expected)",
        to: "equalBytes(qeReport.reportData.subarray(0, 32), expected.subarray(0, 32))",
        tests: dcap,
      },
      {
        what: "the key's digest",
        file: statements,
        from: "equalBytes(qeReport.reportData, expected)",
        to: "equalBytes(qeReport.reportData.subarray(32), expected.subarray(32))",
        tests: dcap,
      },
      {
        what: "any length",
        file: quote,
        from: "certification.take(certification.u16le())",
        to: "(certification.u16le(), certification.take(32))",
        tests: [...dcap, "simulated/simulated.test.js"],
      },
    ],
  },
  {
    mistake: "masks forgotten; hexadecimal read as a number",
    checks: [
      {
        what: "the mask",
        file: statements,
        from: "bytes.map((byte, i) => byte & mask[i]!)",
        to: "bytes",
        tests: dcap,
      },
      {
        what: "MISCSELECT",
        file: statements,
        from: "!equalBytes(misc, qeIdentity.miscSelect)",
        to: "false",
        tests: dcap,
      },
      {
        what: "ATTRIBUTES",
        file: statements,
        from: "!equalBytes(attributes, qeIdentity.attributes)",
        to: "false",
        tests: dcap,
      },
    ],
  },
  {
    mistake: "descriptor of version 5 not signed, or not checked",
    checks: [
      {
        what: "what is signed",
        file: quote,
        from: "quote.subarray(0, reader.offset)",
        to: "header.version === 5 ? quote.subarray(0, 48) : quote.subarray(0, reader.offset)",
        tests: dcap,
      },
      {
        what: "size and type of the body",
        file: quote,
        from: "body === undefined || body.size !== size",
        to: "body === undefined",
        tests: dcap,
      },
    ],
  },
  {
    mistake: "components zipped, compared as one number, PCESVN of a byte",
    checks: [
      {
        what: "16 components",
        file: "collateral/tcb-info.ts",
        from: "[SGX_COMPONENTS, SGX_COMPONENTS]",
        to: "[1, SGX_COMPONENTS]",
        tests: dcap,
      },
      {
        what: "each component",
        file: "collateral/tcb-info.ts",
        from: "level.components.every((needed, i) => (platform.components[i] ?? -1) >= needed)",
        to: "platform.components.join() >= level.components.join()",
        tests: ["collateral/tcb.test.js", ...dcap],
      },
      {
        what: "PCESVN",
        file: "collateral/tcb-info.ts",
        from: "platform.pceSvn >= level.pceSvn &&",
        to: "(platform.pceSvn & 255) >= (level.pceSvn & 255) &&",
        tests: ["collateral/tcb.test.js", ...dcap],
      },
      {
        what: "TDX components",
        file: "evidence/tdx/tcb.ts",
        from: "(ofModule && i <= MODULE_VERSION) || teeTcbSvn[i]! >= needed",
        to: "true",
        tests: dcap,
      },
    ],
  },
  {
    mistake: "JSON: written again, members twice, text after it, types of numbers, dates that are none",
    checks: [
      {
        what: "the exact text is signed",
        file: "collateral/signed-json.ts",
        from: "text.slice(node.start, node.end)",
        to: "JSON.stringify(JSON.parse(text.slice(node.start, node.end)))",
        tests: dcap,
      },
      {what: "each member once", file: "json/strict-json.ts", from: "members.has(name)", to: "false", tests: json},
      {
        what: "nothing after it",
        file: "json/strict-json.ts",
        from: "scanner.position !== text.length",
        to: "false",
        tests: json,
      },
      {
        what: "numbers are numbers",
        file: "json/members.ts",
        from: `node.type === "number" && /^-?(?:0|[1-9]\\d*)$/.test(node.text) ? Number(node.text) : Number.NaN`,
        to: `Number("text" in node ? node.text : "value" in node ? node.value : Number.NaN)`,
        tests: dcap,
      },
      {
        what: "dates are real",
        file: "json/members.ts",
        from: "Number.isNaN(time) || new Date(time)",
        to: "!Number.isNaN(time) && new Date(time)",
        tests: dcap,
      },
    ],
  },
  {
    mistake: "trailing bytes",
    checks: [
      {what: "after a quote", file: quote, from: "    requireAllowed(trailing, trailingBytes);\n", to: "", tests: dcap},
      {
        what: "per identity of the policy",
        file: "policy/match.ts",
        from: `trailing.length === 0 || trailingBytes === "allow" || (trailingBytes === "allow-zero" && zero)`,
        to: "zero || !zero",
        tests: ["policy/several.test.js"],
      },
      {
        what: "inside the signature data",
        file: quote,
        from: "    signatureData.expectEnd();\n",
        to: "",
        tests: ["evidence/dcap/quote.test.js"],
      },
      {
        what: "inside the nested certification data",
        file: quote,
        from: "    certification.expectEnd();\n",
        to: "",
        tests: ["evidence/dcap/quote.test.js"],
      },
      {
        what: "after an SNP report",
        file: snpVerify,
        from: "reportBytes.length !== size",
        to: "reportBytes.length < size",
        tests: snp,
      },
      {
        what: "after CBOR",
        file: "cbor/reader.ts",
        from: "this.#reader.remaining > 0",
        to: "false",
        tests: ["cbor/cbor.test.js", ...nitro],
      },
    ],
  },
  {
    mistake: "lengths that overflow, allocation by length, recursion",
    checks: [
      {
        what: "CBOR lengths",
        file: "cbor/reader.ts",
        from: "length <= this.#reader.remaining",
        to: "length >= 0",
        tests: ["cbor/cbor.test.js", ...nitro],
      },
      {
        what: "CBOR items",
        file: "cbor/reader.ts",
        from: "++this.#items > maxItems",
        to: "false",
        tests: ["cbor/cbor.test.js"],
      },
      {
        what: "CBOR depth",
        file: "cbor/reader.ts",
        from: "depth > maxDepth",
        to: "false",
        tests: ["cbor/cbor.test.js", ...nitro],
      },
      {what: "JSON depth", file: "json/strict-json.ts", from: "depth > MAX_DEPTH", to: "false", tests: json},
      {
        what: "sizes at the door",
        file: "verify.ts",
        from: "part.length > limit",
        to: "false",
        tests: ["hostile.test.js", ...dcap],
      },
    ],
  },
  {
    mistake: "debug, TUD bits, service TD, migration agent, VMPL",
    checks: [
      {
        what: "DEBUG (SGX)",
        file: "policy/match.ts",
        from: "passIf(!debug,",
        to: "passIf(true,",
        tests: [...policy, ...dcap],
      },
      {what: "DEBUG (TDX)", file: "policy/match-tdx.ts", from: "passIf(!debug,", to: "passIf(true,", tests: dcap},
      {what: "DEBUG (SNP)", file: "policy/match-snp.ts", from: "passIf(!debug,", to: "passIf(true,", tests: snp},
      {
        what: "zero PCRs (Nitro)",
        file: "policy/match-nitro.ts",
        from: "passIf(!debug,",
        to: "passIf(true,",
        tests: nitro,
      },
      {what: "TUD bits", file: "policy/match-tdx.ts", from: "untrusted === 0", to: "true", tests: dcap},
      {
        what: "MRSERVICETD and registers",
        file: "policy/match-tdx.ts",
        from: "!accepted.includes(found)",
        to: "false",
        tests: dcap,
      },
      {
        what: "migration agent",
        file: "policy/match-snp.ts",
        from: `guestPolicy(guest.policy, "migrationAgent") && !allowMigrationAgent`,
        to: "false",
        tests: snp,
      },
      {what: "VMPL", file: "policy/match-snp.ts", from: "guest.vmpl <= maximumVmpl", to: "true", tests: snp},
    ],
  },
  {
    mistake: "Revoked allowed by policy; unknown status passes",
    checks: [
      {
        what: "Revoked in a policy",
        file: "collateral/tcb-status.ts",
        from: `platformTcbStatuses.filter((status) => status !== "Revoked")`,
        to: "platformTcbStatuses",
        tests: policy,
      },
      {
        what: "unknown statuses",
        file: "json/members.ts",
        from: "known === undefined",
        to: "false",
        tests: dcap,
      },
      {
        what: "a revoked part",
        file: "collateral/tcb-status.ts",
        from: `if (parts.includes("Revoked")) return "Revoked";`,
        to: "",
        tests: ["collateral/tcb.test.js", ...dcap],
      },
      {
        what: "the accepted statuses",
        file: "policy/match.ts",
        from: `tcb.status !== "Revoked" && accepted.includes(tcb.status)`,
        to: `tcb.status !== "Revoked"`,
        tests: dcap,
      },
    ],
  },
  {
    mistake: "order of Turin's TCB; hardware id of 8 bytes; serial number 0",
    checks: [
      {
        what: "Turin's order",
        file: "evidence/snp/layout.ts",
        from: "Turin: {fmc: 0, bl: 1, tee: 2, snp: 3, ucode: 7}",
        to: "Turin: {bl: 0, tee: 1, snp: 6, ucode: 7, fmc: 2}",
        tests: snp,
      },
      {
        what: "8 bytes",
        file: "evidence/snp/key-extensions.ts",
        from: "const sizes = [8, 64];",
        to: "const sizes = [64];",
        tests: snp,
      },
      {
        what: "serial 0",
        file: "x509/certificate.ts",
        from: "const serial = encodeHex(body.unsigned(MAX_SERIAL_BYTES));",
        to: `const serial = encodeHex(body.unsigned(MAX_SERIAL_BYTES)); if (serial === "00") throw unexpected("DER_INVALID", "serial 0", "another");`,
        tests: snp,
      },
    ],
  },
  {
    mistake: "COSE algorithm unprotected; first of the bundle as anchor; leaf as authority",
    checks: [
      {
        what: "the protected algorithm",
        file: "evidence/nitro/document.ts",
        from: "algorithm !== ES384",
        to: "false",
        tests: nitro,
      },
      {
        what: "an empty unprotected header",
        file: "evidence/nitro/document.ts",
        from: "claims.size <= 1 && unprotected.size === 0",
        to: "claims.size <= 1",
        tests: nitro,
      },
      {what: "the leaf is no authority", file: nitroVerify, from: "leaf.isAuthority ||", to: "", tests: nitro},
      {
        what: "issuers are authorities",
        file: "x509/chain.ts",
        from: `!issuer.isAuthority || !issuer.keyUsage.has("keyCertSign")`,
        to: "false",
        tests: [...nitro, ...dcap],
      },
    ],
  },
  {
    mistake: "the signatures of the evidence itself, and its binding",
    checks: [
      {
        what: "the quote",
        file: statements,
        from: "!(await verifyRawSignature(key, quoteSignature, quoteSignedBytes))",
        to: "false",
        tests: dcap,
      },
      {what: "the QE's report", file: statements, from: "passIf(signed,", to: "passIf(true,", tests: dcap},
      {
        what: "the TCB info",
        file: statements,
        from: `await requireSignature(signed, tcbInfoSigner, "TCB_INFO_SIGNATURE");`,
        to: "",
        tests: dcap,
      },
      {
        what: "the SNP report",
        file: snpVerify,
        from: `if (!valid) return fail("SNP_REPORT_SIGNATURE"`,
        to: `if (false) return fail("SNP_REPORT_SIGNATURE"`,
        tests: snp,
      },
      {
        what: "the Nitro document",
        file: nitroVerify,
        from: `if (!valid) return fail("NITRO_SIGNATURE"`,
        to: `if (false) return fail("NITRO_SIGNATURE"`,
        tests: nitro,
      },
      {
        what: "report data",
        file: "verify.ts",
        from: "reportData !== null && equalBytes(reportData, expectedReportData)",
        to: "true",
        tests: dcap,
      },
      {
        what: "nonce",
        file: "verify.ts",
        from: "nonce !== null && equalBytes(nonce, expectedNonce)",
        to: "true",
        tests: nitro,
      },
      {
        what: "chip id (SNP)",
        file: snpVerify,
        from: "equalBytes(own, id) && isZero(report.chipId.subarray(id.length)) && !isZero(id)",
        to: "true",
        tests: snp,
      },
      {what: "reported TCB (SNP)", file: snpVerify, from: "found === expected ?", to: "true ?", tests: snp},
    ],
  },
];
