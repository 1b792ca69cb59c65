/** The trusted program, put together: keys and claims made at start, models, sessions, server. */
import {generateKeyPairSync, randomBytes} from "node:crypto";
import {encodeHex} from "@tf-trusted/core";
import type {Engine} from "@tf-trusted/litert";
import {type EnclaveClaims, encodeClaims, protocolVersion} from "@tf-trusted/protocol";
import {configurationDigest, type EnclaveConfiguration} from "./configuration.ts";
import type {EventSink} from "./events.ts";
import {ModelRegistry} from "./models/registry.ts";
import type {Platform} from "./platforms/platform.ts";
import {createRpcServer} from "./rpc/server.ts";
import {QuoteQueue} from "./session/quote-queue.ts";
import {makeAttestedTlsIdentity} from "./session/tls-identity.ts";
import {softwareVersion} from "./software-version.ts";

export interface EnclaveOptions {
  readonly engine: Engine;
  readonly platform: Platform;
  readonly configuration: EnclaveConfiguration;
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly events: EventSink;
}

export interface RunningEnclave {
  readonly port: number;
  readonly claims: EnclaveClaims;
  /** Lets calls under way finish for a second, then closes everything. */
  stop(): Promise<void>;
}

const graceMs = 1000;

/** Starts serving. The engine is closed with it. Throws `PLATFORM_FAILED` where the platform gives no evidence. */
export async function startEnclave(options: EnclaveOptions): Promise<RunningEnclave> {
  const {engine, platform, configuration, host, port, events} = options;
  const identity = await makeAttestedTlsIdentity(platform);
  const receiptKey = generateKeyPairSync("ed25519").publicKey.export({type: "spki", format: "der"});
  const claims: EnclaveClaims = {
    protocol: protocolVersion,
    software: softwareVersion,
    tlsKeySha256: encodeHex(identity.spkiSha256),
    configurationSha256: configurationDigest(configuration),
    engine: {id: engine.id, sha256: engine.digest},
    // RFC 8410 §4: the key itself is the last 32 bytes.
    receiptKey: encodeHex(receiptKey.subarray(-32)),
    startup: encodeHex(randomBytes(16)),
  };
  const registry = new ModelRegistry(engine, configuration);
  const server = createRpcServer({
    configuration,
    identity,
    events,
    registry,
    sessions: {
      configuration,
      quotes: new QuoteQueue(platform, configuration.quotesPerSecond),
      claims: encodeClaims(claims),
      spkiSha256: identity.spkiSha256,
      events,
    },
  });
  const listening = await server.listen(host, port);
  events({
    event: "started",
    engine: engine.id,
    port: listening,
    platform: platform.kind,
    measurement: platform.measurement(),
  });
  return {
    port: listening,
    claims,
    stop: async () => {
      events({event: "stopping"});
      await server.close(graceMs);
      registry.stop();
      await engine.close();
    },
  };
}
