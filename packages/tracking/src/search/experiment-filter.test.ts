import { describe, expect, test } from "vitest";
import { type FilteredExperiment, parseExperimentFilter, parseExperimentOrder } from "./experiment-filter.ts";

const experiments: readonly FilteredExperiment[] = [
  { id: "uc_b-dev", name: "delays/dev", createdMs: 2_000, tags: [{ key: "team", value: "a.b" }] },
  { id: "uc_b-production", name: "delays/production", createdMs: 2_000, tags: [] },
  { id: "uc_a-dev", name: "Churn/dev", createdMs: 1_000, tags: [{ key: "team", value: "axb" }] },
  { id: "org_1-dev", name: "org_1/dev", tags: [] },
];
const found = (filter: string): number[] =>
  experiments.flatMap((one, at) => (parseExperimentFilter(filter)(one) ? [at] : []));

describe("a filter of experiments", () => {
  test.each<[string, number[]]>([
    ["", [0, 1, 2, 3]],
    ["name = 'delays/dev'", [0]],
    ["attribute.name != 'delays/dev'", [1, 2, 3]],
    ["name LIKE 'delays/%' and creation_time >= 2000", [0, 1]],
    ["name ILIKE 'churn/___'", [2]],
    ["tags.team LIKE 'a.b'", [0]],
    ["tags.`team` != 'axb'", [0]],
    ["last_update_time < 2000", [2]],
  ])("%s", (filter, expected) => expect(found(filter)).toEqual(expected));

  test.each(["colour = 'red'", "name > 'a'", "name = 1", "creation_time = 'x'", "name = 'a' or name = 'b'"])(
    "%s is refused",
    (filter) => expect(() => parseExperimentFilter(filter)).toThrow(),
  );
});

test("the newest come first, and of equals the id decides; an order that is asked for goes before", () => {
  const sorted = (...orderBy: string[]) =>
    experiments.toSorted(parseExperimentOrder(orderBy)).map((one) => experiments.indexOf(one));
  expect(sorted()).toEqual([0, 1, 2, 3]);
  expect(sorted("attribute.creation_time ASC")).toEqual([3, 2, 0, 1]);
  expect(sorted("name DESC")).toEqual([3, 1, 0, 2]);
  expect(() => parseExperimentOrder(["tags.team"])).toThrow();
  expect(() => parseExperimentOrder(["name down"])).toThrow();
});
