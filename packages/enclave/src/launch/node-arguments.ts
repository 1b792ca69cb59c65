/** The flags of the enclave's Node.js on each platform: those of the artefact, and the platform's own device. */
import {tsmFolder} from "../platforms/configfs-tsm.ts";
import {attestationFolder} from "../platforms/gramine.ts";
import type {PlatformKind} from "../platforms/platform.ts";
import {inlineBoundsFlag} from "../platforms/surroundings.ts";
import {entryName} from "./artefact.ts";

const device = (folder: string) => [`--allow-fs-read=${folder}/*`, `--allow-fs-write=${folder}/*`];

const additional: Readonly<Record<PlatformKind, readonly string[]>> = {
  simulated: [],
  gramine: [inlineBoundsFlag, ...device(attestationFolder)],
  tdx: device(tsmFolder),
  snp: device(tsmFolder),
};

/** The manifest's arguments for this folder, with what the platform adds before the program. */
export function nodeArgumentsOn(
  platform: PlatformKind,
  manifestArguments: readonly string[],
  folder: string,
): readonly string[] {
  const given = manifestArguments.map((argument) => argument.replaceAll("{artefact}", folder));
  const entry = given.indexOf(`${folder}/${entryName}`);
  return [...given.slice(0, entry), ...additional[platform], ...given.slice(entry)];
}
