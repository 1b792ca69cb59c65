/** Byte layouts of SGX quotes version 3: Intel, "SGX ECDSA Quote Library Reference" §A. */
import {bytes, field, layout} from "../../bytes/layout.ts";

export const QUOTE_V3 = 3;

/** The fixed part of the signature data of version 3, after its length. */
export const quoteSignature = layout("quote signature data", 576, [
  field("signature", 0, bytes(64)),
  field("attestationKey", 64, bytes(64)),
  field("qeReport", 128, bytes(384)),
  field("qeReportSignature", 512, bytes(64)),
]);
