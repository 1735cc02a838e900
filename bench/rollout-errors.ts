import { parseArgs } from "node:util";
import { defaultPlan, judgeGuards, noCounts } from "@portolan/rollout/policy";
import { medianOf, ReleaseSimulation } from "../packages/rollout/test/release-simulation.ts";
import { randomOf } from "../test/chaos/random.ts";

/**
 * How often a release is rolled back that is no worse, and how soon one that is: `node bench/rollout-errors.ts`. Three guards, judged after every event by
 * the product's evidence and bounds, in the first canary step of the default plan. And how many requests a promotion takes.
 *
 * Usage: node bench/rollout-errors.ts [--runs 10000] [--found 2000] [--requests 1000000] [--percent 5] [--seed 1]
 * `--runs` without a difference, over `--requests` of both versions each; `--found` with one.
 */
const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "10000" },
    found: { type: "string", default: "2000" },
    requests: { type: "string", default: "1000000" },
    percent: { type: "string", default: "5" },
    seed: { type: "string", default: "1" },
  },
});
const [runs, found, requests, percent, seed] = [
  values.runs,
  values.found,
  values.requests,
  values.percent,
  values.seed,
].map(Number) as [number, number, number, number, number];

const simulation = new ReleaseSimulation(randomOf(seed), percent);
console.log(`${percent} % of the requests, seed ${seed}`);
for (const errors of [0.01, 0.001]) {
  const rates = { errors, slow: 0.05, fallbacks: 0.01 };
  let aborted = 0;
  for (let n = 0; n < runs; n++) if (simulation.abortsWithout(rates, requests)) aborted++;
  console.log(
    `no difference, errors ${errors * 100} %, slow 5 %, fallbacks 1 %, ${requests} requests: ${aborted} of ${runs} rolled back (${((100 * aborted) / runs).toFixed(2)} %)`,
  );
}
for (const [control, candidate] of [
  [0.01, 0.02],
  [0.01, 0.015],
  [0.001, 0.01],
] as const) {
  const took = Array.from({ length: found }, () =>
    simulation.requestsUntilFound(control, candidate, 20 * requests),
  );
  const sorted = took.map((one) => one ?? Number.POSITIVE_INFINITY).toSorted((a, b) => a - b);
  const missed = took.filter((one) => one === undefined).length;
  console.log(
    `errors ${control * 100} → ${candidate * 100} %: median ${medianOf(took)} requests of the candidate, 95 of 100 within ${sorted[Math.floor(0.95 * found)]}; not found in ${missed} of ${found}`,
  );
}

/** Requests of each version, of which as many go wrong as are expected, until one guard is shown to be no worse. */
function untilShown(rate: number): number {
  for (let requests = 100; ; requests = Math.ceil(requests * 1.01)) {
    const arm = { ...noCounts, requests, errors: Math.round(requests * rate) };
    const evidence = defaultPlan.steps.map(({ kind }, at) => {
      const counted = kind === "canary" && at === defaultPlan.steps.length - 1 ? arm : noCounts;
      return { candidate: counted, control: counted };
    });
    const errors = judgeGuards(defaultPlan, evidence).find(({ guard }) => guard === "errors");
    if (errors?.isNoWorse) return requests;
  }
}
for (const rate of [0, 0.001, 0.01, 0.05])
  console.log(
    `both ${rate * 100} %: shown to be no worse after ${untilShown(rate)} requests of each, by the default margin`,
  );
