/** `npm run fuzz:attestation [-- COUNT [SEED]]`: 100,000 mutants of the vectors, or as many as are asked for. */

import {readVectorCases, vectorReader, vectorsFolder} from "./corpus.ts";
import {fuzzAttestation, type Seed, seedOf} from "./fuzz.ts";

if (!("path" in vectorsFolder)) {
  console.error(vectorsFolder.skip);
  process.exit(1);
}
const [count = 100_000, seed = Date.now() % 1_000_000] = process.argv.slice(2).map(Number);
const read = vectorReader(vectorsFolder.path);
const seeds: Seed[] = [];
for (const vector of readVectorCases(vectorsFolder.path)) {
  if (vector.expect.verdict === "accept") seeds.push(await seedOf(vector.id, vector, read));
}
const started = performance.now();
const result = await fuzzAttestation(seeds, count, seed, (done) => {
  if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${count}`);
});
const {mutants, accepted, byTarget, slowestMs, mostAllocated, mostAllocatedPerByte, findings} = result;
console.log(
  `${mutants} mutants of ${seeds.length} genuine cases, seed ${seed}, ${((performance.now() - started) / 1000).toFixed(0)} s`,
);
console.log(`accepted, no signed byte differing: ${accepted}`);
console.log(
  `slowest: ${slowestMs.toFixed(0)} ms; most allocated for one: ${(mostAllocated / 1024).toFixed(0)} KiB, ${mostAllocatedPerByte.toFixed(0)} times its bytes where it has 4 KiB or more`,
);
for (const [target, number] of Object.entries(byTarget).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  console.log(`  ${target}: ${number}`);
for (const finding of findings.slice(0, 20)) console.error(finding);
console.log(`findings: ${findings.length}`);
process.exitCode = findings.length > 0 ? 1 : 0;
