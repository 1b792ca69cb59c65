/** The SNP attestation report as a table (AMD 56860, SEV-SNP ABI, ATTESTATION_REPORT). Numbers are little-endian. */
import {bytes, field, type LayoutValue, layout, u32le} from "../../bytes/layout.ts";

/** What the signature covers is everything before it. */
export const SIGNED_BYTES = 0x2a0;

export const snpReportLayout = layout("SNP report", 0x4a0, [
  field("version", 0x000, u32le),
  field("guestSvn", 0x004, u32le),
  field("policy", 0x008, bytes(8)),
  field("familyId", 0x010, bytes(16)),
  field("imageId", 0x020, bytes(16)),
  field("vmpl", 0x030, u32le),
  field("signatureAlgorithm", 0x034, u32le),
  field("currentTcb", 0x038, bytes(8)),
  field("platformInfo", 0x040, bytes(8)),
  field("flags", 0x048, u32le),
  field("zero", 0x04c, bytes(4)),
  field("reportData", 0x050, bytes(64)),
  field("measurement", 0x090, bytes(48)),
  field("hostData", 0x0c0, bytes(32)),
  field("idKeyDigest", 0x0e0, bytes(48)),
  field("authorKeyDigest", 0x110, bytes(48)),
  field("reportId", 0x140, bytes(32)),
  field("reportIdMa", 0x160, bytes(32)),
  field("reportedTcb", 0x180, bytes(8)),
  // Of version 3 and later: family, model, stepping.
  field("cpuid", 0x188, bytes(3)),
  field("reserved1", 0x18b, bytes(21)),
  field("chipId", 0x1a0, bytes(64)),
  field("committedTcb", 0x1e0, bytes(8)),
  field("currentVersion", 0x1e8, bytes(3)),
  field("reserved2", 0x1eb, bytes(1)),
  field("committedVersion", 0x1ec, bytes(3)),
  field("reserved3", 0x1ef, bytes(1)),
  field("launchTcb", 0x1f0, bytes(8)),
  // Of version 5: what was mitigated at launch, and is now.
  field("launchMitigations", 0x1f8, bytes(8)),
  field("currentMitigations", 0x200, bytes(8)),
  field("reserved4", 0x208, bytes(152)),
  field("signatureR", SIGNED_BYTES, bytes(72)),
  field("signatureS", 0x2e8, bytes(72)),
  field("reserved5", 0x330, bytes(368)),
]);

export type SnpReport = LayoutValue<typeof snpReportLayout>;

/** Which versions have a CPUID, and which mitigations; where they don't, those bytes are reserved. Version 4 is laid out as 3. */
export const snpVersions: Readonly<Record<number, {readonly cpuid: boolean; readonly mitigations: boolean}>> = {
  2: {cpuid: false, mitigations: false},
  3: {cpuid: true, mitigations: false},
  4: {cpuid: true, mitigations: false},
  5: {cpuid: true, mitigations: true},
};

export const snpProducts = ["Milan", "Genoa", "Turin"] as const;
export type SnpProduct = (typeof snpProducts)[number];

/** Processor families and models (AMD 57230, SEV firmware naming; Genoa's firmware serves Bergamo and Siena). */
export const snpProcessors: readonly {
  readonly product: SnpProduct;
  readonly family: number;
  readonly models: readonly [from: number, to: number];
}[] = [
  {product: "Milan", family: 0x19, models: [0x00, 0x0f]},
  {product: "Genoa", family: 0x19, models: [0x10, 0x1f]},
  {product: "Genoa", family: 0x19, models: [0xa0, 0xaf]},
  {product: "Turin", family: 0x1a, models: [0x00, 0x1f]},
];

/** By the CPUID of a report; `undefined` for none (version 2) and unknown ones. */
export function productOfCpuid([family = 0, model = 0]: Uint8Array): SnpProduct | undefined {
  return snpProcessors.find((row) => row.family === family && model >= row.models[0] && model <= row.models[1])
    ?.product;
}

/** The parts of the firmware whose versions make a TCB. */
export const tcbParts = ["fmc", "bl", "tee", "snp", "ucode"] as const;
export type TcbPart = (typeof tcbParts)[number];
export type SnpTcb = Readonly<Partial<Record<TcbPart, number>>>;

/** Which byte of a TCB version is which part. */
const tcbBytes: Readonly<Record<SnpProduct, Readonly<Partial<Record<TcbPart, number>>>>> = {
  Milan: {bl: 0, tee: 1, snp: 6, ucode: 7},
  Genoa: {bl: 0, tee: 1, snp: 6, ucode: 7},
  Turin: {fmc: 0, bl: 1, tee: 2, snp: 3, ucode: 7},
};

export function readTcb(product: SnpProduct, version: Uint8Array): SnpTcb {
  return Object.fromEntries(Object.entries(tcbBytes[product]).map(([part, at]) => [part, version[at]!]));
}

export const formatTcb = (tcb: SnpTcb): string =>
  tcbParts.flatMap((part) => (tcb[part] === undefined ? [] : [`${part} ${tcb[part]}`])).join(", ");

/** Bits of the guest policy. Bit 17 is always set. */
export const guestPolicyBits = {smt: 16, reservedOne: 17, migrationAgent: 18, debug: 19} as const;

export function guestPolicy(policy: Uint8Array, bit: keyof typeof guestPolicyBits): boolean {
  const at = guestPolicyBits[bit];
  return ((policy[at >> 3]! >> (at & 7)) & 1) === 1;
}

/** Bits 2 to 4 of the flags: the key that signed. */
export const signingKeys: Readonly<Record<number, "VCEK" | "VLEK">> = {0: "VCEK", 1: "VLEK"};
export const signingKeyOf = (flags: number): number => (flags >> 2) & 7;
