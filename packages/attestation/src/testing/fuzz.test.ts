/** Few mutants of what is in the repository, and of the vectors where they are; `npm run fuzz:attestation` takes 100,000. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import fc from "fast-check";
import {readVectorCases, vectorReader, vectorsFolder} from "./corpus.ts";
import {fuzzAttestation, type Seed, seedOf} from "./fuzz.ts";
import {damaged, randomFrom} from "./mutate.ts";

const fixtures = fileURLToPath(new URL("../../../../fixtures/", import.meta.url));

async function fixtureSeeds(): Promise<readonly Seed[]> {
  const folder = join(fixtures, "nitro");
  const bundle: object = JSON.parse(readFileSync(join(folder, "bundle.json"), "utf8"));
  return [await seedOf("nitro", bundle, (path) => new Uint8Array(readFileSync(join(folder, path))))];
}

test("mutants of the fixtures: a report or a coded error, nothing accepted with other signed bytes", async () => {
  const {findings, mutants} = await fuzzAttestation(await fixtureSeeds(), 600, 1);
  assert.deepEqual([findings, mutants], [[], 600]);
});

test("mutants of the vectors, all four TEEs", {
  skip: "skip" in vectorsFolder ? vectorsFolder.skip : false,
}, async () => {
  const folder = "path" in vectorsFolder ? vectorsFolder.path : "";
  const read = vectorReader(folder);
  const seeds: Seed[] = [];
  for (const vector of readVectorCases(folder)) {
    if (vector.expect.verdict === "accept") seeds.push(await seedOf(vector.id, vector, read));
  }
  const {findings, byTarget} = await fuzzAttestation(seeds, 2000, 2);
  assert.deepEqual(findings, []);
  for (const target of ["sgx evidence", "tdx tcbInfo", "snp vcek", "nitro evidence", "CRL", "CBOR", "JSON", "X.509"]) {
    assert.ok(byTarget[target]! > 0, target);
  }
});

test("what has to be found is found: a verifier's exception, and accepted mutants with other signed bytes", async () => {
  const [seed] = await fixtureSeeds();
  // A policy that breaks the verifier stands for a bug of it.
  const broken = {
    ...seed!,
    options: {...seed!.options, policy: {...seed!.options.policy, identities: [null]} as never},
  };
  await assert.rejects(fuzzAttestation([broken], 10, 1));
});

test("mutants come from their seed, and differ", () => {
  const bytes = Uint8Array.from({length: 100}, (_, i) => i);
  const all = (seed: number) => {
    const random = randomFrom(seed);
    return Array.from({length: 200}, () => damaged(bytes, random, [bytes.subarray(0, 9)]).join());
  };
  assert.deepEqual(all(1), all(1));
  assert.notDeepEqual(all(1), all(2));
  assert.ok(new Set(all(3)).size > 150);
  fc.assert(fc.property(fc.nat(), fc.integer({min: 1, max: 1000}), (seed, below) => randomFrom(seed)(below) < below));
});
