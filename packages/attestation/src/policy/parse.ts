/** Reading and judging policies: `parsePolicy` for programs, `checkPolicy` for people. */
import {AttestationError} from "../attestation-error.ts";
import {parseStrictJson, plainValue} from "../json/strict-json.ts";
import {type VendorRoot, vendorRoots} from "../roots/vendor-roots.ts";
import {type Policy, type PolicyIdentity, type PolicyInput, policySchemaCheck, sgxIdentityForms} from "./schema.ts";

export interface PolicyFinding {
  /** An error makes the policy unusable; a warning weakens it; a note is worth knowing. */
  readonly severity: "error" | "warning" | "note";
  /** Where: `identities[0].mrEnclave`; "" for the whole. */
  readonly path: string;
  readonly message: string;
}

/**
 * Reads a policy from JSON text, or from the value that such text would give. Throws `POLICY_INVALID` with every flaw at
 * once: syntax, a member given twice, unknown or missing members, values out of range.
 */
export function parsePolicy(source: string | PolicyInput): Policy {
  const {policy, findings} = readPolicy(source);
  if (policy !== null) return policy;
  const list = findings.map(({path, message}) => `${path === "" ? "policy" : path}: ${message}`);
  throw new AttestationError("POLICY_INVALID", list.join("; "), {
    details: {found: list.join("; "), expected: "a valid policy", findings},
  });
}

/** All that is wrong with, or remarkable about, a policy. Never throws. */
export function checkPolicy(source: string | PolicyInput): readonly PolicyFinding[] {
  const {policy, findings} = readPolicy(source);
  return policy === null ? findings : remarks(policy);
}

function readPolicy(source: string | PolicyInput): {
  readonly policy: Policy | null;
  readonly findings: readonly PolicyFinding[];
} {
  const errors = (list: readonly (readonly [path: string, message: string])[]) => ({
    policy: null,
    findings: list.map(([path, message]) => ({severity: "error" as const, path, message})),
  });
  let value: unknown = source;
  if (typeof source === "string") {
    try {
      value = plainValue(parseStrictJson(source));
    } catch (error) {
      if (!(error instanceof AttestationError)) throw error;
      return errors([["", error.message]]);
    }
  }
  // Without JIT: hardened realms and content security policies forbid new Function.
  const result = policySchemaCheck.safeParse(value, {jitless: true});
  if (!result.success) return errors(result.error.issues.flatMap(issueTexts));
  const incomplete = result.data.identities.flatMap((identity, i) =>
    identityErrors(identity as PolicyIdentity, `identities[${i}]`),
  );
  return incomplete.length > 0
    ? errors(incomplete)
    : {policy: deepFreeze(result.data) as unknown as Policy, findings: []};
}

interface Issue {
  readonly code?: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  readonly expected?: unknown;
  readonly values?: readonly unknown[];
}

/** zod/mini has no texts of its own beyond "Invalid input". */
function issueTexts(issue: Issue): (readonly [string, string])[] {
  const path = issue.path.reduce<string>(
    (text, key) => (typeof key === "number" ? `${text}[${key}]` : text === "" ? String(key) : `${text}.${String(key)}`),
    "",
  );
  if (issue.code === "unrecognized_keys") {
    return (issue.keys ?? []).map((key) => [path, `unknown member ${JSON.stringify(key)}`] as const);
  }
  if (issue.message !== "Invalid input") return [[path, issue.message]];
  if (issue.values) return [[path, `expected ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`]];
  return [
    [path, typeof issue.expected === "string" ? `expected a value of type ${issue.expected}` : "a value out of range"],
  ];
}

