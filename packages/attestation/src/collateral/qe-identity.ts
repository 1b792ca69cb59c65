/** The identity of the quoting enclave, version 2 (Intel PCS API v4), and the choice of its level. */
import {Members} from "../json/members.ts";
import {parseSignedJson, type SignedJson, withJsonCode} from "./signed-json.ts";
import {type EnclaveLevel, readEnclaveLevel} from "./tcb-info.ts";

export interface QeIdentity {
  /** QE quotes for SGX, TD_QE for TDX; QVE verifies quotes. */
  readonly id: "QE" | "TD_QE" | "QVE";
  readonly issueDate: number;
  readonly nextUpdate: number;
  readonly tcbEvaluationDataNumber: number;
  /** Bytes as the report stores them: no integer of any byte order. */
  readonly miscSelect: Uint8Array;
  readonly miscSelectMask: Uint8Array;
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly levels: readonly EnclaveLevel[];
}

/** Opens the envelope without trusting anything. Throws `QE_IDENTITY_FORMAT`. */
export function openQeIdentity(bytes: Uint8Array): SignedJson {
  return parseSignedJson(bytes, "enclaveIdentity", "QE_IDENTITY_FORMAT");
}

/** Reads the signed value. Throws `QE_IDENTITY_FORMAT`. */
export function readQeIdentity(body: Members): QeIdentity {
  return withJsonCode("QE_IDENTITY_FORMAT", () => {
    body.integer("version", 2, 2);
    return Object.freeze({
      id: body.oneOf("id", ["QE", "TD_QE", "QVE"]),
      issueDate: body.date("issueDate"),
      nextUpdate: body.date("nextUpdate"),
      tcbEvaluationDataNumber: body.integer("tcbEvaluationDataNumber", 0, 0xffffffff),
      miscSelect: body.hex("miscselect", 4),
      miscSelectMask: body.hex("miscselectMask", 4),
      attributes: body.hex("attributes", 16),
      attributesMask: body.hex("attributesMask", 16),
      mrSigner: body.hex("mrsigner", 32),
      isvProdId: body.integer("isvprodid", 0, 0xffff),
      levels: body.list("tcbLevels", [1, 1000], (node, path) => readEnclaveLevel(new Members(node, path))),
    });
  });
}

/** The first level that a quoting enclave of `isvSvn` reaches; `undefined` if none. */
export function findQeLevel(levels: readonly EnclaveLevel[], isvSvn: number): EnclaveLevel | undefined {
  return levels.find((level) => isvSvn >= level.isvSvn);
}
