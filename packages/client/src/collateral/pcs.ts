/**
 * Collateral of SGX and TDX quotes from Intel's provisioning service (PCS v4), or a caching one (PCCS) with the same API.
 * Source: Intel, "Intel SGX and Intel TDX services", API v4.
 */
import {
  collateralExpiry,
  collateralSubject,
  evidenceFromParts,
  evidenceParts,
  type IntelSubject,
  type SgxCollateral,
} from "@tf-trusted/attestation";
import {ClientError} from "../client-error.ts";
import {ask, type FetchOptions, type Question} from "./cache.ts";
import {derOfCrl} from "./crl-forms.ts";
import type {Download} from "./download.ts";
import type {CollateralSource} from "./source.ts";

export interface PcsOptions extends FetchOptions {
  /** Of a PCCS, such as `https://pccs.example:8081`; default: Intel's. */
  readonly url?: string;
}

/** PCS has no path for its root's CRL: that has a place of its own. */
const intel = {
  service: "https://api.trustedservices.intel.com",
  rootCrl: "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
} as const;

/** Issuer chains stand in headers, whose names differ by version and service. */
const chainHeaders = {
  tcbInfo: ["tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain"],
  qeIdentity: ["sgx-enclave-identity-issuer-chain"],
  pckCrl: ["sgx-pck-crl-issuer-chain"],
} as const;

/** Asks for everything that a quote needs besides its own certificates. Throws as `ask`, and `COLLATERAL_FETCH`. */
export function pcsCollateral(options: PcsOptions = {}): CollateralSource {
  return async (evidence, signal) => {
    const subject = collateralSubject(evidence);
    if (subject?.vendor !== "intel") return evidence;
    const questions = questionsFor(subject, options.url);
    const fetch = async (name: keyof typeof questions) => ask(questions[name], options, signal);
    const [tcbInfo, qeIdentity, pckCrl, rootCrl] = await Promise.all([
      fetch("tcbInfo"),
      fetch("qeIdentity"),
      fetch("pckCrl"),
      fetch("rootCrl"),
    ]);
    const fetched: SgxCollateral = {
      tcbInfo: tcbInfo.body,
      tcbInfoIssuerChain: chainOf(tcbInfo, "tcbInfo", questions.tcbInfo),
      qeIdentity: qeIdentity.body,
      qeIdentityIssuerChain: chainOf(qeIdentity, "qeIdentity", questions.qeIdentity),
      pckCrl: derOfCrl(pckCrl.body),
      pckCrlIssuerChain: chainOf(pckCrl, "pckCrl", questions.pckCrl),
      rootCrl: derOfCrl(rootCrl.body),
    };
    const parts = evidenceParts(evidence);
    const {pckChain} = parts.collateral;
    const collateral = {...(fetched as Readonly<Record<string, Uint8Array>>), ...(pckChain && {pckChain})};
    return evidenceFromParts({...parts, collateral});
  };
}

function questionsFor({tee, fmspc, authority}: IntelSubject, base: string | undefined) {
  const root = (base ?? intel.service).replace(/\/+$/, "").replace(/\/(sgx|tdx)\/certification\/v4$/, "");
  const at = (kind: "sgx" | "tdx", path: string) => new URL(`${root}/${kind}/certification/v4/${path}`);
  const crlExpiry = ({body}: Download) => collateralExpiry("crl", derOfCrl(body));
  return {
    tcbInfo: {
      url: at(tee, `tcb?fmspc=${fmspc}`),
      headers: chainHeaders.tcbInfo,
      expiry: ({body}) => collateralExpiry("tcbInfo", body),
    },
    qeIdentity: {
      url: at(tee, "qe/identity"),
      headers: chainHeaders.qeIdentity,
      expiry: ({body}) => collateralExpiry("qeIdentity", body),
    },
    pckCrl: {
      url: at("sgx", `pckcrl?ca=${authority}&encoding=der`),
      headers: chainHeaders.pckCrl,
      expiry: crlExpiry,
    },
    rootCrl: {
      url: base === undefined ? new URL(intel.rootCrl) : at("sgx", "rootcacrl"),
      headers: [],
      expiry: crlExpiry,
    },
  } satisfies Readonly<Record<string, Question>>;
}

/** The PEM of a header: percent-encoded, a `+` being a plus. */
function chainOf({headers}: Download, part: keyof typeof chainHeaders, {url}: Question): Uint8Array {
  const text = chainHeaders[part].map((name) => headers[name]).find((value) => value !== undefined);
  try {
    if (text === undefined) throw new Error(`no header ${chainHeaders[part].join(" or ")}`);
    return new TextEncoder().encode(decodeURIComponent(text));
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new ClientError("COLLATERAL_FETCH", `${url.origin}${url.pathname} gave no issuer chain (${reason})`, {cause});
  }
}
