/**
 * Collateral for one piece of evidence in a folder: a file for each part, named as in bundles (`tcbInfo.json`,
 * `vcek.der`); hyphens and case don't matter. Files with other names are left alone.
 */
import {readdir} from "node:fs/promises";
import {join} from "node:path";
import {bundleFiles} from "@tf-trusted/attestation";
import {parseHex} from "@tf-trusted/core";
import {CliError} from "./cli-error.ts";
import {readInputFile, reasonOf} from "./files.ts";

/** Other names of parts: those of this package's own evidence. */
const otherNames: Readonly<Record<string, string>> = {
  tcbInfoIssuerChain: "tcbInfoChain",
  qeIdentityIssuerChain: "qeIdentityChain",
  pckCrlIssuerChain: "pckCrlChain",
};

/** The parts by their names in bundles. Throws `CLI_FILE_READ`, and `CLI_FILE_KIND` where a part is there twice. */
export async function readCollateralFolder(
  folder: string,
  tee: keyof typeof bundleFiles,
): Promise<Readonly<Record<string, Uint8Array>>> {
  const names = bundleFiles[tee].filter((name) => name !== "evidence" && name !== "root");
  const known = new Map([
    ...names.map((name) => [plain(name), name] as const),
    ...Object.entries(otherNames).map(([other, name]) => [plain(other), name] as const),
  ]);
  const parts: Record<string, Uint8Array> = {};
  for (const file of await filesOf(folder)) {
    const part = known.get(plain(file.replace(/\.[^.]*$/, "")));
    if (part === undefined || !names.includes(part)) continue;
    if (part in parts) throw new CliError("CLI_FILE_KIND", `${join(folder, file)}: ${part} is there twice`);
    const bytes = await readInputFile(join(folder, file));
    parts[part] = part.endsWith("Crl") ? fromHexText(bytes) : bytes;
  }
  return parts;
}

async function filesOf(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    throw new CliError("CLI_FILE_READ", `${folder}: ${reasonOf(error)}`, {cause: error, details: {path: folder}});
  }
}

const plain = (name: string): string => name.replaceAll(/[-_]/g, "").toLowerCase();

/** Caching services answer with CRLs as hexadecimal text. */
function fromHexText(bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(bytes).trim();
  return text.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(text) ? parseHex(text) : bytes;
}
