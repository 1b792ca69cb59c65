/** Writes the X.509 certificates and CRLs of the simulated vendor (RFC 5280), in the form of Intel's and AMD's. */
import {parseHex, sha256} from "@tf-trusted/core";
import {contextTag} from "../der/reader.ts";
import {
  derBitString,
  derBoolean,
  derEnumerated,
  derExplicit,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derSet,
  derTime,
  derUtf8String,
  derValue,
} from "../der/writer.ts";
import {SGX_EXTENSION} from "../evidence/dcap/pck-extension.ts";
import {extensionOids, type KeyUsage, keyUsages} from "../x509/certificate.ts";
import {keyAlgorithms, type PublicKey} from "../x509/public-key.ts";
import {type SigningKey, signDer} from "./keys.ts";

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface CertificateRequest {
  readonly subject: string;
  readonly publicKey: PublicKey;
  readonly issuer: string;
  readonly issuerKey: SigningKey;
  readonly validity: Validity;
  /** Given for authorities: how many authorities may follow. */
  readonly pathLength?: number;
  /** Default: keyCertSign and cRLSign for authorities, digitalSignature and nonRepudiation for others. */
  readonly keyUsage?: readonly KeyUsage[];
  readonly serial?: Uint8Array;
  /** Further extensions: OID, value, whether critical. */
  readonly extensions?: readonly (readonly [oid: string, value: Uint8Array, critical: boolean])[];
}

/** Nobody can take these names for a vendor's; trust hangs on the root key anyway. */
const ORGANISATION = "TF Trusted simulation, no protection";
const nameOids = {commonName: "2.5.4.3", organization: "2.5.4.10"} as const;

export async function encodeCertificate(request: CertificateRequest): Promise<Uint8Array<ArrayBuffer>> {
  const {subject, publicKey, issuer, issuerKey, validity, pathLength, extensions = []} = request;
  const serial =
    request.serial ?? crypto.getRandomValues(new Uint8Array(16)).map((byte, i) => (i === 0 ? byte | 1 : byte));
  const signatureAlgorithm = signatureAlgorithmOf(issuerKey);
  const isAuthority = pathLength !== undefined;
  const defaultUsage: readonly KeyUsage[] = isAuthority
    ? ["keyCertSign", "cRLSign"]
    : ["digitalSignature", "nonRepudiation"];
  const body = derSequence(
    derExplicit(0, derInteger(2)),
    derInteger(serial),
    signatureAlgorithm,
    encodeName(issuer),
    derSequence(derTime(validity.notBefore), derTime(validity.notAfter)),
    encodeName(subject),
    publicKey.spki,
    derExplicit(
      3,
      derSequence(
        extension(
          extensionOids.authorityKeyIdentifier,
          derSequence(derValue(contextTag(0, "primitive"), await keyId(issuerKey.publicKey))),
        ),
        extension(extensionOids.subjectKeyIdentifier, derOctetString(await keyId(publicKey))),
        extension(extensionOids.keyUsage, encodeKeyUsage(request.keyUsage ?? defaultUsage), true),
        extension(
          extensionOids.basicConstraints,
          isAuthority ? derSequence(derBoolean(true), derInteger(pathLength)) : derSequence(),
          true,
        ),
        ...extensions.map(([oid, value, critical]) => extension(oid, value, critical)),
      ),
    ),
  );
  return derSequence(body, signatureAlgorithm, derBitString(await signDer(issuerKey, body)));
}

export interface CrlRequest {
  readonly issuer: string;
  readonly issuerKey: SigningKey;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  /** Big-endian serials. */
  readonly revoked: readonly Uint8Array[];
}

export async function encodeRevocationList({
  issuer,
  issuerKey,
  thisUpdate,
  nextUpdate,
  revoked,
}: CrlRequest): Promise<Uint8Array<ArrayBuffer>> {
  const signatureAlgorithm = signatureAlgorithmOf(issuerKey);
  const entries = revoked.map((serial) => derSequence(derInteger(serial), derTime(thisUpdate)));
  const body = derSequence(
    derInteger(1),
    signatureAlgorithm,
    encodeName(issuer),
    derTime(thisUpdate),
    derTime(nextUpdate),
    ...(entries.length > 0 ? [derSequence(...entries)] : []),
    derExplicit(
      0,
      derSequence(
        extension(extensionOids.crlNumber, derInteger(1)),
        extension(
          extensionOids.authorityKeyIdentifier,
          derSequence(derValue(contextTag(0, "primitive"), await keyId(issuerKey.publicKey))),
        ),
      ),
    ),
  );
  return derSequence(body, signatureAlgorithm, derBitString(await signDer(issuerKey, body)));
}

export interface PckExtensionRequest {
  readonly ppid: Uint8Array;
  readonly components: readonly number[];
  readonly pceSvn: number;
  readonly pceId: Uint8Array;
  readonly fmspc: Uint8Array;
  readonly platformInstanceId: Uint8Array;
}

/** The SGX extension of a PCK certificate under the Platform CA. */
export function encodePckExtension(request: PckExtensionRequest): Uint8Array {
  const {ppid, components, pceSvn, pceId, fmspc, platformInstanceId} = request;
  const item = (suffix: string, value: Uint8Array) => derSequence(derOid(SGX_EXTENSION + suffix), value);
  return derSequence(
    item(".1", derOctetString(ppid)),
    item(
      ".2",
      derSequence(
        ...components.map((svn, i) => item(`.2.${i + 1}`, derInteger(svn))),
        item(".2.17", derInteger(pceSvn)),
        item(".2.18", derOctetString(Uint8Array.from(components))),
      ),
    ),
    item(".3", derOctetString(pceId)),
    item(".4", derOctetString(fmspc)),
    item(".5", derEnumerated(1)),
    item(".6", derOctetString(platformInstanceId)),
    item(
      ".7",
      derSequence(item(".7.1", derBoolean(true)), item(".7.2", derBoolean(false)), item(".7.3", derBoolean(true))),
    ),
  );
}

function signatureAlgorithmOf({publicKey}: SigningKey): Uint8Array {
  return derSequence(parseHex(keyAlgorithms[publicKey.algorithm].signatureIdentifiers[0]!));
}

function encodeName(commonName: string): Uint8Array {
  const attribute = (oid: string, text: string) => derSet(derSequence(derOid(oid), derUtf8String(text)));
  return derSequence(attribute(nameOids.commonName, commonName), attribute(nameOids.organization, ORGANISATION));
}

/** A named bit list without trailing zeros (X.690 §11.2.2). Only the first byte's usages occur here. */
function encodeKeyUsage(usages: readonly KeyUsage[]): Uint8Array {
  const bits = usages.reduce((byte, usage) => byte | (0x80 >> keyUsages.indexOf(usage)), 0);
  return bits === 0 ? derBitString(new Uint8Array(0)) : derBitString(Uint8Array.of(bits), Math.log2(bits & -bits));
}

function extension(oid: string, value: Uint8Array, critical = false): Uint8Array {
  return derSequence(derOid(oid), ...(critical ? [derBoolean(true)] : []), derOctetString(value));
}

/** RFC 7093 §2 (1): the leftmost 160 bits of the SHA-256 of the key. */
async function keyId({point}: PublicKey): Promise<Uint8Array> {
  return (await sha256(point)).subarray(0, 20);
}
