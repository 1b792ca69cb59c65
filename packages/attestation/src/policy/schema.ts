/**
 * What a caller accepts, as JSON: a list of identities, each of one kind of TEE. One definition gives the check, the types
 * and the JSON Schema. Unknown members are refused: a misspelt restriction must not be no restriction.
 */
import * as z from "zod/mini";
import {acceptableTcbStatuses, type platformTcbStatuses} from "../collateral/tcb-status.ts";
import {type VendorRootName, vendorRoots} from "../roots/vendor-roots.ts";

const described = z.registry<{readonly description: string}>();

function hex(bytes: number, description: string) {
  return z
    .string()
    .check(
      z.regex(new RegExp(`^[0-9a-fA-F]{${2 * bytes}}$`), {error: `expected ${2 * bytes} hexadecimal digits`}),
      z.toLowerCase(),
    )
    .register(described, {description});
}

const uint16 = z.int().check(z.minimum(0), z.maximum(0xffff));
const advisory = z.string().check(z.regex(/^[A-Z0-9-]{1,40}$/, {error: "expected an advisory such as INTEL-SA-00615"}));

const root = z
  .union(
    [
      z.enum(Object.keys(vendorRoots) as [VendorRootName]),
      z.strictObject({simulated: hex(32, "SHA-256 of the public key (SPKI) of the simulated root.")}),
    ],
    {
      error: `expected ${Object.keys(vendorRoots)
        .map((name) => JSON.stringify(name))
        .join(", ")}, or {"simulated": "<SHA-256 of the root's SPKI>"}`,
    },
  )
  .register(described, {
    description:
      "Who vouches for the hardware: a vendor's root by name, or a simulation, which protects nothing, by the SHA-256 of its root's public key.",
  });

const sgxIdentity = z.strictObject({
  tee: z.literal("sgx"),
  name: z
    .optional(z.string().check(z.minLength(1), z.maxLength(100)))
    .register(described, {description: "A name for reports."}),
  root,
  mrEnclave: z
    .optional(z.array(hex(32, "MRENCLAVE")).check(z.minLength(1)))
    .register(described, {description: "Accepted measurements of the enclave's code."}),
  mrSigner: z.optional(hex(32, "SHA-256 of the key that signed the enclave. Needs isvProdId and minimumIsvSvn.")),
  isvProdId: z.optional(uint16).register(described, {description: "The signer's product number."}),
  minimumIsvSvn: z
    .optional(uint16)
    .register(described, {description: "The oldest accepted security version of the enclave."}),
  acceptedTcbStatuses: z
    ._default(
      z.array(
        z.enum(acceptableTcbStatuses as [AcceptableTcbStatus], {
          error: `expected one of ${acceptableTcbStatuses.join(", ")}; Revoked is never acceptable`,
        }),
      ),
      ["UpToDate"],
    )
    .register(described, {description: "Accepted TCB statuses of the platform; Revoked is never accepted."}),
  acceptedAdvisories: z
    .optional(z.array(advisory))
    .register(described, {description: "If given, every advisory that applies to the platform must be in this list."}),
  deniedAdvisories: z
    ._default(z.array(advisory), [])
    .register(described, {description: "Advisories that must not apply to the platform."}),
  minimumTcbEvaluationDataNumber: z._default(z.int().check(z.minimum(0)), 0).register(described, {
    description: "The oldest accepted round of evaluation: stops older, still valid collateral from hiding new flaws.",
  }),
  maximumCollateralAgeDays: z
    .optional(z.number().check(z.positive()))
    .register(described, {description: "How old the oldest part of the collateral may be, in days."}),
  allowDebug: z._default(z.boolean(), false).register(described, {
    description: "Accept debug enclaves, whose memory can be read from outside.",
  }),
  allowTcbInfoV2: z._default(z.boolean(), false).register(described, {
    description: "Accept TCB info of version 2, of the provisioning service v3.",
  }),
  requiredClaims: z
    ._default(
      z.record(
        z
          .string()
          .check(
            z.regex(/^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*$/, {error: "expected a name, or names with dots"}),
          ),
        z.union([z.string(), z.array(z.string()).check(z.minLength(1))]),
      ),
      {},
    )
    .register(described, {
      description:
        "Claims that the enclave makes about itself, bound by its report data: name, such as configurationSha256, engine.sha256 or software, and accepted value or values.",
    }),
});

const policy = z.strictObject({
  $schema: z.optional(z.string()),
  version: z.literal(1),
  identities: z.array(z.discriminatedUnion("tee", [sgxIdentity], {error: 'expected "sgx"'})).register(described, {
    description: "Acceptable enclaves; any one of them suffices. An empty list accepts nothing.",
  }),
});

export const policySchemaCheck = policy;

export type AcceptableTcbStatus = Exclude<(typeof platformTcbStatuses)[number], "Revoked">;

/** A policy as people write it. */
export type PolicyInput = z.input<typeof policy>;

declare const parsedMark: unique symbol;
/** A policy that `parsePolicy` has checked, defaults filled in. Only `parsePolicy` makes one. */
export type Policy = DeepReadonly<z.output<typeof policy>> & {readonly [parsedMark]: true};
export type PolicyIdentity = Policy["identities"][number];
export type SgxPolicyIdentity = Extract<PolicyIdentity, {tee: "sgx"}>;
export type PolicyRoot = PolicyIdentity["root"];

type DeepReadonly<T> = T extends object ? {readonly [K in keyof T]: DeepReadonly<T[K]>} : T;

/** What an SGX identity must name, so that it doesn't accept every enclave there is. */
export const sgxIdentityForms = [
  ["mrEnclave"],
  ["mrSigner", "isvProdId", "minimumIsvSvn"],
] as const satisfies readonly (readonly (keyof SgxPolicyIdentity)[])[];

/** The JSON Schema (2020-12) of policies, for editors and documentation. */
export const policySchema: Readonly<Record<string, unknown>> = z.toJSONSchema(policy, {
  io: "input",
  metadata: described,
  override: ({zodSchema, jsonSchema}) => {
    if ((zodSchema as unknown) === sgxIdentity)
      jsonSchema.anyOf = sgxIdentityForms.map((required) => ({required: [...required]}));
  },
}) as Readonly<Record<string, unknown>>;
