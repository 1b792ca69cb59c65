export {AttestationError, type AttestationErrorCode, attestationErrors} from "./attestation-error.ts";
export {
  type BundleFile,
  type BundlePatch,
  bundleFiles,
  type EvidenceBundle,
  loadBundleFiles,
  parseBundle,
} from "./bundle/bundle.ts";
export {type IdentityInput, identityOfEvidence, ownMeasurement} from "./bundle/own-identity.ts";
export {type BundleResult, evidenceOf, verifyBundle} from "./bundle/verify.ts";
export type {Step} from "./checks/check.ts";
export {type AttestationCode, type AttestationCodeEntry, attestationCodes} from "./codes.ts";
export {attestationCodesMarkdown} from "./codes-markdown.ts";
export {
  type AmdSubject,
  type CollateralSubject,
  collateralExpiry,
  collateralSubject,
  type DatedPart,
  type IntelSubject,
} from "./collateral/subject.ts";
export {acceptableTcbStatuses, platformTcbStatuses, type TcbStatus} from "./collateral/tcb-status.ts";
export type {TrustedRoot} from "./evidence/dcap/facts.ts";
export {enclaveReport, quoteHeader} from "./evidence/dcap/layout.ts";
export type {
  DcapEvidence,
  Evidence,
  NitroDocumentEvidence,
  SgxCollateral,
  SgxQuoteEvidence,
  SgxQuoteV3Evidence,
  SnpCollateral,
  SnpReportEvidence,
  TdxQuoteEvidence,
} from "./evidence/evidence.ts";
export {type EvidenceParts, evidenceFromParts, evidenceParts} from "./evidence/kinds.ts";
export {quoteSignature} from "./evidence/sgx/layout.ts";
export {parseSgxQuote, type SgxQuote} from "./evidence/sgx/parse.ts";
export type {TdReport} from "./evidence/tdx/layout.ts";
export {parseTdxQuote, type TdxQuote} from "./evidence/tdx/parse.ts";
export {readUnverified, type UnverifiedStatement} from "./evidence/unverified.ts";
export {type DetectedEvidence, detectEvidence, inspectEvidence} from "./inspect/inspect.ts";
export type {InspectedField, InspectedSection, Inspection} from "./inspect/inspection.ts";
export {explainPolicy} from "./policy/explain.ts";
export type {Claims} from "./policy/match.ts";
export {checkPolicy, type PolicyFinding, parsePolicy} from "./policy/parse.ts";
export {type Policy, type PolicyIdentity, type PolicyInput, type PolicyRoot, policySchema} from "./policy/schema.ts";
export {
  encodeRaTlsEvidence,
  type RaTlsCertificate,
  raTlsClaims,
  raTlsEvidence,
  raTlsOids,
  readRaTlsCertificate,
} from "./ratls/evidence.ts";
export {type HtmlOptions, renderReportHtml} from "./report/html.ts";
export {renderReportJson} from "./report/json.ts";
export type {
  ConsideredIdentity,
  DatesReport,
  NitroIdentity,
  PolicyReport,
  Report,
  ReportIdentity,
  SgxIdentity,
  SgxPlatform,
  SnpIdentity,
  SnpPlatform,
  TcbReport,
  TdxIdentity,
} from "./report/report.ts";
export {renderReportText, type TextOptions} from "./report/text.ts";
export {type VendorRoot, type VendorRootName, vendorRoots} from "./roots/vendor-roots.ts";
export {
  createSimulatedMachine,
  restoreSimulatedMachine,
  type SimulatedMachineOptions,
  simulatedTees,
} from "./simulated/create.ts";
export type {SimulatedMachine, SimulatedProgram} from "./simulated/machine.ts";
export {type SimulatedFault, type SimulatedPlan, type SimulatedTee, simulatedFaults} from "./simulated/plan.ts";
export {
  createSimulatedPlatform,
  createSimulatedTdxPlatform,
  restoreSimulatedPlatform,
  type SimulatedPlatform,
  type SimulatedPlatformOptions,
  type SimulatedPlatformState,
  type SimulatedTdxPlatform,
} from "./simulated/platform.ts";
export type {SimulatedQuoteRequest, SimulatedTdxRequest} from "./simulated/quote.ts";
export {
  createSimulatedSnpPlatform,
  type SimulatedSnpFault,
  type SimulatedSnpOptions,
  type SimulatedSnpPlan,
  type SimulatedSnpPlatform,
  type SimulatedSnpRequest,
  type SimulatedSnpState,
  simulatedSnpFaults,
} from "./simulated/snp.ts";
export {allChecks, checksOf, evidenceLimits, type VerifyOptions, verifyEvidence} from "./verify.ts";
