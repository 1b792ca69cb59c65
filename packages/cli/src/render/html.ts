/** Pages that are one file: no network, no script but their own, which the policy in them names by its digest. */
import {createHash} from "node:crypto";

export interface Page {
  readonly title: string;
  /** In addition to the common style, whose colours are --paper, --ink, --dim and --line. */
  readonly style: string;
  /** HTML; whoever makes it escapes what comes from elsewhere. */
  readonly body: string;
  readonly scripts: readonly string[];
}

/** Text for HTML, in and out of attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

export function pageOf({title, style, body, scripts}: Page): string {
  const digests = scripts.map((script) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`);
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src ${digests.join(" ") || "'none'"}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${commonStyle}${style}</style>
</head>
<body>
<main>
${body}
</main>
${scripts.map((script) => `<script>${script}</script>`).join("\n")}
</body>
</html>
`;
}

const commonStyle = `
:root { color-scheme: light dark; --paper: #fff; --ink: #111827; --dim: #6b7280; --line: #e5e7eb; }
@media (prefers-color-scheme: dark) { :root { --paper: #0f172a; --ink: #e5e7eb; --dim: #94a3b8; --line: #334155; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 2rem 1.5rem; }
h1 { font-size: 1.5rem; }
.dim { color: var(--dim); }
`;
