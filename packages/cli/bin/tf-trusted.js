#!/usr/bin/env node
// In the repository, so that `npm install` in a clone links the command before it was built.
import {existsSync} from "node:fs";

const main = new URL("../dist/bundle/main.js", import.meta.url);
if (existsSync(main)) {
  await import(main);
} else {
  console.error("error: tf-trusted isn't built yet\n  npm run build");
  process.exitCode = 1;
}
