/** Is a genuine Nitro enclave what an identity of the policy wants? */
import {encodeHex} from "@tf-trusted/core";
import {type Check, checksFrom, fail, pass, passIf} from "../checks/check.ts";
import {isDebugEnclave} from "../evidence/nitro/document.ts";
import type {GenuineNitro} from "../evidence/nitro/verify.ts";
import {claimsMade, type MatchBase, rootWanted} from "./match.ts";
import type {NitroPolicyIdentity} from "./schema.ts";

type MatchStart = GenuineNitro & MatchBase & {readonly identity: NitroPolicyIdentity};

const debugRefused: Check<MatchStart, object> = {
  id: "policy-debug",
  title: "It is no debug enclave",
  expects: "PCR0 to PCR2 not all zero, unless allowDebug",
  source: "AWS Nitro Enclaves, PCRs in debug mode",
  codes: ["DEBUG"],
  run: ({identity, signedDocument}) => {
    const debug = isDebugEnclave(signedDocument);
    if (debug && identity.allowDebug) return pass("a debug enclave, which the policy allows", {});
    return passIf(!debug, "DEBUG", debug ? "a debug enclave" : "no debug enclave", "an enclave that can't be debugged");
  },
};

const measured: Check<MatchStart, object> = {
  id: "policy-measurements",
  title: "Its measurements are accepted",
  expects: "each PCR that the identity names, with one of its values",
  source: "AWS Nitro Enclaves, PCRs",
  codes: ["MEASUREMENT"],
  run: ({identity, signedDocument}) => {
    for (const [index, accepted] of Object.entries(identity.pcrs)) {
      const pcr = signedDocument.pcrs.get(Number(index));
      const found = pcr === undefined ? "nothing" : encodeHex(pcr);
      if (!accepted.includes(found)) return fail("MEASUREMENT", `PCR${index} ${found}`, accepted.join(" or "));
    }
    return pass(`PCR ${Object.keys(identity.pcrs).join(", ")}`, {});
  },
};

const ageAccepted: Check<MatchStart, object> = {
  id: "policy-age",
  title: "The document is fresh enough",
  expects: "a timestamp within maximumAgeSeconds before the time of verification",
  source: "own rule",
  codes: ["DOCUMENT_AGE"],
  run: ({identity: {maximumAgeSeconds}, signedDocument, at}) => {
    if (maximumAgeSeconds === undefined) return {status: "skipped", found: "the identity doesn't ask for it"};
    const seconds = (at - signedDocument.timestamp) / 1000;
    const found = `${seconds} seconds`;
    return passIf(seconds >= 0 && seconds <= maximumAgeSeconds, "DOCUMENT_AGE", found, `0 to ${maximumAgeSeconds}`);
  },
};

export const nitroPolicyChecks = checksFrom<MatchStart>()
  .followedBy(rootWanted)
  .followedBy(debugRefused)
  .followedBy(measured)
  .followedBy(ageAccepted)
  .followedBy(claimsMade);
