/** Collateral from files of a folder, one a part, named as the part: for machines without a network, and for archives. */
import {open} from "node:fs/promises";
import {join} from "node:path";
import {type Evidence, evidenceFromParts, evidenceLimits, evidenceParts} from "@tf-trusted/attestation";
import {ClientError} from "../client-error.ts";
import type {CollateralSource} from "./source.ts";

/** File names by part of the collateral. */
export const collateralFiles = {
  tcbInfo: "tcbInfo.json",
  tcbInfoIssuerChain: "tcbInfoIssuerChain.pem",
  qeIdentity: "qeIdentity.json",
  qeIdentityIssuerChain: "qeIdentityIssuerChain.pem",
  pckCrl: "pckCrl.der",
  pckCrlIssuerChain: "pckCrlIssuerChain.pem",
  rootCrl: "rootCrl.der",
  pckChain: "pckChain.pem",
  vcek: "vcek.der",
  amdChain: "amdChain.pem",
  amdCrl: "amdCrl.der",
} as const;

/** The files that are there take the place of what came with the evidence. Throws `COLLATERAL_FOLDER`. */
export function collateralFolder(folder: string): CollateralSource {
  return async (evidence: Evidence) => {
    const parts = evidenceParts(evidence);
    const read = await Promise.all(
      Object.entries(collateralFiles).map(async ([name, file]) => [name, await readPart(join(folder, file))] as const),
    );
    const found = read.flatMap(([name, bytes]) => (bytes === null ? [] : [[name, bytes] as const]));
    if (found.length === 0) {
      throw new ClientError("COLLATERAL_FOLDER", `${folder} has none of ${Object.values(collateralFiles).join(", ")}`);
    }
    return evidenceFromParts({...parts, collateral: {...parts.collateral, ...Object.fromEntries(found)}});
  };
}

/** `null` where there is no such file. */
async function readPart(path: string): Promise<Uint8Array | null> {
  const limit = evidenceLimits.collateralPartBytes;
  try {
    const file = await open(path);
    try {
      const buffer = new Uint8Array(limit + 1);
      let length = 0;
      for (;;) {
        const {bytesRead} = await file.read(buffer, length, buffer.length - length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      if (length > limit) throw new ClientError("COLLATERAL_FOLDER", `${path} has more than ${limit} bytes`);
      return buffer.slice(0, length);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof ClientError) throw cause;
    const {code, message} = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    throw new ClientError("COLLATERAL_FOLDER", `${path} can't be read (${message})`, {cause});
  }
}
