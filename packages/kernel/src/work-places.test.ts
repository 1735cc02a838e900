import { expect, test } from "vitest";
import { covers, ownerOf, sameOwner } from "./work-places.ts";

const work = { teamId: "team_a", useCaseId: "uc_a" };

test("work uses what belongs to its use case, its team or the organisation, and nothing of another's", () => {
  expect(covers({ useCaseId: "uc_a" }, work)).toBe(true);
  expect(covers({ teamId: "team_a" }, work)).toBe(true);
  expect(covers({}, work)).toBe(true);
  expect(covers({ useCaseId: "uc_b" }, work)).toBe(false);
  // The team's other use case: being neighbours opens nothing.
  expect(covers({ teamId: "team_a", useCaseId: "uc_b" }, work)).toBe(false);
  expect(covers({ teamId: "team_b" }, work)).toBe(false);
});

test("work for the organisation as a whole uses nothing that belongs to a team or use case", () => {
  expect(covers({ teamId: "team_a" }, {})).toBe(false);
  expect(covers({ useCaseId: "uc_a" }, {})).toBe(false);
});

test("a use case is its own owner, not its team: two owners are the same by the nearest scope", () => {
  expect(ownerOf(work)).toEqual({ useCaseId: "uc_a" });
  expect(sameOwner(work, { useCaseId: "uc_a" })).toBe(true);
  expect(sameOwner({ teamId: "team_a" }, work)).toBe(false);
});