function identityErrors(identity: PolicyIdentity, path: string): (readonly [string, string])[] {
  const found: (readonly [string, string])[] = [];
  if (identity.tee === "sgx" && !sgxIdentityForms.some((form) => form.every((name) => identity[name] !== undefined))) {
    found.push([
      path,
      "expected mrEnclave, or mrSigner with isvProdId and minimumIsvSvn: without, it would accept every enclave",
    ]);
  }
  if (identity.tee === "nitro" && Object.keys(identity.pcrs).length === 0) {
    found.push([`${path}.pcrs`, "expected one PCR at least: without, it would accept every enclave"]);
  }
  if (typeof identity.root === "string" && !isRootOf(vendorRoots[identity.root], identity)) {
    found.push([
      `${path}.root`,
      `this root doesn't vouch for ${identity.tee}${"product" in identity ? ` ${identity.product}` : ""}`,
    ]);
  }
  if (typeof identity.root === "object") {
    const {simulated} = identity.root;
    const vendor = Object.entries(vendorRoots).find(([, {spkiSha256}]) => spkiSha256 === simulated);
    if (vendor)
      found.push([`${path}.root`, `this is the key of ${vendor[1].title}; expected ${JSON.stringify(vendor[0])}`]);
  }
  return found;
}

function remarks({identities}: Policy): readonly PolicyFinding[] {
  if (identities.length === 0)
    return [{severity: "warning", path: "identities", message: "an empty list accepts nothing"}];
  return identities.flatMap((identity, i) =>
    identityRemarks
      .filter(({applies}) => applies(identity))
      .map(({severity, member, message}) => ({
        severity,
        path: `identities[${i}]${member === null ? "" : `.${member}`}`,
        message,
      })),
  );
}

function isRootOf(root: VendorRoot, identity: PolicyIdentity): boolean {
  return root.tees.includes(identity.tee) && (!("product" in identity) || root.product === identity.product);
}

const identityRemarks: readonly {
  readonly severity: "warning" | "note";
  readonly member: string | null;
  readonly applies: (identity: PolicyIdentity) => boolean;
  readonly message: string;
}[] = [
  {
    severity: "warning",
    member: "root",
    applies: ({root}) => typeof root === "object",
    message: "accepts a simulation: it protects nothing against whoever runs it",
  },
  {
    severity: "warning",
    member: "allowDebug",
    applies: ({allowDebug}) => allowDebug,
    message: "accepts debug enclaves, whose memory can be read from outside",
  },
  {
    severity: "warning",
    member: "acceptedTcbStatuses",
    applies: (identity) =>
      "acceptedTcbStatuses" in identity &&
      (identity.acceptedTcbStatuses as readonly string[]).some((status) => status.startsWith("OutOfDate")),
    message: "accepts platforms with known, unpatched flaws",
  },
  {
    severity: "warning",
    member: "acceptedTcbStatuses",
    applies: (identity) => "acceptedTcbStatuses" in identity && identity.acceptedTcbStatuses.length === 0,
    message: "an empty list accepts nothing",
  },
  {
    severity: "warning",
    member: "allowTcbInfoV2",
    applies: (identity) => identity.tee === "sgx" && identity.allowTcbInfoV2,
    message: "accepts statements of a service that Intel has retired",
  },
  {
    severity: "note",
    member: "mrSigner",
    applies: (identity) =>
      identity.tee === "sgx" && identity.mrEnclave === undefined && identity.mrSigner !== undefined,
    message:
      "accepts every enclave that this signer releases under the product number: you trust the signer, not the code",
  },
  {
    severity: "warning",
    member: "rtmr1",
    applies: (identity) => identity.tee === "tdx" && (identity.rtmr1 === undefined || identity.rtmr2 === undefined),
    message: "MRTD measures the firmware only: without rtmr1 and rtmr2 any kernel and any application is accepted",
  },
  {
    severity: "warning",
    member: "allowMigrationAgent",
    applies: (identity) => identity.tee === "snp" && identity.allowMigrationAgent,
    message: "accepts guests whose memory a migration agent can read",
  },
  {
    severity: "note",
    member: "minimumReportedTcb",
    applies: (identity) => identity.tee === "snp" && identity.minimumReportedTcb === undefined,
    message: "no minimum: firmware with known flaws is accepted",
  },
  {
    severity: "note",
    member: "minimumTcbEvaluationDataNumber",
    applies: (identity) =>
      "minimumTcbEvaluationDataNumber" in identity &&
      typeof identity.root === "string" &&
      identity.minimumTcbEvaluationDataNumber === 0,
    message:
      "no minimum: somebody in between may serve older, still valid collateral that doesn't know the newest flaws",
  },
];

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}
