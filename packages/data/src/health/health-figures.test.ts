import { expect, test } from "vitest";
import { healthFigures } from "./health-figures.ts";
import type { ContractHealth } from "./health-store.ts";

const health: ContractHealth = {
  organisationId: "org_1",
  contract: "flights",
  environment: "dev",
  useCaseId: null,
  ingestions: { published: 2, refused: 0, failed: 0 },
  newestEvent: 5_000_000,
  newestPublication: 9_000_000,
  processingMs: 10,
  reprocessingMs: 0,
  reprocessedRows: 0,
  batches: [
    {
      counts: { accepted: 100, quarantined: 3, deadLetters: 1 },
      nulls: { delay: 30, origin: 0, note: 5 },
      drift: { added: ["x"], missing: [], changed: [{}, {}] },
    },
    { counts: { accepted: 50, quarantined: 0, deadLetters: 0 }, nulls: { delay: 5, note: 5 }, drift: null },
  ],
};

test("lag is since the newest event, a null spike is the largest rise of a share, and drift is counted (D21)", () => {
  expect(healthFigures(health, 65_000_000)).toEqual({
    freshnessLagSeconds: 60,
    rows: { accepted: 100, quarantined: 3, deadLetters: 1 },
    driftedColumns: { added: 1, missing: 0, changed: 2 },
    nullShares: { delay: 0.3, note: 0.05 },
    nullRise: expect.closeTo(0.2) as number,
  });
});

test("a first batch has risen from nothing, and a contract without one has no figures", () => {
  const [last] = health.batches;
  expect(healthFigures({ ...health, batches: last ? [last] : [] }, 0).nullRise).toBe(0);
  expect(healthFigures({ ...health, newestEvent: null, batches: [] }, 0)).toEqual({
    driftedColumns: { added: 0, missing: 0, changed: 0 },
    nullShares: {},
    nullRise: 0,
  });
});
