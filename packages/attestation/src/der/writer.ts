/** Writes the DER that the simulated platform's certificates and CRLs are made of (ITU-T X.690). */
import {concatBytes} from "@tf-trusted/core";
import {contextTag, derTag} from "./reader.ts";

export type Der = Uint8Array<ArrayBuffer>;

export function derValue(tag: number, ...content: readonly Uint8Array[]): Der {
  const body = concatBytes(...content);
  return concatBytes(Uint8Array.of(tag), derLength(body.length), body);
}

export function derSequence(...items: readonly Uint8Array[]): Der {
  return derValue(derTag.SEQUENCE, ...items);
}

export function derSet(item: Uint8Array): Der {
  return derValue(derTag.SET, item);
}

/** A non-negative INTEGER from its big-endian bytes or a number below 2^53. */
export function derInteger(value: number | Uint8Array): Der {
  const magnitude = typeof value === "number" ? numberBytes(value) : value;
  const start = magnitude.findIndex((byte) => byte !== 0);
  const shortest = start < 0 ? Uint8Array.of(0) : magnitude.subarray(start);
  return derValue(derTag.INTEGER, shortest[0]! & 0x80 ? Uint8Array.of(0) : new Uint8Array(0), shortest);
}

export function derEnumerated(value: number): Der {
  return derValue(derTag.ENUMERATED, Uint8Array.of(value));
}

export function derBoolean(value: boolean): Der {
  return derValue(derTag.BOOLEAN, Uint8Array.of(value ? 0xff : 0));
}

export function derOid(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return derValue(derTag.OID, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

export function derOctetString(...content: readonly Uint8Array[]): Der {
  return derValue(derTag.OCTET_STRING, ...content);
}

export function derBitString(content: Uint8Array, unused = 0): Der {
  return derValue(derTag.BIT_STRING, Uint8Array.of(unused), content);
}

export function derUtf8String(text: string): Der {
  return derValue(derTag.UTF8_STRING, new TextEncoder().encode(text));
}

export function derExplicit(number: number, ...content: readonly Uint8Array[]): Der {
  return derValue(contextTag(number, "constructed"), ...content);
}

/** UTCTime before 2050, GeneralizedTime after (RFC 5280 §4.1.2.5). Milliseconds are cut. */
export function derTime(time: Date): Der {
  const digits = time.toISOString().replace(/\.\d+/, "").replaceAll(/[-:T]/g, "");
  const utc = time.getUTCFullYear() < 2050;
  return derValue(
    utc ? derTag.UTC_TIME : derTag.GENERALIZED_TIME,
    new TextEncoder().encode(utc ? digits.slice(2) : digits),
  );
}

function derLength(length: number): Uint8Array {
  return length < 0x80
    ? Uint8Array.of(length)
    : Uint8Array.of(0x80 | numberBytes(length).length, ...numberBytes(length));
}

function numberBytes(value: number): Uint8Array {
  const out: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) out.unshift(rest % 256);
  return Uint8Array.from(out);
}

function base128(arc: number): number[] {
  const out = [arc % 128];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) out.unshift((rest % 128) | 0x80);
  return out;
}
