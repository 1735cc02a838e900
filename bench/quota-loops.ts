import { parseArgs } from "node:util";
import { settle } from "../packages/capacity/test/quota-runs.ts";
import { randomOf } from "../test/chaos/random.ts";

/**
 * Whether preemption ever goes round in circles: `node bench/quota-loops.ts [--runs 100000] [--seed 1]`. Each run draws cohorts, teams, policies and
 * jobs, takes turns until nothing changes, and holds every bound after each turn. Prints the seeds of runs that fail, and then exits with 1.
 */
const { values } = parseArgs({
  options: { runs: { type: "string", default: "100000" }, seed: { type: "string", default: "1" } },
});
const [runs, seed] = [Number(values.runs), Number(values.seed)];
const failed: string[] = [];
let [evictions, mostTurns] = [0, 0];
const begun = performance.now();
for (let run = 0; run < runs; run++) {
  const settled = settle(randomOf(seed + run));
  evictions += settled.evictions;
  mostTurns = Math.max(mostTurns, settled.turns);
  if (settled.faults.length > 0) failed.push(`seed ${seed + run}: ${settled.faults.join("; ")}`);
}
const seconds = (performance.now() - begun) / 1000;
console.log(
  `${runs} runs, ${evictions} evictions, at most ${mostTurns} turns, ${failed.length} failed, ${seconds.toFixed(1)} s`,
);
for (const line of failed.slice(0, 20)) console.log(line);
if (failed.length > 0) process.exitCode = 1;
