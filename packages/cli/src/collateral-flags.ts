/** `--collateral` and what belongs to it: where connecting commands get the vendors' statements about a platform. */
import {homedir} from "node:os";
import {join} from "node:path";
import type {CollateralSource} from "@tf-trusted/client";
import {CliError} from "./cli-error.ts";
import type {Flags, FlagValues} from "./command.ts";

/** What `--collateral` takes, before it becomes a source. */
export type CollateralChoice =
  | {readonly kind: "carried" | "vendor"}
  | {readonly kind: "folder"; readonly folder: string}
  | {readonly kind: "pccs" | "kds"; readonly url: string};

export const collateralFlags = {
  collateral: {
    value: "SOURCE",
    repeat: true,
    parse: parseCollateral,
    help: "carried, vendor (Intel's and AMD's services), pccs:URL, kds:URL or folder:DIR; several are asked in order",
    byDefault: "carried, which is what comes with the evidence",
  },
  "collateral-cache": {
    value: "DIR",
    help: "where answers of services are kept",
    byDefault: "tf-trusted/collateral in the user's cache folder",
  },
  offline: {help: "take the cache's answers in place of the services'"},
} as const satisfies Flags;

/** `folder:DIR` → a choice. Throws an `Error` that says what there is. */
export function parseCollateral(text: string): CollateralChoice {
  if (text === "carried" || text === "vendor") return {kind: text};
  const [, kind, rest] = /^(folder|pccs|kds):(.+)$/.exec(text) ?? [];
  if (kind === "folder") return {kind, folder: rest!};
  if ((kind === "pccs" || kind === "kds") && URL.canParse(rest!)) return {kind, url: rest!};
  throw new Error(`carried, vendor, pccs:URL, kds:URL or folder:DIR; found "${text}"`);
}

/** The source that the flags name; `undefined` for the default. Throws `CLI_USAGE`. */
export async function collateralOf(flags: FlagValues<typeof collateralFlags>): Promise<CollateralSource | undefined> {
  const {collateral: choices, "collateral-cache": folder, offline} = flags;
  const hasService = choices.some(({kind}) => kind !== "carried" && kind !== "folder");
  if (!hasService && (offline || folder !== undefined)) {
    const flag = offline ? "--offline" : "--collateral-cache";
    throw new CliError("CLI_USAGE", `${flag} is about services; name one with --collateral, such as vendor`);
  }
  if (choices.length === 0) return undefined;
  const {carriedCollateral, collateralFolder, collateralFrom, kdsCollateral, pcsCollateral} = await import(
    "@tf-trusted/client"
  );
  const options = {cache: folder ?? defaultCache(), offline};
  const sources: readonly CollateralSource[] = choices.flatMap((choice) => {
    if (choice.kind === "folder") return [collateralFolder(choice.folder)];
    if (choice.kind === "pccs") return [pcsCollateral({...options, url: choice.url})];
    if (choice.kind === "kds") return [kdsCollateral({...options, url: choice.url})];
    return choice.kind === "vendor" ? [pcsCollateral(options), kdsCollateral(options)] : [carriedCollateral];
  });
  return collateralFrom(...sources);
}

/** XDG Base Directory Specification. */
function defaultCache(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "tf-trusted", "collateral");
}
