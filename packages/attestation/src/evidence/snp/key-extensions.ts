/** What AMD writes into the certificate of a signing key (AMD 57230 §1.5): product, firmware, chip. */
import {parsing, unexpected} from "../../attestation-error.ts";
import {DerReader, derTag} from "../../der/reader.ts";
import type {Certificate} from "../../x509/certificate.ts";
import {type SnpProduct, type SnpTcb, snpProducts, type TcbPart} from "./layout.ts";

const ARC = "1.3.6.1.4.1.3704.1";
const svnOids: Readonly<Record<TcbPart, string>> = {
  bl: `${ARC}.3.1`,
  tee: `${ARC}.3.2`,
  snp: `${ARC}.3.3`,
  ucode: `${ARC}.3.8`,
  fmc: `${ARC}.3.9`,
};
const PRODUCT_NAME = `${ARC}.2`;
const HARDWARE_ID = `${ARC}.4`;

export interface KeyExtensions {
  /** "Milan-B0" */
  readonly productName: string;
  readonly product: SnpProduct;
  readonly tcb: SnpTcb;
  /** Of a VCEK: 64 bytes, on Turin 8. `null` for a VLEK, which is of no chip. */
  readonly hardwareId: Uint8Array | null;
}

/** Throws `SNP_VCEK_EXTENSION`, and `SNP_PRODUCT_MISMATCH` for a product that nobody knows. */
export function readKeyExtensions({extensions}: Certificate): KeyExtensions {
  return parsing("SNP_VCEK_EXTENSION", "AMD's extensions", () => {
    const productName = readText(extensions.get(PRODUCT_NAME));
    const product = snpProducts.find((name) => productName === name || productName.startsWith(`${name}-`));
    if (product === undefined) {
      throw unexpected("SNP_PRODUCT_MISMATCH", `the product "${productName}"`, snpProducts.join(", "));
    }
    const parts = Object.entries(svnOids).filter(([part]) => part !== "fmc" || product === "Turin");
    const tcb = Object.fromEntries(parts.map(([part, oid]) => [part, readSvn(part, extensions.get(oid))]));
    return {productName, product, tcb, hardwareId: readHardwareId(extensions.get(HARDWARE_ID))};
  });
}

function readText(value: Uint8Array | undefined): string {
  if (value === undefined) throw unexpected("SNP_VCEK_EXTENSION", "no product name", "the extension productName");
  const reader = new DerReader(value, "product name");
  const {content} = reader.value(derTag.IA5_STRING);
  reader.end();
  if (content.length > 32 || content.some((byte) => byte < 0x20 || byte > 0x7e)) {
    throw unexpected("SNP_VCEK_EXTENSION", "a product name of other characters", "printable ones");
  }
  return String.fromCharCode(...content);
}

function readSvn(part: string, value: Uint8Array | undefined): number {
  if (value === undefined) throw unexpected("SNP_VCEK_EXTENSION", `no version of ${part}`, "one of each part");
  const reader = new DerReader(value, `version of ${part}`);
  const svn = reader.smallInteger(255);
  reader.end();
  return svn;
}

/** As it is, or wrapped in an OCTET STRING: AMD has issued both. */
function readHardwareId(value: Uint8Array | undefined): Uint8Array | null {
  if (value === undefined) return null;
  const sizes = [8, 64];
  if (sizes.includes(value.length)) return value;
  const reader = new DerReader(value, "hardware id");
  const id = reader.octetString();
  reader.end();
  if (sizes.includes(id.length)) return id;
  throw unexpected("SNP_VCEK_EXTENSION", `a hardware id of ${id.length} bytes`, "8 or 64");
}
