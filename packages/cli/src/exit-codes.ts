/** What the process's exit code says. Scripts rely on these. */
export const exitCodes = {
  /** Done. */
  done: 0,
  /** Something failed: a model that can't be converted, a full disk, a server that doesn't answer. */
  failed: 1,
  /** The command line or what it points to can't be meant so: unknown flags, missing inputs, shapes that don't fit. */
  wrongUse: 2,
  /** The other end didn't prove to be an enclave that the policy accepts, or the policy accepts nothing. */
  notTrusted: 3,
  /** Ended by Ctrl-C, as shells count it (128 + SIGINT). */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
