import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {vendorRoots} from "../roots/vendor-roots.ts";
import {explainPolicy} from "./explain.ts";
import {checkPolicy, parsePolicy} from "./parse.ts";
import {type PolicyInput, policySchema} from "./schema.ts";

const measurement = "Ab".repeat(32);
const identity = {tee: "sgx", root: "intel", mrEnclave: [measurement]} as const;
const policy = (...identities: readonly object[]) => JSON.stringify({version: 1, identities});

test("defaults are the strict ones, and hexadecimal is lower-case", () => {
  const parsed = parsePolicy(policy(identity));
  assert.deepEqual(
    {...parsed},
    {
      version: 1,
      identities: [
        {
          tee: "sgx",
          root: "intel",
          mrEnclave: ["ab".repeat(32)],
          acceptedTcbStatuses: ["UpToDate"],
          deniedAdvisories: [],
          minimumTcbEvaluationDataNumber: 0,
          allowDebug: false,
          allowTcbInfoV2: false,
          trailingBytes: "refuse",
          requiredClaims: {},
        },
      ],
    },
  );
  const [first] = parsed.identities;
  assert.ok(first?.tee === "sgx" && Object.isFrozen(first.mrEnclave));
});

const refused: Readonly<Record<string, readonly [text: string, message: RegExp]>> = {
  "no JSON": ["{", /the end at 1/],
  "a member twice": [
    policy(identity).replace('"tee":"sgx"', '"tee":"sgx","allowDebug":false,"allowDebug":true'),
    /"allowDebug" twice/,
  ],
  "another version": [policy(identity).replace('"version":1', '"version":2'), /version: expected 1/],
  "no identities": ['{"version":1}', /identities: expected a value of type array/],
  "unknown member of the policy": ['{"version":1,"identities":[],"root":"intel"}', /unknown member "root"/],
  "unknown member of an identity": [
    policy({...identity, mrEnclaves: []}),
    /identities\[0\]: unknown member "mrEnclaves"/,
  ],
  "unknown TEE": [policy({...identity, tee: "tpm"}), /identities\[0\]\.tee: expected "sgx"/],
  "no root": [policy({tee: "sgx", mrEnclave: [measurement]}), /identities\[0\]\.root: expected "intel"/],
  "root by another name": [policy({...identity, root: "simulated"}), /identities\[0\]\.root: expected "intel"/],
  "root of another length": [policy({...identity, root: {simulated: "00"}}), /identities\[0\]\.root/],
  "a vendor's root as a simulation": [
    policy({...identity, root: {simulated: vendorRoots.intel.spkiSha256}}),
    /Intel SGX Root CA/,
  ],
  "no measurement": [policy({tee: "sgx", root: "intel"}), /it would accept every enclave/],
  "empty measurements": [policy({...identity, mrEnclave: []}), /identities\[0\]\.mrEnclave/],
  "short measurement": [policy({...identity, mrEnclave: ["00"]}), /mrEnclave\[0\]: expected 64 hexadecimal digits/],
  "signer alone": [policy({tee: "sgx", root: "intel", mrSigner: measurement}), /isvProdId and minimumIsvSvn/],
  "signer without version": [policy({tee: "sgx", root: "intel", mrSigner: measurement, isvProdId: 1}), /minimumIsvSvn/],
  "version above 65535": [policy({...identity, minimumIsvSvn: 65536}), /minimumIsvSvn/],
  "fraction as a version": [policy({...identity, minimumIsvSvn: 1.5}), /minimumIsvSvn/],
  Revoked: [policy({...identity, acceptedTcbStatuses: ["Revoked"]}), /Revoked is never acceptable/],
  "unknown status": [policy({...identity, acceptedTcbStatuses: ["Fine"]}), /expected one of UpToDate/],
  "text for a boolean": [policy({...identity, allowDebug: "no"}), /allowDebug: expected a value of type boolean/],
  "age of 0 days": [policy({...identity, maximumCollateralAgeDays: 0}), /maximumCollateralAgeDays/],
  "claim of an odd name": [policy({...identity, requiredClaims: {"a..b": "x"}}), /requiredClaims/],
  "claim without values": [policy({...identity, requiredClaims: {a: []}}), /requiredClaims/],
};

test("flawed policies are refused with the place", async (context) => {
  for (const [name, [text, message]] of Object.entries(refused)) {
    await context.test(name, () => {
      assert.throws(() => parsePolicy(text), {code: "POLICY_INVALID", message});
      assert.ok(checkPolicy(text).every(({severity}) => severity === "error"));
    });
  }
});

test("all flaws are told at once", () => {
  const findings = checkPolicy(
    policy({...identity, a: 1, b: 2}, {...identity, mrEnclave: ["x"]}, {tee: "sgx", root: "intel", c: 3}),
  );
  assert.deepEqual(
    findings.map(({path, message}) => `${path}: ${message}`),
    [
      'identities[0]: unknown member "a"',
      'identities[0]: unknown member "b"',
      "identities[1].mrEnclave[0]: expected 64 hexadecimal digits",
      'identities[2]: unknown member "c"',
    ],
  );
});

