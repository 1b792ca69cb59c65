/** TCB statuses and how those of a platform's parts become one (Intel PCS API v4). */

/** What TCB info may say about a platform, from good to bad. */
export const platformTcbStatuses = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
  "OutOfDate",
  "OutOfDateConfigurationNeeded",
  "Revoked",
] as const;
export type PlatformTcbStatus = (typeof platformTcbStatuses)[number];

/** Computed for TDX 1.5: launched on an old module that has been updated since. */
export const relaunchTcbStatuses = ["TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded"] as const;
export type TcbStatus = PlatformTcbStatus | (typeof relaunchTcbStatuses)[number];

/** What the identity of a quoting enclave (or TDX module) may say about it. */
export const enclaveTcbStatuses = ["UpToDate", "OutOfDate", "Revoked"] as const;
export type EnclaveTcbStatus = (typeof enclaveTcbStatuses)[number];

/** What a policy may accept: everything but Revoked, which is never acceptable. */
export const acceptableTcbStatuses = platformTcbStatuses.filter((status) => status !== "Revoked") as readonly Exclude<
  PlatformTcbStatus,
  "Revoked"
>[];

/** A platform's status where one of its parts is out of date. */
const withPartOutOfDate: Readonly<Record<PlatformTcbStatus, PlatformTcbStatus>> = {
  UpToDate: "OutOfDate",
  SWHardeningNeeded: "OutOfDate",
  ConfigurationNeeded: "OutOfDateConfigurationNeeded",
  ConfigurationAndSWHardeningNeeded: "OutOfDateConfigurationNeeded",
  OutOfDate: "OutOfDate",
  OutOfDateConfigurationNeeded: "OutOfDateConfigurationNeeded",
  Revoked: "Revoked",
};

/** The status of the whole from the platform's and its parts': a chain is as strong as its weakest part. */
export function convergeTcbStatus(platform: PlatformTcbStatus, parts: readonly EnclaveTcbStatus[]): PlatformTcbStatus {
  if (parts.includes("Revoked")) return "Revoked";
  return parts.includes("OutOfDate") ? withPartOutOfDate[platform] : platform;
}

/** The status from those at launch and now (TDX 1.5): what is out of date in memory only, a relaunch cures. */
export function relaunchStatus(launch: PlatformTcbStatus, current: PlatformTcbStatus): TcbStatus {
  const outdated = launch === "OutOfDate" || launch === "OutOfDateConfigurationNeeded";
  const good = ["UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded"];
  if (!outdated || !good.includes(current)) return launch;
  const needsConfiguration = launch.includes("Configuration") || current.includes("Configuration");
  return needsConfiguration ? "TDRelaunchAdvisedConfigurationNeeded" : "TDRelaunchAdvised";
}
