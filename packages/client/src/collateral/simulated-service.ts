/**
 * The services of the simulated vendors over HTTP: PCS/PCCS v4 for a simulated SGX or TDX machine, KDS for a simulated SNP
 * one, with the paths, headers and encodings of the real ones. A question about any other machine gets 404.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import {createServer as createHttpsServer} from "node:https";
import type {AddressInfo} from "node:net";
import {
  type AmdSubject,
  collateralSubject,
  type IntelSubject,
  type SgxCollateral,
  type SimulatedMachine,
  type SnpCollateral,
} from "@tf-trusted/attestation";
import {ClientError} from "../client-error.ts";

export interface SimulatedServiceOptions {
  readonly machine: SimulatedMachine;
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: any free one. */
  readonly port?: number;
  /** PEM; default: plain HTTP, which clients accept on their own machine only. */
  readonly tls?: {readonly key: string; readonly certificate: string};
  /** Sees each request first; what it answers (`true`) isn't answered again: for tests of bad services. */
  readonly intercept?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export interface SimulatedService {
  /** What `pcsCollateral` and `kdsCollateral` take as `url`. */
  readonly url: string;
  /** Paths asked for, with their queries. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

interface Reply {
  readonly status: number;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

type Route = (query: URLSearchParams) => Promise<Reply>;

const json = "application/json";
const pem = "application/x-pem-file";
const der = "application/pkix-crl";

/** Starts listening. Throws `CONNECTION_FAILED` where it can't. */
export async function serveSimulatedCollateral(options: SimulatedServiceOptions): Promise<SimulatedService> {
  const {machine, host = "127.0.0.1", port = 0, tls, intercept} = options;
  const routes = await routesOf(machine);
  const requests: string[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push(request.url ?? "");
    if (intercept?.(request, response)) return;
    answer(routes, request).then(
      ({status, type, headers, body = ""}) => {
        response.writeHead(status, {...(type && {"content-type": type}), ...headers});
        response.end(body);
      },
      () => response.writeHead(500).end(),
    );
  };
  const server = tls ? createHttpsServer({key: tls.key, cert: tls.certificate}, listener) : createHttpServer(listener);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new ClientError("CONNECTION_FAILED", `no service on ${host}:${port} (${cause.message})`, {cause})),
    );
    server.listen(port, host, resolve);
  });
  const {port: listening} = server.address() as AddressInfo;
  const name = host.includes(":") ? `[${host}]` : host;
  return {
    url: `${tls ? "https" : "http"}://${name}:${listening}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(routes: Readonly<Record<string, Route>>, request: IncomingMessage): Promise<Reply> {
  if (request.method !== "GET") return {status: 405};
  const url = new URL(request.url ?? "/", "http://service");
  const route = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  return route === undefined ? {status: 404} : route(url.searchParams);
}

async function routesOf(machine: SimulatedMachine): Promise<Readonly<Record<string, Route>>> {
  const program = {measurement: new Uint8Array(32), reportData: new Uint8Array(64)};
  const subject = collateralSubject(await machine.attest(program));
  if (subject === null) throw new Error("a simulated machine makes evidence that can't be read");
  return subject.vendor === "intel"
    ? intelRoutes(subject, machine.collateral as () => Promise<SgxCollateral>)
    : amdRoutes(subject, machine.collateral as () => Promise<SnpCollateral>);
}

function intelRoutes(subject: IntelSubject, collateral: () => Promise<SgxCollateral>): Readonly<Record<string, Route>> {
  const sgx = "/sgx/certification/v4";
  const own = `/${subject.tee}/certification/v4`;
  const chain = (name: string, part: Uint8Array | undefined) => ({
    [name]: encodeURIComponent(new TextDecoder().decode(part)),
    "Request-ID": crypto.randomUUID().replaceAll("-", ""),
  });
  return {
    [`${own}/tcb`]: async (query) => {
      const fmspc = query.get("fmspc") ?? "";
      if (!/^[0-9a-fA-F]{12}$/.test(fmspc)) return {status: 400};
      if (fmspc.toLowerCase() !== subject.fmspc) return {status: 404};
      const {tcbInfo, tcbInfoIssuerChain} = await collateral();
      return reply(json, tcbInfo, chain("TCB-Info-Issuer-Chain", tcbInfoIssuerChain));
    },
    [`${own}/qe/identity`]: async () => {
      const {qeIdentity, qeIdentityIssuerChain} = await collateral();
      return reply(json, qeIdentity, chain("SGX-Enclave-Identity-Issuer-Chain", qeIdentityIssuerChain));
    },
    [`${sgx}/pckcrl`]: async (query) => {
      if (query.get("ca") !== subject.authority) return {status: query.get("ca") === null ? 400 : 404};
      const {pckCrl, pckCrlIssuerChain} = await collateral();
      const headers = chain("SGX-PCK-CRL-Issuer-Chain", pckCrlIssuerChain);
      return query.get("encoding") === "der" ? reply(der, pckCrl, headers) : reply(pem, crlPem(pckCrl!), headers);
    },
    // As PCCS does: hexadecimal.
    [`${sgx}/rootcacrl`]: async () => reply(der, Buffer.from((await collateral()).rootCrl!).toString("hex")),
  };
}

function amdRoutes(subject: AmdSubject, collateral: () => Promise<SnpCollateral>): Readonly<Record<string, Route>> {
  const {product, hardwareId, tcb} = subject;
  const levels = {blSPL: tcb.bl, teeSPL: tcb.tee, snpSPL: tcb.snp, ucodeSPL: tcb.ucode, fmcSPL: tcb.fmc};
  return {
    [`/vcek/v1/${product}/${hardwareId}`]: async (query) => {
      for (const [name, level] of Object.entries(levels)) {
        const asked = query.get(name);
        if (level !== undefined && (asked === null || !/^\d{1,3}$/.test(asked))) return {status: 400};
        if (level !== undefined && Number(asked) !== level) return {status: 404};
      }
      return reply("application/octet-stream", (await collateral()).vcek);
    },
    [`/vcek/v1/${product}/cert_chain`]: async () => reply(pem, (await collateral()).amdChain),
    [`/vcek/v1/${product}/crl`]: async () => reply(der, (await collateral()).amdCrl),
  };
}

function reply(
  type: string,
  body: Uint8Array | string | undefined,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return body === undefined ? {status: 404} : {status: 200, type, headers, body};
}

function crlPem(crl: Uint8Array): string {
  const base64 = Buffer.from(crl)
    .toString("base64")
    .replaceAll(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN X509 CRL-----\n${base64}\n-----END X509 CRL-----\n`;
}
