/**
 * The TCB level of a TDX platform (Intel PCS v4, TCB info of TDX): the TDX module counts as a part of its own, and the
 * state at launch and the present one may differ.
 */
import {encodeHex, equalBytes} from "@tf-trusted/core";
import type {EnclaveLevel, PlatformTcb, TcbInfo, TcbLevel, TdxModule} from "../../collateral/tcb-info.ts";
import {findTcbLevel} from "../../collateral/tcb-info.ts";

/** The module's version, which selects its identity, is the second of the TDX components; the first is its SVN. */
const MODULE_SVN = 0;
const MODULE_VERSION = 1;

/** The identity that the TCB info has for a module of the version in `teeTcbSvn`; `undefined` if none. */
export function findTdxModule(tcbInfo: TcbInfo, teeTcbSvn: Uint8Array): TdxModule | undefined {
  const version = teeTcbSvn[MODULE_VERSION]!;
  if (version === 0) return tcbInfo.tdxModule ?? undefined;
  const id = moduleId(teeTcbSvn);
  return tcbInfo.tdxModuleIdentities.find((module) => module.id.toUpperCase() === id);
}

/** `TDX_0A` for version 10. */
export function moduleId(teeTcbSvn: Uint8Array): string {
  return `TDX_${encodeHex(teeTcbSvn.subarray(MODULE_VERSION, MODULE_VERSION + 1)).toUpperCase()}`;
}

export function isExpectedModule(
  module: TdxModule,
  report: {readonly mrSignerSeam: Uint8Array; readonly seamAttributes: Uint8Array},
): boolean {
  return (
    equalBytes(report.mrSignerSeam, module.mrSigner) &&
    report.seamAttributes.every((byte) => byte === 0) &&
    module.attributes.every((byte, i) => byte === (report.seamAttributes[i]! & module.attributesMask[i]!))
  );
}

export interface TdxLevels {
  readonly platformLevel: TcbLevel;
  /** `null` for modules of version 0, which are judged by the platform's components alone. */
  readonly moduleLevel: EnclaveLevel | null;
}

/** The levels that `teeTcbSvn` reaches, or which of them is missing. */
export function findTdxLevels(
  tcbInfo: TcbInfo,
  platform: PlatformTcb,
  teeTcbSvn: Uint8Array,
): TdxLevels | {readonly missing: "platform" | "module"} {
  const ofModule = teeTcbSvn[MODULE_VERSION]! > 0;
  const reached = tcbInfo.levels.filter(({tdxComponents}) =>
    tdxComponents?.every((needed, i) => (ofModule && i <= MODULE_VERSION) || teeTcbSvn[i]! >= needed),
  );
  const platformLevel = findTcbLevel(reached, platform);
  if (platformLevel === undefined) return {missing: "platform"};
  if (!ofModule) return {platformLevel, moduleLevel: null};
  const moduleLevel = findTdxModule(tcbInfo, teeTcbSvn)?.levels.find(({isvSvn}) => teeTcbSvn[MODULE_SVN]! >= isvSvn);
  return moduleLevel === undefined ? {missing: "module"} : {platformLevel, moduleLevel};
}