test("hostile policies give a coded error and nothing else", () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      try {
        parsePolicy(value as PolicyInput);
      } catch (error) {
        assert.equal((error as {code?: string}).code, "POLICY_INVALID");
      }
    }),
  );
});

test("findings of usable policies", () => {
  const severities = (text: string) => checkPolicy(text).map(({severity, path}) => `${severity} ${path}`);
  assert.deepEqual(severities(policy()), ["warning identities"]);
  assert.deepEqual(severities(policy({...identity, minimumTcbEvaluationDataNumber: 17})), []);
  const weak = {
    tee: "sgx",
    root: {simulated: "00".repeat(32)},
    mrSigner: measurement,
    isvProdId: 1,
    minimumIsvSvn: 0,
    allowDebug: true,
    allowTcbInfoV2: true,
    acceptedTcbStatuses: ["UpToDate", "OutOfDate"],
  };
  assert.deepEqual(severities(policy(weak)), [
    "warning identities[0].root",
    "warning identities[0].allowDebug",
    "warning identities[0].acceptedTcbStatuses",
    "warning identities[0].allowTcbInfoV2",
    "note identities[0].mrSigner",
  ]);
  assert.deepEqual(severities(policy({...identity, acceptedTcbStatuses: []})), [
    "warning identities[0].acceptedTcbStatuses",
    "note identities[0].minimumTcbEvaluationDataNumber",
  ]);
});

test("a policy in plain English", () => {
  assert.deepEqual(explainPolicy(parsePolicy(policy())), ["This policy accepts nothing: it lists no identity."]);
  const lines = explainPolicy(
    parsePolicy(
      policy(
        {
          ...identity,
          name: "production",
          acceptedTcbStatuses: ["UpToDate", "SWHardeningNeeded"],
          requiredClaims: {"engine.digest": ["a", "b"]},
        },
        {
          tee: "sgx",
          root: {simulated: "00".repeat(32)},
          mrSigner: measurement,
          isvProdId: 7,
          minimumIsvSvn: 3,
          acceptedAdvisories: [],
          deniedAdvisories: ["INTEL-SA-00615"],
          minimumTcbEvaluationDataNumber: 17,
          maximumCollateralAgeDays: 7,
          allowDebug: true,
          allowTcbInfoV2: true,
        },
      ),
    ),
  );
  assert.deepEqual(lines, [
    "An enclave is accepted if it meets any one of these:",
    'identity 0 "production" (SGX):',
    "  - It runs on a genuine SGX platform: the chain of certificates ends in Intel SGX Root CA.",
    `  - Its code has the measurement (MRENCLAVE) ${"ab".repeat(32)}.`,
    "  - The platform's TCB status is UpToDate or SWHardeningNeeded.",
    "  - It is no debug enclave.",
    '  - Its claim engine.digest is "a" or "b".',
    "identity 1 (SGX):",
    `  - It runs in the SIMULATION whose root key has the SHA-256 ${"00".repeat(32)}. A simulation protects nothing.`,
    `  - It was signed by the key with the digest (MRSIGNER) ${"ab".repeat(32)}.`,
    "  - Its product number (ISVPRODID) is 7.",
    "  - Its security version (ISVSVN) is at least 3.",
    "  - The platform's TCB status is UpToDate.",
    "  - No security advisory applies to the platform, other than: none.",
    "  - None of these advisories applies: INTEL-SA-00615.",
    "  - The vendor's statements are of evaluation 17 or later.",
    "  - The vendor's statements are at most 7 days old.",
    "  - Debug enclaves are ACCEPTED: their memory can be read from outside.",
    "  - TCB info of the retired version 2 is accepted.",
  ]);
});

test("the JSON Schema has every member, with the defaults and what an identity needs", () => {
  const schema = policySchema as {
    properties: {
      identities: {
        items: {oneOf: {properties: object; required: string[]; additionalProperties: boolean; anyOf: unknown}[]};
      };
    };
  };
  const [sgx] = schema.properties.identities.items.oneOf;
  assert.deepEqual(Object.keys(sgx!.properties).sort(), [
    "acceptedAdvisories",
    "acceptedTcbStatuses",
    "allowDebug",
    "allowTcbInfoV2",
    "deniedAdvisories",
    "isvProdId",
    "maximumCollateralAgeDays",
    "minimumIsvSvn",
    "minimumTcbEvaluationDataNumber",
    "mrEnclave",
    "mrSigner",
    "name",
    "requiredClaims",
    "root",
    "tee",
    "trailingBytes",
  ]);
  assert.deepEqual(sgx!.required, ["tee", "root"]);
  assert.equal(sgx!.additionalProperties, false);
  assert.deepEqual(sgx!.anyOf, [{required: ["mrEnclave"]}, {required: ["mrSigner", "isvProdId", "minimumIsvSvn"]}]);
});
