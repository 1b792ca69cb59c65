/**
 * The envelope of Intel's signed JSON: `{"<name>":{…},"signature":"<128 hex>"}`. What is signed is the value's text exactly
 * as received, from its brace to its brace (Intel PCS v4); it is cut out of the text, never written again.
 */
import {AttestationError, unexpected} from "../attestation-error.ts";
import type {AttestationCode} from "../codes.ts";
import {Members} from "../json/members.ts";
import {decodeUtf8, parseStrictJson} from "../json/strict-json.ts";

export interface SignedJson {
  /** The members of the signed value. */
  readonly body: Members;
  /** The bytes that the signature covers. */
  readonly signedBytes: Uint8Array<ArrayBuffer>;
  /** r ‖ s. */
  readonly signature: Uint8Array<ArrayBuffer>;
}

/** Opens the envelope; every flaw of its text is `code`. */
export function parseSignedJson(bytes: Uint8Array, name: string, code: AttestationCode): SignedJson {
  return withJsonCode(code, () => {
    const text = decodeUtf8(bytes);
    const envelope = new Members(parseStrictJson(text), "$");
    const node = envelope.node(name);
    return {
      body: new Members(node, name),
      signedBytes: new TextEncoder().encode(text.slice(node.start, node.end)) as Uint8Array<ArrayBuffer>,
      signature: envelope.hex("signature", 64),
    };
  });
}

/** Runs a reader of members and gives its failures the code of the document. */
export function withJsonCode<T>(code: AttestationCode, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AttestationError) || error.code !== "JSON_INVALID") throw error;
    throw unexpected(code, String(error.details.found), String(error.details.expected), error);
  }
}
