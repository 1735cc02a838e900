import { expect, test } from "vitest";
import { randomOf } from "../../../test/chaos/random.ts";
import { medianOf, ReleaseSimulation } from "../test/release-simulation.ts";

const rates = { errors: 0.01, slow: 0.05, fallbacks: 0.01 };

test("releases without a difference are kept, whoever looks after every event; twice the errors are found", () => {
  const simulation = new ReleaseSimulation(randomOf(20_261_127), 5);
  const runs = Array.from({ length: 2000 }, () => simulation.abortsWithout(rates, 200_000));
  // At most 1 % by design: 33 of 2,000 has a chance of 0.4 % there.
  expect(runs.filter((aborted) => aborted).length).toBeLessThan(33);
  const found = Array.from({ length: 200 }, () => simulation.requestsUntilFound(0.01, 0.02, 400_000));
  expect(found.filter((one) => one === undefined)).toEqual([]);
  expect(medianOf(found)).toBeLessThan(2000);
});
