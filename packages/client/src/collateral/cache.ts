/**
 * Answers of vendors' services on disk, by URL. An entry is used without asking for a day, and for as long as it claims to
 * hold where the service can't be reached; never longer. Nothing in it is trusted: it is verified like what a network
 * brings, and an entry that can't be read is no entry.
 */
import {createHash, randomBytes} from "node:crypto";
import {mkdir, open, readFile, rename, rm, stat} from "node:fs/promises";
import {join} from "node:path";
import {ClientError} from "../client-error.ts";
import {type Download, type DownloadOptions, download} from "./download.ts";

export interface FetchOptions {
  readonly download?: DownloadOptions;
  /** Folder of the cache, made on first use; default: none. */
  readonly cache?: string;
  /** Use the cache alone. */
  readonly offline?: boolean;
  /** The clock for the cache; default: this machine's. */
  readonly now?: () => Date;
}

/** One question and what a cache has to know of its answer. */
export interface Question {
  readonly url: URL;
  /** Headers that belong to the answer; lower case. */
  readonly headers: readonly string[];
  /** Until when the answer claims to hold, milliseconds since 1970; `null`: not to be kept. */
  readonly expiry: (answer: Download) => number | null;
  /** Whether it never changes, so that it isn't asked for again while it holds. */
  readonly constant?: boolean;
}

interface Entry {
  readonly url: string;
  readonly storedAt: number;
  readonly expiresAt: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const freshMs = 24 * 3_600_000;
/** Base64 and JSON around the largest answer. */
const maxEntryBytes = 4 * 2 ** 20;

/**
 * The answer from the cache or the service. Throws `COLLATERAL_FETCH`, `COLLATERAL_OFFLINE`, and `COLLATERAL_CACHE` where
 * the folder can't be written.
 */
export async function ask(question: Question, options: FetchOptions, signal?: AbortSignal): Promise<Download> {
  const {cache, offline = false, now = () => new Date()} = options;
  const {url} = question;
  const at = now().getTime();
  const path = cache === undefined ? undefined : join(cache, `${sha256(url.href)}.json`);
  const entry = path === undefined ? null : await readEntry(path, url, at);
  const young = entry !== null && (question.constant === true || at - entry.storedAt < freshMs);
  if (entry !== null && (offline || young)) return answerOf(entry);
  if (offline) {
    throw new ClientError(
      "COLLATERAL_OFFLINE",
      `${url.href} isn't in the cache${cache ? ` ${cache}` : ""}, or expired`,
    );
  }
  let answer: Download;
  try {
    answer = await download(url, options.download ?? {}, signal);
  } catch (error) {
    if (entry !== null && error instanceof ClientError) return answerOf(entry);
    throw error;
  }
  const headers = Object.fromEntries(
    question.headers.flatMap((name) => (answer.headers[name] === undefined ? [] : [[name, answer.headers[name]]])),
  );
  const kept = {body: answer.body, headers};
  const expiresAt = question.expiry(kept);
  if (cache !== undefined && path !== undefined && expiresAt !== null && expiresAt > at) {
    const body = Buffer.from(answer.body).toString("base64");
    await writeEntry(cache, path, {url: url.href, storedAt: at, expiresAt, headers, body});
  }
  return kept;
}

function answerOf({headers, body}: Entry): Download {
  return {headers, body: Uint8Array.from(Buffer.from(body, "base64"))};
}

/** `null` where there is none, where it is another's or damaged, and where it expired or comes from the future. */
async function readEntry(path: string, url: URL, at: number): Promise<Entry | null> {
  let value: unknown;
  try {
    if ((await stat(path)).size > maxEntryBytes) return null;
    value = JSON.parse(await readFile(path, "utf8"));
  } catch {
    return null;
  }
  const entry = value as Entry | null;
  const sound =
    typeof entry === "object" &&
    entry !== null &&
    entry.url === url.href &&
    typeof entry.body === "string" &&
    Number.isFinite(entry.storedAt) &&
    Number.isFinite(entry.expiresAt) &&
    typeof entry.headers === "object" &&
    entry.headers !== null &&
    Object.values(entry.headers).every((header) => typeof header === "string");
  return sound && entry.storedAt <= at && at < entry.expiresAt ? entry : null;
}

/** Whole or not at all: readers of the same folder never see half an entry. */
async function writeEntry(cache: string, path: string, entry: Entry): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(cache, {recursive: true, mode: 0o700});
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(JSON.stringify(entry));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, {force: true});
    throw new ClientError("COLLATERAL_CACHE", `${cache}: ${(cause as Error).message}`, {cause});
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
