/** SGX quotes: version 3, and enclave reports in the envelopes of versions 4 and 5. */

import {type EnclaveReport, enclaveReport, type QuoteHeader} from "../dcap/layout.ts";
import {type DcapQuote, parseDcapQuote, parseQuoteHeaderOf, type QuoteForm, type TrailingBytes} from "../dcap/quote.ts";
import {QUOTE_V3} from "./layout.ts";

export type SgxQuote = DcapQuote<EnclaveReport>;

const sgxForm = {
  versions: [QUOTE_V3, 4, 5],
  teeType: 0,
  teeName: "SGX",
  bodies: [{type: 1, size: enclaveReport.size, read: enclaveReport.read}],
} as const satisfies QuoteForm<EnclaveReport>;

/** By kind of evidence. */
export const sgxForms = {
  "sgx-quote-v3": {...sgxForm, versions: [QUOTE_V3]},
  "sgx-quote": sgxForm,
} as const satisfies Readonly<Record<string, QuoteForm<EnclaveReport>>>;

/** The header, refused where this verifier can't go on. Throws `QUOTE_FORMAT`, `QUOTE_VERSION`, …. */
export function parseQuoteHeader(quote: Uint8Array, form: QuoteForm<EnclaveReport> = sgxForm): QuoteHeader {
  return parseQuoteHeaderOf(quote, form);
}

/** The whole quote. Throws as {@link parseQuoteHeader}, and `CERT_DATA_TYPE`. Byte fields are views of `quote`. */
export function parseSgxQuote(
  quote: Uint8Array,
  form: QuoteForm<EnclaveReport> = sgxForm,
  trailingBytes: TrailingBytes = "refuse",
): SgxQuote {
  return parseDcapQuote(quote, form, trailingBytes);
}
