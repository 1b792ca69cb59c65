/**
 * The certificate table that an SNP host may hand to its guests (AMD 56421, GHCB specification, §4.1.8.1): entries of GUID,
 * offset and length, ended by an entry of zeros, then the certificates in DER. The host is not trusted: a table that
 * can't be read counts as none, since the client gets what is missing from AMD.
 */
import type {SnpCollateral} from "@tf-trusted/attestation";
import {ByteReader, encodeHex} from "@tf-trusted/core";

/** By GUID as it lies in memory: the first three groups are little-endian. */
const entries: Readonly<Record<string, "key" | "chain">> = {
  [guid("63da758d-e664-4564-adc5-f4b93be8accd")]: "key", // VCEK
  [guid("a8074bc2-a25a-483e-aae6-39c045a0b8a1")]: "key", // VLEK
  [guid("4ab7b379-bbac-4fe4-a02f-05aef327c782")]: "chain", // ASK or ASVK
  [guid("c0b406a4-a803-4952-9743-3fb6014cd0ae")]: "chain", // ARK
};

const maxEntries = 32;
const entryBytes = 24;

/** What of the table the verifier can use. */
export function snpCollateralOf(table: Uint8Array): SnpCollateral {
  const certificates = readTable(table);
  const key = certificates.find(({use}) => use === "key")?.der;
  const chain = certificates.filter(({use}) => use === "chain").map(({der}) => pem(der));
  return {
    ...(key !== undefined && {vcek: Uint8Array.from(key)}),
    ...(chain.length > 0 && {amdChain: new TextEncoder().encode(chain.join(""))}),
  };
}

function readTable(table: Uint8Array): readonly {readonly use: "key" | "chain"; readonly der: Uint8Array}[] {
  const found: {readonly use: "key" | "chain"; readonly der: Uint8Array}[] = [];
  const reader = new ByteReader(table, "SNP certificate table");
  for (let i = 0; i < maxEntries && reader.remaining >= entryBytes; i++) {
    const id = reader.take(16);
    const [offset, length] = [reader.u32le(), reader.u32le()];
    if (id.every((byte) => byte === 0)) return found;
    const use = entries[encodeHex(id)];
    if (offset + length > table.length) return [];
    if (use !== undefined && length > 0) found.push({use, der: table.subarray(offset, offset + length)});
  }
  return [];
}

function pem(der: Uint8Array): string {
  const base64 = Buffer.from(der).toString("base64");
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

function guid(text: string): string {
  const [a, b, c, ...rest] = text.split("-") as [string, string, string, ...string[]];
  return (
    [a, b, c].map((group) => group.replace(/../g, "$& ").trim().split(" ").reverse().join("")).join("") + rest.join("")
  );
}
