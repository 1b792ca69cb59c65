#!/usr/bin/env node
// Runs the compiled tests with Node's test runner: `npm test`, or `npm test -- packages/tensor npy` for those whose
// path contains every one of the given words. (Node 20's --test takes no glob patterns, hence this file.)
import {spawnSync} from "node:child_process";
import {globSync} from "./glob.mjs";

const words = process.argv.slice(2);
const files = ["packages", "tests", "bench"]
  .flatMap((root) => globSync(root, /\/dist\/.*\.test\.js$/))
  .filter((file) => words.every((word) => file.includes(word)));
if (files.length === 0) {
  console.error(`no test file matches: ${words.join(" ")}`);
  process.exit(1);
}
const result = spawnSync(
  process.execPath,
  ["--enable-source-maps", "--test", "--test-reporter=spec", "--test-concurrency=2", ...files],
  {
    stdio: "inherit",
  },
);
process.exit(result.status ?? 1);
