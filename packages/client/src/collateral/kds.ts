/** Collateral of SNP reports from AMD's key distribution service (AMD 57230, VCEK and VLEK certificate interfaces). */
import {
  type AmdSubject,
  collateralExpiry,
  collateralSubject,
  evidenceFromParts,
  evidenceParts,
} from "@tf-trusted/attestation";
import {ask, type FetchOptions, type Question} from "./cache.ts";
import {derOfCrl} from "./crl-forms.ts";
import type {Download} from "./download.ts";
import type {CollateralSource} from "./source.ts";

export interface KdsOptions extends FetchOptions {
  /** Of a mirror; default: AMD's. */
  readonly url?: string;
}

const amd = "https://kdsintf.amd.com";
const yearMs = 365 * 86_400_000;
const splNames = {bl: "blSPL", tee: "teeSPL", snp: "snpSPL", ucode: "ucodeSPL", fmc: "fmcSPL"} as const;

/**
 * Asks for the certificates above the signing key, for the CRL, and for the key's own certificate unless it came with the
 * report (a VLEK's must). Throws as `ask`.
 */
export function kdsCollateral(options: KdsOptions = {}): CollateralSource {
  return async (evidence, signal) => {
    const subject = collateralSubject(evidence);
    if (subject?.vendor !== "amd") return evidence;
    const parts = evidenceParts(evidence);
    const {now = () => new Date()} = options;
    const questions = questionsFor(subject, options.url ?? amd, now().getTime());
    const fetch = async (question: Question) => (await ask(question, options, signal)).body;
    const isCarried = parts.collateral.vcek !== undefined || subject.signingKey === "VLEK";
    const [amdChain, amdCrl, vcek] = await Promise.all([
      fetch(questions.chain),
      fetch(questions.crl),
      isCarried ? parts.collateral.vcek : fetch(questions.vcek),
    ]);
    const collateral = {amdChain, amdCrl: derOfCrl(amdCrl), ...(vcek && {vcek})};
    return evidenceFromParts({...parts, collateral});
  };
}

function questionsFor({product, signingKey, hardwareId, tcb}: AmdSubject, base: string, at: number) {
  const root = base.replace(/\/+$/, "");
  const path = `${root}/${signingKey.toLowerCase()}/v1/${product}`;
  const levels = Object.entries(splNames).flatMap(([part, name]) => {
    const level = tcb[part as keyof typeof splNames];
    return level === undefined ? [] : [`${name}=${String(level).padStart(2, "0")}`];
  });
  // Certificates for a chip and a TCB never change, and the service answers 429 early.
  const constant = {headers: [], expiry: () => at + 10 * yearMs, constant: true};
  return {
    vcek: {url: new URL(`${root}/vcek/v1/${product}/${hardwareId}?${levels.join("&")}`), ...constant},
    chain: {url: new URL(`${path}/cert_chain`), ...constant},
    crl: {
      url: new URL(`${root}/vcek/v1/${product}/crl`),
      headers: [],
      expiry: ({body}: Download) => collateralExpiry("crl", derOfCrl(body)),
    },
  } satisfies Readonly<Record<string, Question>>;
}
