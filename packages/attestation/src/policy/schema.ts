/**
 * What a caller accepts, as JSON: a list of identities, each of one kind of TEE. One definition gives the check, the types
 * and the JSON Schema. Unknown members are refused: a misspelt restriction must not be no restriction.
 */
import * as z from "zod/mini";
import {acceptableTcbStatuses, relaunchTcbStatuses, type TcbStatus} from "../collateral/tcb-status.ts";
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
      z.enum(Object.keys(vendorRoots) as [VendorRootName, ...VendorRootName[]]),
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

const common = {
  name: z
    .optional(z.string().check(z.minLength(1), z.maxLength(100)))
    .register(described, {description: "A name for reports."}),
  root,
  allowDebug: z._default(z.boolean(), false).register(described, {
    description: "Accept debug enclaves, whose memory can be read from outside.",
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
};

function acceptedTcbStatuses<const Status extends AcceptableTcbStatus>(allowed: readonly Status[]) {
  return z
    ._default(
      z.array(
        z.enum(allowed as unknown as [Status], {
          error: `expected one of ${allowed.join(", ")}; Revoked is never acceptable`,
        }),
      ),
      ["UpToDate" as Status],
    )
    .register(described, {description: "Accepted TCB statuses of the platform; Revoked is never accepted."});
}

/** What Intel's evidence has in common. */
const dcap = {
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
  trailingBytes: z._default(z.enum(["refuse", "allow-zero", "allow"]), "refuse").register(described, {
    description: "Bytes after the end of a quote: platforms hand quotes out in zero-padded buffers.",
  }),
};

const sgxIdentity = z.strictObject({
  tee: z.literal("sgx"),
  mrEnclave: z
    .optional(z.array(hex(32, "MRENCLAVE")).check(z.minLength(1)))
    .register(described, {description: "Accepted measurements of the enclave's code."}),
  mrSigner: z.optional(hex(32, "SHA-256 of the key that signed the enclave. Needs isvProdId and minimumIsvSvn.")),
  isvProdId: z.optional(uint16).register(described, {description: "The signer's product number."}),
  minimumIsvSvn: z
    .optional(uint16)
    .register(described, {description: "The oldest accepted security version of the enclave."}),
  allowTcbInfoV2: z._default(z.boolean(), false).register(described, {
    description: "Accept TCB info of version 2, of the provisioning service v3.",
  }),
  acceptedTcbStatuses: acceptedTcbStatuses(acceptableTcbStatuses),
  ...common,
  ...dcap,
});

function measurements(bytes: number, name: string, description: string) {
  return z.optional(z.array(hex(bytes, name)).check(z.minLength(1))).register(described, {description});
}

const tdxIdentity = z.strictObject({
  tee: z.literal("tdx"),
  mrTd: z
    .array(hex(48, "MRTD"))
    .check(z.minLength(1))
    .register(described, {description: "Accepted measurements of the initial memory (the firmware)."}),
  rtmr0: measurements(48, "RTMR0", "Accepted values of RTMR0: the firmware's configuration."),
  rtmr1: measurements(48, "RTMR1", "Accepted values of RTMR1: boot loader and kernel."),
  rtmr2: measurements(48, "RTMR2", "Accepted values of RTMR2: kernel command line and initial file system."),
  rtmr3: measurements(48, "RTMR3", "Accepted values of RTMR3: the application."),
  mrSeam: measurements(48, "MRSEAM", "Accepted measurements of the TDX module."),
  mrConfigId: measurements(48, "MRCONFIGID", "Accepted values of MRCONFIGID."),
  mrOwner: measurements(48, "MROWNER", "Accepted values of MROWNER."),
  mrOwnerConfig: measurements(48, "MROWNERCONFIG", "Accepted values of MROWNERCONFIG."),
  mrServiceTd: measurements(48, "MRSERVICETD", "Accepted measurements of service TDs; all zeros for none."),
  acceptedTcbStatuses: acceptedTcbStatuses([...acceptableTcbStatuses, ...relaunchTcbStatuses]),
  ...common,
  ...dcap,
});

const svn = z.int().check(z.minimum(0), z.maximum(255));

const snpIdentity = z.strictObject({
  tee: z.literal("snp"),
  product: z.enum(["Milan", "Genoa", "Turin"]).register(described, {description: "The processor's product line."}),
  measurement: z
    .array(hex(48, "MEASUREMENT"))
    .check(z.minLength(1))
    .register(described, {description: "Accepted launch measurements."}),
  hostData: measurements(32, "HOST_DATA", "Accepted values of the host data."),
  idKeyDigest: measurements(48, "ID_KEY_DIGEST", "Accepted digests of the key that signed the identity block."),
  authorKeyDigest: measurements(48, "AUTHOR_KEY_DIGEST", "Accepted digests of the author's key."),
  chipId: measurements(64, "CHIP_ID", "Accepted chips, by their identifiers."),
  minimumGuestSvn: z
    .optional(z.int().check(z.minimum(0), z.maximum(0xffffffff)))
    .register(described, {description: "The oldest accepted security version of the guest."}),
  maximumVmpl: z._default(z.int().check(z.minimum(0), z.maximum(3)), 0).register(described, {
    description: "The least privileged level (VMPL) that may ask for reports; 0 is the most privileged.",
  }),
  minimumReportedTcb: z
    .optional(
      z.strictObject({
        fmc: z.optional(svn),
        bl: z.optional(svn),
        tee: z.optional(svn),
        snp: z.optional(svn),
        ucode: z.optional(svn),
      }),
    )
    .register(described, {description: "The lowest accepted version of each part of the platform's firmware."}),
  allowMigrationAgent: z._default(z.boolean(), false).register(described, {
    description: "Accept guests that a migration agent may move, which sees their memory.",
  }),
  allowSmt: z._default(z.boolean(), true).register(described, {
    description: "Accept guests that may run with simultaneous multithreading.",
  }),
  ...common,
});

const nitroIdentity = z.strictObject({
  tee: z.literal("nitro"),
  pcrs: z
    .record(
      z.string().check(z.regex(/^([0-9]|[12][0-9]|3[01])$/, {error: "expected the number of a PCR, 0 to 31"})),
      z.array(hex(48, "PCR")).check(z.minLength(1)),
    )
    .register(described, {description: "Accepted values by PCR: 0 image, 1 kernel, 2 application, 8 signer."}),
  maximumAgeSeconds: z
    .optional(z.number().check(z.positive()))
    .register(described, {description: "How old the document may be, in seconds."}),
  ...common,
});

const policy = z.strictObject({
  $schema: z.optional(z.string()),
  version: z.literal(1),
  identities: z
    .array(
      z.discriminatedUnion("tee", [sgxIdentity, tdxIdentity, snpIdentity, nitroIdentity], {
        error: 'expected "sgx", "tdx", "snp" or "nitro"',
      }),
    )
    .register(described, {
      description: "Acceptable enclaves; any one of them suffices. An empty list accepts nothing.",
    }),
});

export const policySchemaCheck = policy;

export type AcceptableTcbStatus = Exclude<TcbStatus, "Revoked">;

/** A policy as people write it. */
export type PolicyInput = z.input<typeof policy>;

declare const parsedMark: unique symbol;
/** A policy that `parsePolicy` has checked, defaults filled in. Only `parsePolicy` makes one. */
export type Policy = DeepReadonly<z.output<typeof policy>> & {readonly [parsedMark]: true};
export type PolicyIdentity = Policy["identities"][number];
export type SgxPolicyIdentity = Extract<PolicyIdentity, {tee: "sgx"}>;
export type TdxPolicyIdentity = Extract<PolicyIdentity, {tee: "tdx"}>;
export type SnpPolicyIdentity = Extract<PolicyIdentity, {tee: "snp"}>;
export type NitroPolicyIdentity = Extract<PolicyIdentity, {tee: "nitro"}>;
export type Tee = PolicyIdentity["tee"];
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
