/** Nitro documents under keys of our own, right or with one fault: root, authority and an enclave's P-384 certificate. */
import {concatBytes, encodeHex, parseHex, sha256} from "@tf-trusted/core";
import {cborBytes, cborHead, cborMap, cborText} from "../cbor/writer.ts";
import {
  derBitString,
  derBoolean,
  derExplicit,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derSet,
  derTime,
  derUtf8String,
} from "../der/writer.ts";
import {extensionOids} from "../x509/certificate.ts";
import {keyAlgorithms} from "../x509/public-key.ts";

export const forgeNitroTime = new Date("2026-03-01T00:00:00Z");

const keyNames = ["root", "authority", "leaf", "inner"] as const;
export type NitroKeys = Readonly<Record<(typeof keyNames)[number], CryptoKeyPair>> & {readonly rootPin: string};

interface CertificateFault {
  readonly issuer?: (typeof keyNames)[number];
  readonly signedBy?: (typeof keyNames)[number];
  readonly authority?: boolean;
  readonly pathLength?: number;
  /** The byte of keyUsage: 0x80 digitalSignature, 0x06 keyCertSign and cRLSign. */
  readonly usage?: number;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

/** What differs from healthy evidence. Values of the payload are CBOR; `null` leaves a member out. */
export interface NitroFault {
  readonly certificates?: Partial<Record<(typeof keyNames)[number], CertificateFault>>;
  /** Between root and leaf, the root included. */
  readonly bundle?: readonly (typeof keyNames)[number][];
  readonly leaf?: (typeof keyNames)[number];
  readonly payload?: Readonly<Record<string, Uint8Array | null>>;
  /** Bytes of the payload after it was put together, before it is signed. */
  readonly editPayload?: (payload: Uint8Array) => Uint8Array;
  readonly protectedHeader?: Uint8Array;
  /** What is signed as external data, which documents don't have. */
  readonly externalData?: Uint8Array;
  readonly signedBy?: (typeof keyNames)[number];
}

export async function makeNitroKeys(): Promise<NitroKeys> {
  const pairs = await Promise.all(
    keyNames.map(
      (): Promise<CryptoKeyPair> =>
        crypto.subtle.generateKey({name: "ECDSA", namedCurve: "P-384"}, true, ["sign", "verify"]),
    ),
  );
  const [root, authority, leaf, inner] = pairs as [CryptoKeyPair, CryptoKeyPair, CryptoKeyPair, CryptoKeyPair];
  return {root, authority, leaf, inner, rootPin: encodeHex(await sha256(await spkiOf(root)))};
}

export async function forgeNitro(keys: NitroKeys, fault: NitroFault = {}): Promise<Uint8Array> {
  const leaf = fault.leaf ?? "leaf";
  const bundle = fault.bundle ?? ["root", "authority"];
  const encoded = await Promise.all(
    [...bundle, leaf].map((name) => certificate(keys, name, fault.certificates?.[name])),
  );
  const members: Readonly<Record<string, Uint8Array | null>> = {
    module_id: cborText("i-0-enc0"),
    digest: cborText("SHA384"),
    timestamp: cborHead(0, forgeNitroTime.getTime() - 10_000),
    pcrs: cborMap([0, 1, 2, 4].map((index) => [cborHead(0, index), cborBytes(new Uint8Array(48).fill(0x10 + index))])),
    certificate: cborBytes(encoded.at(-1)!),
    cabundle: concatBytes(cborHead(4, bundle.length), ...encoded.slice(0, -1).map(cborBytes)),
    public_key: Uint8Array.of(0xf6),
    user_data: cborBytes(new Uint8Array(64).fill(7)),
    nonce: cborBytes(new Uint8Array(32).fill(8)),
    ...fault.payload,
  };
  const entries = Object.entries(members).flatMap(([name, value]) => (value ? [[cborText(name), value] as const] : []));
  const map = cborMap(entries);
  const payload = fault.editPayload?.(map) ?? map;
  const header = fault.protectedHeader ?? parseHex("a1013822");
  const signed = concatBytes(
    Uint8Array.of(0x84),
    cborText("Signature1"),
    cborBytes(header),
    cborBytes(fault.externalData ?? new Uint8Array(0)),
    cborBytes(payload),
  );
  const signature = await sign(keys[fault.signedBy ?? leaf], signed);
  return concatBytes(
    Uint8Array.of(0x84),
    cborBytes(header),
    Uint8Array.of(0xa0),
    cborBytes(payload),
    cborBytes(signature),
  );
}

const signatureAlgorithm = derSequence(parseHex(keyAlgorithms["ECDSA P-384"].signatureIdentifiers[0]));

async function certificate(
  keys: NitroKeys,
  name: (typeof keyNames)[number],
  fault: CertificateFault = {},
): Promise<Uint8Array> {
  const issuer = fault.issuer ?? (name === "leaf" || name === "inner" ? "authority" : "root");
  const authority = fault.authority ?? (name === "root" || name === "authority");
  const usage = fault.usage ?? (authority ? 0x06 : 0x80);
  const pathLength = fault.pathLength === undefined ? [] : [derInteger(fault.pathLength)];
  const critical = (oid: string, value: Uint8Array) =>
    derSequence(derOid(oid), derBoolean(true), derOctetString(value));
  const body = derSequence(
    derExplicit(0, derInteger(2)),
    derInteger(1 + keyNames.indexOf(name)),
    signatureAlgorithm,
    nameOf(issuer),
    derSequence(
      derTime(fault.notBefore ?? new Date("2020-01-01T00:00:00Z")),
      derTime(fault.notAfter ?? new Date("2045-01-01T00:00:00Z")),
    ),
    nameOf(name),
    await spkiOf(keys[name]),
    derExplicit(
      3,
      derSequence(
        critical(
          extensionOids.basicConstraints,
          authority ? derSequence(derBoolean(true), ...pathLength) : derSequence(),
        ),
        critical(extensionOids.keyUsage, derBitString(Uint8Array.of(usage), Math.log2(usage & -usage))),
      ),
    ),
  );
  const raw = await sign(keys[fault.signedBy ?? issuer], body);
  const signature = derSequence(derInteger(raw.subarray(0, 48)), derInteger(raw.subarray(48)));
  return derSequence(body, signatureAlgorithm, derBitString(signature));
}

async function sign({privateKey}: CryptoKeyPair, data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign({name: "ECDSA", hash: "SHA-384"}, privateKey, data));
}

async function spkiOf({publicKey}: CryptoKeyPair): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
}

function nameOf(commonName: string): Uint8Array {
  return derSequence(derSet(derSequence(derOid("2.5.4.3"), derUtf8String(commonName))));
}
