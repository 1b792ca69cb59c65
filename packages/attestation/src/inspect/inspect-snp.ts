/** SNP reports, field by field. */
import {ByteReader} from "@tf-trusted/core";
import {
  formatTcb,
  guestPolicyBits,
  productOfCpuid,
  readTcb,
  signingKeyOf,
  signingKeys,
  snpReportLayout,
} from "../evidence/snp/layout.ts";
import {
  bitNames,
  decoded,
  type InspectedSection,
  isZero,
  littleEndian,
  type Meanings,
  readSection,
} from "./inspection.ts";

/** AMD 56860, guest policy and platform information; the two lowest bytes of the policy are the ABI version. */
const policyBits = {
  [guestPolicyBits.smt]: "SMT",
  [guestPolicyBits.reservedOne]: "reserved (always set)",
  [guestPolicyBits.migrationAgent]: "MIGRATE_MA",
  [guestPolicyBits.debug]: "DEBUG",
  20: "SINGLE_SOCKET",
  21: "CXL_ALLOW",
  22: "MEM_AES_256_XTS",
  23: "RAPL_DIS",
  24: "CIPHERTEXT_HIDING",
  25: "PAGE_SWAP_DISABLE",
} as const;
const platformBits = {
  0: "SMT_EN",
  1: "TSME_EN",
  2: "ECC_EN",
  3: "RAPL_DIS",
  4: "CIPHERTEXT_HIDING_EN",
  5: "ALIAS_CHECK_COMPLETE",
  7: "TIO_EN",
} as const;

/** Adds the sections of a report. Throws `BYTES_TRUNCATED`. */
export function inspectSnp(bytes: Uint8Array, sections: InspectedSection[]): void {
  const reader = new ByteReader(bytes, "report");
  const product = productOfCpuid(bytes.subarray(0x188, 0x18b));
  const tcb = (part: Uint8Array) =>
    product === undefined
      ? "which byte is which part depends on the product, which version 2 doesn't tell"
      : formatTcb(readTcb(product, part));
  const firmware = (part: Uint8Array) => `${part[2]}.${part[1]} build ${part[0]}`;
  const meanings: Meanings = {
    policy: (part) => {
      const high = part.slice();
      high.fill(0, 0, 2);
      return `ABI ${part[1]}.${part[0]} at least; ${bitNames(high, policyBits)}`;
    },
    vmpl: (part) => (littleEndian(part) === 0xffffffff ? "asked for by the host" : String(littleEndian(part))),
    signatureAlgorithm: (part) =>
      littleEndian(part) === 1 ? "1: ECDSA P-384 with SHA-384" : `${littleEndian(part)}: unknown`,
    currentTcb: tcb,
    reportedTcb: tcb,
    committedTcb: tcb,
    launchTcb: tcb,
    platformInfo: (part) => bitNames(part, platformBits),
    flags: (part) => {
      const flags = littleEndian(part);
      const key = signingKeyOf(flags);
      const names = bitNames(Uint8Array.of(flags & 3), {0: "AUTHOR_KEY_EN", 1: "MASK_CHIP_KEY"});
      return `${names}; signed by ${signingKeys[key] ?? (key === 7 ? "no key" : `key ${key}`)}`;
    },
    measurement: () => "of the guest's memory at launch",
    chipId: (part) => (isZero(part) ? "masked, or signed by a VLEK" : ""),
    cpuid: (part) =>
      isZero(part)
        ? "not told"
        : `family 0x${part[0]!.toString(16)}, model 0x${part[1]!.toString(16)}, stepping ${part[2]}${product ? `: ${product}` : ""}`,
    currentVersion: firmware,
    committedVersion: firmware,
    launchMitigations: (part) => bitNames(part, {}),
    currentMitigations: (part) => bitNames(part, {}),
    signatureR: () => "little-endian",
    signatureS: () => "little-endian",
  };
  sections.push(readSection("Attestation report", snpReportLayout, reader, meanings));
  if (reader.remaining > 0) {
    sections.push({title: "After the end", fields: [decoded("trailing", `${reader.remaining} bytes`)]});
  }
}
