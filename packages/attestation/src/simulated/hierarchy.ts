/** Keys and certificates of the simulated vendor and one platform: root, Platform CA, PCK, TCB signer, attestation key. */

import {SGX_EXTENSION} from "../evidence/dcap/pck-extension.ts";
import {encodeCertificate, encodePckExtension} from "./certificates.ts";
import {generateSigningKey, type SigningKey} from "./keys.ts";
import type {SimulatedPlan} from "./plan.ts";

export const simulatedNames = {
  root: "Simulated SGX Root CA",
  authority: "Simulated SGX PCK Platform CA",
  pck: "Simulated SGX PCK Certificate",
  tcbSigner: "Simulated SGX TCB Signing",
} as const;

export const simulatedKeyNames = ["root", "authority", "pck", "tcbSigner", "attestation"] as const;
export type SimulatedKeyName = (typeof simulatedKeyNames)[number];
export type SimulatedCertificateName = keyof typeof simulatedNames;

export interface SimulatedHierarchy {
  readonly keys: Readonly<Record<SimulatedKeyName, SigningKey>>;
  /** DER. */
  readonly certificates: Readonly<Record<SimulatedCertificateName, Uint8Array>>;
}

/** Makes new keys and certificates: a root of its own for each deployment, so that no simulation trusts another. */
export async function makeHierarchy(plan: SimulatedPlan): Promise<SimulatedHierarchy> {
  const [root, authority, pck, tcbSigner, attestation] = await Promise.all([
    generateSigningKey(),
    generateSigningKey(),
    generateSigningKey(),
    generateSigningKey(),
    generateSigningKey(),
  ]);
  const keys = {root, authority, pck, tcbSigner, attestation};
  const extension = encodePckExtension({
    ppid: crypto.getRandomValues(new Uint8Array(16)),
    platformInstanceId: crypto.getRandomValues(new Uint8Array(16)),
    components: plan.components,
    pceSvn: plan.pceSvn,
    pceId: plan.pceId,
    fmspc: plan.fmspc,
  });
  const byRoot = {issuer: simulatedNames.root, issuerKey: root};
  const certificates = {
    root: await encodeCertificate({
      ...byRoot,
      subject: simulatedNames.root,
      publicKey: root.publicKey,
      validity: plan.rootValidity,
      pathLength: 1,
    }),
    authority: await encodeCertificate({
      ...byRoot,
      subject: simulatedNames.authority,
      publicKey: authority.publicKey,
      validity: plan.authorityValidity,
      pathLength: 0,
    }),
    pck: await encodeCertificate({
      subject: simulatedNames.pck,
      publicKey: pck.publicKey,
      issuer: simulatedNames.authority,
      issuerKey: authority,
      validity: plan.pckValidity,
      extensions: [[SGX_EXTENSION, extension, false]],
    }),
    tcbSigner: await encodeCertificate({
      ...byRoot,
      subject: simulatedNames.tcbSigner,
      publicKey: tcbSigner.publicKey,
      validity: plan.tcbSignerValidity,
    }),
  };
  return {keys, certificates};
}
