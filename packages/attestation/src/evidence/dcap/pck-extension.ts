/** The SGX extension of PCK certificates, `1.2.840.113741.1.13.1` (Intel, "SGX PCK Certificate and CRL Profile" §1.5). */
import {parsing, unexpected} from "../../attestation-error.ts";
import {SGX_COMPONENTS} from "../../collateral/tcb-info.ts";
import {DerReader, derTag} from "../../der/reader.ts";
import type {Certificate} from "../../x509/certificate.ts";

export const SGX_EXTENSION = "1.2.840.113741.1.13.1";

export interface PckExtension {
  /** Identifies the package; 16 bytes. */
  readonly ppid: Uint8Array;
  /** The 16 component SVNs that TCB levels are compared with. */
  readonly components: readonly number[];
  readonly pceSvn: number;
  readonly cpuSvn: Uint8Array;
  readonly pceId: Uint8Array;
  /** Family, model, stepping, platform and custom SKU; 6 bytes. */
  readonly fmspc: Uint8Array;
  readonly sgxType: "standard" | "scalable" | "scalable with integrity";
  /** Only under the Platform CA; identifies the platform; 16 bytes. */
  readonly platformInstanceId: Uint8Array | null;
  readonly configuration: {
    readonly dynamicPlatform: boolean | null;
    readonly cachedKeys: boolean | null;
    readonly smtEnabled: boolean | null;
  };
}

const sgxTypes = ["standard", "scalable", "scalable with integrity"] as const;

/** Reads the extension of `certificate`. Throws `PCK_EXTENSION`. */
export function readPckExtension(certificate: Certificate): PckExtension {
  const value = certificate.extensions.get(SGX_EXTENSION);
  if (value === undefined) {
    throw unexpected("PCK_EXTENSION", `"${certificate.subject.commonName}" without the SGX extension`, SGX_EXTENSION);
  }
  return parsing("PCK_EXTENSION", "SGX extension", () => {
    const items = new Items(value, "", true);
    const tcb = new Items(items.required(".2", derTag.SEQUENCE), ".2", false);
    const configuration = items.has(".7") ? new Items(items.required(".7", derTag.SEQUENCE), ".7", false) : undefined;
    return Object.freeze({
      ppid: items.single(".1", (r) => r.octetString(16)),
      components: Array.from({length: SGX_COMPONENTS}, (_, i) =>
        tcb.single(`.2.${i + 1}`, (r) => r.smallInteger(0xff)),
      ),
      pceSvn: tcb.single(".2.17", (r) => r.smallInteger(0xffff)),
      cpuSvn: tcb.single(".2.18", (r) => r.octetString(16)),
      pceId: items.single(".3", (r) => r.octetString(2)),
      fmspc: items.single(".4", (r) => r.octetString(6)),
      sgxType: sgxTypes[items.single(".5", (r) => r.enumerated(sgxTypes.length - 1))]!,
      platformInstanceId: items.has(".6") ? items.single(".6", (r) => r.octetString(16)) : null,
      configuration: {
        dynamicPlatform: flag(configuration, ".7.1"),
        cachedKeys: flag(configuration, ".7.2"),
        smtEnabled: flag(configuration, ".7.3"),
      },
    });
  });
}

function flag(items: Items | undefined, suffix: string): boolean | null {
  return items?.has(suffix) ? items.single(suffix, (r) => r.boolean()) : null;
}

/** SEQUENCE OF SEQUENCE {OID, value}, in any order, each OID once. */
class Items {
  readonly #values = new Map<string, Uint8Array>();

  constructor(bytes: Uint8Array, under: string, wrapped: boolean) {
    const what = `SGX extension ${under}`;
    const outer = new DerReader(bytes, what);
    const list = wrapped ? outer.sequence(what) : outer;
    while (!list.done) {
      const item = list.sequence(what);
      const oid = item.oid();
      const value = item.value();
      item.end();
      if (this.#values.has(oid)) throw unexpected("PCK_EXTENSION", `${oid} twice`, "each item once");
      this.#values.set(oid, value.encoding);
    }
    if (wrapped) outer.end();
  }

  has(suffix: string): boolean {
    return this.#values.has(SGX_EXTENSION + suffix);
  }

  /** The content of an item that must be there. */
  required(suffix: string, tag: number): Uint8Array {
    return this.single(suffix, (reader) => reader.value(tag).content);
  }

  single<T>(suffix: string, read: (reader: DerReader) => T): T {
    const encoding = this.#values.get(SGX_EXTENSION + suffix);
    if (encoding === undefined)
      throw unexpected("PCK_EXTENSION", `no item ${SGX_EXTENSION}${suffix}`, "it to be there");
    return read(new DerReader(encoding, `SGX extension ${suffix}`));
  }
}
