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
export type TcbStatus = (typeof platformTcbStatuses)[number];

/** What the identity of a quoting enclave (or TDX module) may say about it. */
export const enclaveTcbStatuses = ["UpToDate", "OutOfDate", "Revoked"] as const;
export type EnclaveTcbStatus = (typeof enclaveTcbStatuses)[number];

/** What a policy may accept: everything but Revoked, which is never acceptable. */
export const acceptableTcbStatuses = platformTcbStatuses.filter((status) => status !== "Revoked");

/** A platform's status where one of its parts is out of date. */
const withPartOutOfDate: Readonly<Record<TcbStatus, TcbStatus>> = {
  UpToDate: "OutOfDate",
  SWHardeningNeeded: "OutOfDate",
  ConfigurationNeeded: "OutOfDateConfigurationNeeded",
  ConfigurationAndSWHardeningNeeded: "OutOfDateConfigurationNeeded",
  OutOfDate: "OutOfDate",
  OutOfDateConfigurationNeeded: "OutOfDateConfigurationNeeded",
  Revoked: "Revoked",
};

/** The status of the whole from the platform's and its parts': a chain is as strong as its weakest part. */
export function convergeTcbStatus(platform: TcbStatus, parts: readonly EnclaveTcbStatus[]): TcbStatus {
  if (parts.includes("Revoked")) return "Revoked";
  return parts.includes("OutOfDate") ? withPartOutOfDate[platform] : platform;
}
