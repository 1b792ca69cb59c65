/** TCB info of Intel's provisioning service, versions 2 and 3 (Intel PCS API v4), and the choice of a level. */
import {Members, readString} from "../json/members.ts";
import type {JsonNode} from "../json/strict-json.ts";
import {parseSignedJson, type SignedJson, withJsonCode} from "./signed-json.ts";
import {type EnclaveTcbStatus, enclaveTcbStatuses, type PlatformTcbStatus, platformTcbStatuses} from "./tcb-status.ts";

export const SGX_COMPONENTS = 16;

export interface TcbInfo {
  /** Version 2 has no identifier and exists for SGX only. */
  readonly id: "SGX" | "TDX";
  readonly version: 2 | 3;
  /** Milliseconds since 1970. */
  readonly issueDate: number;
  readonly nextUpdate: number;
  readonly fmspc: Uint8Array;
  readonly pceId: Uint8Array;
  readonly tcbEvaluationDataNumber: number;
  readonly levels: readonly TcbLevel[];
  /** The TDX module of version 0; `null` for SGX. */
  readonly tdxModule: TdxModule | null;
  /** Modules of later versions, by identifier `TDX_<two hexadecimal digits of the version>`. */
  readonly tdxModuleIdentities: readonly TdxModule[];
}

export interface TdxModule {
  readonly id: string;
  readonly mrSigner: Uint8Array;
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
  /** Empty for version 0, whose state is in the platform's levels. */
  readonly levels: readonly EnclaveLevel[];
}

export interface TcbLevel {
  readonly components: readonly number[];
  readonly pceSvn: number;
  /** TDX only. */
  readonly tdxComponents: readonly number[] | null;
  readonly status: PlatformTcbStatus;
  readonly date: number;
  readonly advisories: readonly string[];
}

/** A level of a quoting enclave or TDX module. */
export interface EnclaveLevel {
  readonly isvSvn: number;
  readonly status: EnclaveTcbStatus;
  readonly date: number;
  readonly advisories: readonly string[];
}

/** What a PCK certificate says about its platform: the side that is compared with the levels. */
export interface PlatformTcb {
  readonly components: readonly number[];
  readonly pceSvn: number;
}

/** Opens the envelope without trusting anything. Throws `TCB_INFO_FORMAT`. */
export function openTcbInfo(bytes: Uint8Array): SignedJson {
  return parseSignedJson(bytes, "tcbInfo", "TCB_INFO_FORMAT");
}

/** Reads which TEE the signed value is about; version 2 is about SGX. Throws `TCB_INFO_FORMAT`. */
export function readTcbInfoId(body: Members): TcbInfo["id"] {
  return withJsonCode("TCB_INFO_FORMAT", () =>
    body.integer("version", 2, 3) === 2 ? "SGX" : body.oneOf("id", ["SGX", "TDX"]),
  );
}

/** Reads the signed value. Throws `TCB_INFO_FORMAT`. */
export function readTcbInfo(body: Members): TcbInfo {
  return withJsonCode("TCB_INFO_FORMAT", () => {
    const version = body.integer("version", 2, 3) as 2 | 3;
    // The type of TCB other than 0 would be compared by other rules.
    body.integer("tcbType", 0, 0);
    const id = readTcbInfoId(body);
    return Object.freeze({
      id,
      version,
      issueDate: body.date("issueDate"),
      nextUpdate: body.date("nextUpdate"),
      fmspc: body.hex("fmspc", 6),
      pceId: body.hex("pceId", 2),
      tcbEvaluationDataNumber: body.integer("tcbEvaluationDataNumber", 0, 0xffffffff),
      levels: body.list("tcbLevels", [1, 1000], (node, path) => readLevel(new Members(node, path), version, id)),
      tdxModule: id === "TDX" ? readModule(body.object("tdxModule"), "TDX_00", []) : null,
      tdxModuleIdentities:
        id === "TDX" && body.has("tdxModuleIdentities")
          ? body.list("tdxModuleIdentities", [0, 256], (node, path) => readModuleIdentity(new Members(node, path)))
          : [],
    });
  });
}

/** The first level that the platform reaches in every component and in the PCE's version; `undefined` if none. */
export function findTcbLevel(levels: readonly TcbLevel[], platform: PlatformTcb): TcbLevel | undefined {
  return levels.find(
    (level) =>
      platform.pceSvn >= level.pceSvn &&
      level.components.every((needed, i) => (platform.components[i] ?? -1) >= needed),
  );
}

/** The date and advisories that every kind of level has. */
export function readLevelFacts(level: Members): {readonly date: number; readonly advisories: readonly string[]} {
  return {
    date: level.date("tcbDate"),
    advisories: level.has("advisoryIDs") ? level.list("advisoryIDs", [0, 1000], readAdvisory) : [],
  };
}

function readModule(module: Members, id: string, levels: readonly EnclaveLevel[]): TdxModule {
  return Object.freeze({
    id,
    mrSigner: module.hex("mrsigner", 48),
    attributes: module.hex("attributes", 8),
    attributesMask: module.hex("attributesMask", 8),
    levels,
  });
}

function readModuleIdentity(module: Members): TdxModule {
  const levels = module.list("tcbLevels", [1, 1000], (node, path) => readEnclaveLevel(new Members(node, path)));
  return readModule(module, module.string("id"), levels);
}

export function readEnclaveLevel(level: Members): EnclaveLevel {
  return Object.freeze({
    isvSvn: level.object("tcb").integer("isvsvn", 0, 0xffff),
    status: level.oneOf("tcbStatus", enclaveTcbStatuses),
    ...readLevelFacts(level),
  });
}

function readComponents(tcb: Members, name: string): readonly number[] {
  return tcb.list(name, [SGX_COMPONENTS, SGX_COMPONENTS], (node, path) =>
    new Members(node, path).integer("svn", 0, 0xff),
  );
}

function readLevel(level: Members, version: 2 | 3, id: TcbInfo["id"]): TcbLevel {
  const tcb = level.object("tcb");
  const components =
    version === 3
      ? readComponents(tcb, "sgxtcbcomponents")
      : Array.from({length: SGX_COMPONENTS}, (_, i) =>
          tcb.integer(`sgxtcbcomp${String(i + 1).padStart(2, "0")}svn`, 0, 0xff),
        );
  return Object.freeze({
    components,
    pceSvn: tcb.integer("pcesvn", 0, 0xffff),
    tdxComponents: id === "TDX" ? readComponents(tcb, "tdxtcbcomponents") : null,
    status: level.oneOf("tcbStatus", platformTcbStatuses),
    ...readLevelFacts(level),
  });
}

function readAdvisory(node: JsonNode, path: string): string {
  return readString(node, path);
}
