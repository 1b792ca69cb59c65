/** TDX quotes, versions 4 and 5: bytes → value. */
import {type DcapQuote, parseDcapQuote, type QuoteForm, type TrailingBytes} from "../dcap/quote.ts";
import {type TdReport, tdBodies} from "./layout.ts";

export type TdxQuote = DcapQuote<TdReport>;

export const tdxForm: QuoteForm<TdReport> = {versions: [4, 5], teeType: 0x81, teeName: "TDX", bodies: tdBodies};

/**
 * The whole quote. Throws `QUOTE_FORMAT`, `QUOTE_VERSION`, `QUOTE_KEY_TYPE`, `QUOTE_TEE_TYPE`, `QE_VENDOR`,
 * `CERT_DATA_TYPE`. Byte fields are views of `quote`.
 */
export function parseTdxQuote(quote: Uint8Array, trailingBytes: TrailingBytes = "refuse"): TdxQuote {
  return parseDcapQuote(quote, tdxForm, trailingBytes);
}
