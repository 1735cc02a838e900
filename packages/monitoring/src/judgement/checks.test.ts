import { expect, test } from "vitest";
import { randomOf } from "../../../../test/chaos/random.ts";
import { DriftSimulation } from "../../test/drift-simulation.ts";
import { checkShares } from "./checks.ts";

test("beside a small reference new values are often outside of it: that is no fault of theirs", () => {
  const random = randomOf(7);
  let outside = 0;
  const trials = 1000;
  for (let trial = 0; trial < trials; trial++) {
    const simulation = new DriftSimulation(random, 1, 200);
    const [column] = simulation.profile.inputs;
    if (!column) throw new Error("a simulation without a column");
    const share = checkShares(column, simulation.window(200).counts).find(({ kind }) => kind === "outside");
    if ((share?.p ?? 1) < 0.05) outside++;
  }
  // By Fisher's test beside none before it is 10 %, for the five that are needed lie at either end.
  expect(outside / trials).toBeLessThan(0.055);
});
