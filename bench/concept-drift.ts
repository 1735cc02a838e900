import { parseArgs } from "node:util";
import { RateEDetector, seededRandom, wilsonInterval } from "@portolan/numerics";

/**
 * How late a growing error rate is found, and how seldom without one: `node bench/concept-drift.ts [--runs 100]`. With a base rate that is known, and with the
 * upper end of a reference of 1,000 and of 5,000 cases, as the product has it.
 */
const { values } = parseArgs({ options: { runs: { type: "string", default: "100" } } });
const runs = Number(values.runs);
const random = seededRandom(20_261_127);
const bound = 1e6;

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

/** The rate that the product takes for the base, of a reference of so many cases. */
function baseRate(rate: number, reference: number): number {
  if (reference === Number.POSITIVE_INFINITY) return rate;
  let wrong = 0;
  for (let n = 0; n < reference; n++) if (random() < rate) wrong += 1;
  return wilsonInterval(wrong, reference).high;
}

/** Cases from the change, after a thousand without one, until the alarm. */
function delay(from: number, to: number, reference: number): number {
  const detector = new RateEDetector(baseRate(from, reference));
  while (detector.value < bound) detector.add(random() < (detector.trials < 1000 ? from : to));
  return detector.trials - 1000;
}

for (const [from, to] of [
  [0.1, 0.2],
  [0.2, 0.3],
  [0.2, 0.25],
  [0.05, 0.1],
] as const)
  console.log(
    `${from} to ${to}: median delay ${[Number.POSITIVE_INFINITY, 5000, 1000]
      .map(
        (reference) =>
          `${median(Array.from({ length: runs }, () => delay(from, to, reference)))} (${reference === Number.POSITIVE_INFINITY ? "known rate" : `reference of ${reference}`})`,
      )
      .join(", ")}`,
  );

for (const rate of [0.05, 0.1, 0.2]) {
  let alarms = 0;
  for (let run = 0; run < 12; run++) {
    const detector = new RateEDetector(rate);
    while (detector.trials < 100_000 && detector.value < bound) detector.add(random() < rate);
    if (detector.value >= bound) alarms += 1;
  }
  console.log(`${rate} without a change: ${alarms} alarms in 12 runs of 100,000 cases`);
}
