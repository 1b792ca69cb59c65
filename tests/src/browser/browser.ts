/** A headless Chromium, and bundles of our packages to run in it. */
import {existsSync} from "node:fs";
import {delimiter, join} from "node:path";
import {fileURLToPath, pathToFileURL} from "node:url";
import {gzipSync} from "node:zlib";
import {build} from "esbuild";
import {type Browser, chromium, type Page} from "playwright-core";

const names = ["chromium", "chromium-browser", "google-chrome"];

/** The machine's own browser: nothing is downloaded. `CHROMIUM` names another. */
export const executable: string | undefined =
  process.env.CHROMIUM ??
  (process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => existsSync(path));

export const skipReason = "there is no Chromium on the PATH (apt-get install chromium, or set CHROMIUM)";

/** Of the page; reserved by RFC 2606, so that nobody answers there. */
const origin = "https://tf-trusted.invalid";

export interface Bundle {
  readonly code: string;
  readonly bytes: number;
  readonly gzipped: number;
}

/** All exports of some of our packages as the global `bundled`, as a user's own bundler would take them in. */
export async function bundle(...packages: readonly string[]): Promise<Bundle> {
  const contents = packages.map((name) => `export * from "@tf-trusted/${name}";`).join("\n");
  const {outputFiles} = await build({
    stdin: {contents, resolveDir: fileURLToPath(new URL("../..", import.meta.url))},
    bundle: true,
    minify: true,
    format: "iife",
    globalName: "bundled",
    platform: "browser",
    target: "es2022",
    write: false,
    logLevel: "silent",
  });
  const code = outputFiles[0]!.text;
  return {code, bytes: Buffer.byteLength(code), gzipped: gzipSync(code, {level: 9}).length};
}

/** Opens a page that a command wrote, and gives what it complained about and what it asked of a network. */
export async function openPageFile<T>(
  path: string,
  use: (page: Page) => Promise<T>,
): Promise<{readonly result: T; readonly complaints: readonly string[]; readonly requests: readonly string[]}> {
  return inBrowser(async (page) => {
    const complaints: string[] = [];
    const requests: string[] = [];
    page.on("pageerror", ({message}) => complaints.push(message));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("request", (request) => requests.push(request.url()));
    const {href} = pathToFileURL(path);
    await page.goto(href);
    return {result: await use(page), complaints, requests: requests.filter((url) => url !== href)};
  });
}

/** Runs `use` in an empty page that has the bundle; errors that the page doesn't catch are thrown. */
export async function inPage<T>({code}: Bundle, use: (page: Page) => Promise<T>): Promise<T> {
  return inBrowser(async (page) => {
    const errors: Error[] = [];
    page.on("pageerror", (error) => errors.push(error));
    // WebCrypto is for secure origins only. The request never leaves the browser.
    const body = "<!doctype html><title>TF Trusted</title>";
    await page.route(`${origin}/**`, (route) => route.fulfill({contentType: "text/html", body}));
    await page.goto(`${origin}/`);
    await page.addScriptTag({content: code});
    const result = await use(page);
    if (errors.length > 0) throw errors[0]!;
    return result;
  });
}

async function inBrowser<T>(use: (page: Page) => Promise<T>): Promise<T> {
  const browser: Browser = await chromium.launch({
    executablePath: executable!,
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  try {
    return await use(await browser.newPage());
  } finally {
    await browser.close();
  }
}
