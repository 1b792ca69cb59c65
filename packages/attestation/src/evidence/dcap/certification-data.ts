/** What a quote says about the certificate of its platform: the PCK's name, the PCK itself, or the chain. */
import {ByteReader} from "@tf-trusted/core";
import {unexpected} from "../../attestation-error.ts";
import {type CertificationDataType, certificationDataTypes, PCE_ID_BYTES, pckIdentifier} from "./layout.ts";

export type CertificationData =
  | {readonly type: 1 | 2 | 3; readonly pceId: Uint8Array | null}
  | {readonly type: 4 | 5; readonly pem: Uint8Array};

/** Reads the data of `type`. Throws `CERT_DATA_TYPE`; `BYTES_TRUNCATED` or `BYTES_TRAILING` for other lengths. */
export function readCertificationData(type: number, data: Uint8Array): CertificationData {
  if (!(type in certificationDataTypes)) {
    throw unexpected(
      "CERT_DATA_TYPE",
      `certification data type ${type}`,
      Object.keys(certificationDataTypes).join(", "),
    );
  }
  const known = type as CertificationDataType;
  if (known === 4 || known === 5) return {type: known, pem: data};
  const reader = new ByteReader(data, "certification data");
  reader.take(certificationDataTypes[known].ppidBytes);
  pckIdentifier.read(reader);
  const pceId = reader.remaining === 0 ? null : reader.take(PCE_ID_BYTES);
  reader.expectEnd();
  return {type: known, pceId};
}
