// Files under a folder whose path matches a pattern; node_modules is left out. (fs.globSync needs Node 22.)
import {readdirSync} from "node:fs";
import {join} from "node:path";

export function globSync(root, pattern) {
  return readdirSync(root, {withFileTypes: true})
    .flatMap((entry) => {
      if (entry.name === "node_modules") return [];
      const path = join(root, entry.name);
      if (entry.isDirectory()) return globSync(path, pattern);
      return pattern.test(path) ? [path] : [];
    })
    .sort();
}
