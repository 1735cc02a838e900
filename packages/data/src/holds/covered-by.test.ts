import { expect, test } from "vitest";
import { coveredBy } from "./covered-by.ts";
import type { DataHold } from "./hold-store.ts";

const hold = (id: string, scope: Partial<DataHold>): DataHold => ({
  id,
  organisation_id: "org",
  environment: "dev",
  contract: null,
  use_case_id: null,
  reason: "a claim",
  placed_by: "usr",
  placed_at: 1,
  released_by: null,
  released_at: null,
  ...scope,
});

test("a hold covers all of what it does not name, and nothing beside what it names", () => {
  const holds = [
    hold("all", {}),
    hold("flights", { contract: "flights" }),
    hold("theirs", { use_case_id: "uc_1" }),
  ];
  expect(coveredBy(holds, { environment: "dev", contract: "flights" })).toEqual(["all", "flights"]);
  expect(coveredBy(holds, { environment: "dev", contract: "visits", useCaseId: "uc_1" })).toEqual([
    "all",
    "theirs",
  ]);
  expect(coveredBy(holds, { environment: "production", contract: "flights" })).toEqual([]);
});

test("of data that does not say its contract, any hold of its environment may cover some", () => {
  expect(coveredBy([hold("flights", { contract: "flights" })], { environment: "dev" })).toEqual(["flights"]);
});
