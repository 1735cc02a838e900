import type { FairnessTerms } from "@portolan/charter/contract";
import type { ClassSet } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import { measureClassFairness } from "../slices/measure-fairness.ts";
import { judgeFairness } from "../slices/slice-gates.ts";
import type { SliceValues } from "../slices/slice-values.ts";
import { answerTask } from "../statistics/statistics-task.ts";

/** So many rows of a group, of a class, that another was said of. */
const cells = [
  ["f", 0, 0, 60],
  ["f", 0, 1, 40],
  ["f", 1, 1, 50],
  ["f", 2, 2, 30],
  ["f", 2, 0, 20],
  ["m", 0, 0, 90],
  ["m", 0, 1, 10],
  ["m", 1, 1, 50],
  ["m", 2, 2, 40],
  ["m", 2, 0, 10],
] as const;
const rows = cells.flatMap(([group, label, said, count]) =>
  Array.from({ length: count }, () => ({ group, label, said })),
);
const set: ClassSet = {
  classCount: 3,
  labels: Uint16Array.from(rows, ({ label }) => label),
  predicted: Uint16Array.from(rows, ({ said }) => said),
};
const names = ["home", "ward", "intensive"];
const sex: SliceValues = {
  kind: "texts",
  column: "sex",
  codes: Uint32Array.from(rows, ({ group }) => Number(group === "m")),
  texts: ["f", "m"],
};
const terms: FairnessTerms = {
  columns: ["sex"],
  maximumDifference: 0.15,
  measures: ["demographic_parity_difference", "equal_opportunity_difference"],
  intersections: false,
  support: { positives: 30, negatives: 30 },
};
const measured = (more: Partial<FairnessTerms> = {}, of: readonly SliceValues[] = [sex]) =>
  measureClassFairness(set, names, of, { ...terms, ...more });

describe("fairness of several classes, each against all others (G11)", () => {
  test("rates of each class are those of the definitions, by hand", () => {
    const { attributes } = measured();
    expect(attributes.map((one) => one.class)).toEqual(names);
    const [home, ward, intensive] = attributes;
    // Home was said of 60 + 20 of 200 women and of 90 + 10 of 200 men, and rightly of 60 and 90 of 100 each.
    expect(home?.measures?.["demographic_parity_difference"]).toBeCloseTo(100 / 200 - 80 / 200, 12);
    expect(home?.measures?.["demographic_parity_ratio"]).toBeCloseTo(0.8, 12);
    expect(home?.measures?.["equal_opportunity_difference"]).toBeCloseTo(0.3, 12);
    expect(ward?.measures?.["equal_opportunity_difference"]).toBe(0);
    expect(intensive?.measures?.["equal_opportunity_difference"]).toBeCloseTo(40 / 50 - 30 / 50, 12);
    expect(home?.groups[0]).toMatchObject({ value: "f", rows: 200, positives: 100, isJudged: true });
  });

  test("the gate holds each class to the bounds, and names the one that misses them", () => {
    const [gate] = judgeFairness(measured(), terms);
    expect(gate?.passed).toBe(false);
    expect(gate?.observed).toContain("equal_opportunity_difference 0.3000 by sex for class home");
    expect(gate?.observed).toContain("equal_opportunity_difference 0.2000 by sex for class intensive");
    expect(gate?.observed).not.toContain("for class ward: ");
    const wide = { ...terms, maximumDifference: 0.3 + 1e-9 };
    expect(judgeFairness(measured(), wide)[0]).toMatchObject({
      passed: true,
      // Of each measure the worst class alone: 90 of 200 women were said to be of the ward, and 60 of 200 men.
      observed:
        "demographic_parity_difference 0.1500 by sex for class ward, equal_opportunity_difference 0.3000 by sex for class home",
    });
    // The ward's ratio is the least: 60 of 90.
    expect(judgeFairness(measured(), { ...wide, minimumRatio: 0.67 })[0]?.passed).toBe(false);
    expect(judgeFairness(measured(), { ...wide, minimumRatio: 0.66 })[0]?.passed).toBe(true);
  });

  test("where the charter names favourable classes, groups are compared by those alone; evidence of others fails", () => {
    const ward = { ...terms, favourable: ["ward"], maximumDifference: 0.2 };
    const report = measured({ favourable: ["ward"] });
    expect(report.attributes.map((one) => one.class)).toEqual(["ward"]);
    expect(judgeFairness(report, ward)[0]?.passed).toBe(true);
    for (const favourable of [["home"], ["ward", "home"]])
      expect(judgeFairness(report, { ...ward, favourable })[0]).toMatchObject({
        passed: false,
        observed: "groups were compared by other classes: evaluate again under this charter",
      });
    expect(judgeFairness(report, terms)[0]?.passed).toBe(false);
    expect(judgeFairness(measured(), ward)[0]?.passed).toBe(false);
  });

  test("a class that is too rare in the groups, one that the model has not, and a column that the rows lack fail", () => {
    const few = { ...terms, support: { positives: 51, negatives: 30 }, maximumDifference: 1 };
    expect(judgeFairness(measured(few), few)[0]).toMatchObject({
      passed: false,
      observed: expect.stringContaining(
        "sex for class ward: fewer than two groups have 51 positives",
      ) as string,
    });
    const home = { ...few, favourable: ["home"] };
    expect(judgeFairness(measured(home), home)[0]?.passed).toBe(true);
    const unknown = { ...terms, favourable: ["ship"] };
    expect(judgeFairness(measured(unknown), unknown)[0]?.observed).toContain("the model has no class ship");
    expect(judgeFairness(measured({}, []), terms)[0]?.observed).toContain("the rows have no such column");
  });

  test("two attributes together are held to the bounds too", () => {
    const half: SliceValues = {
      kind: "texts",
      column: "half",
      codes: Uint32Array.from(rows, (_, row) => row % 2),
      texts: ["first", "second"],
    };
    const both = { ...terms, columns: ["sex", "half"], intersections: true, maximumDifference: 0.25 };
    const report = measureClassFairness(set, names, [sex, half], {
      ...both,
      support: { positives: 20, negatives: 20 },
    });
    expect(report.attributes).toHaveLength(9);
    const [gate] = judgeFairness(report, { ...both, support: { positives: 20, negatives: 20 } });
    expect(gate?.observed).toContain("by sex × half for class home");
  });

  test("of more classes than sixteen the charter must name those that matter", () => {
    const report = measureClassFairness({ ...set, classCount: 17 }, undefined, [sex], terms);
    expect(judgeFairness(report, { ...terms, maximumDifference: 1 })[0]).toMatchObject({
      passed: false,
      observed: expect.stringContaining("name up to 16 in fairness.favourable") as string,
    });
  });

  test("an evaluation of several classes has it where its charter has, with what an attribute was made of", () => {
    const answer = answerTask({
      kind: "measure_classes",
      scored: { ...set, slices: [sex] },
      metric: "accuracy",
      names,
      sliced: [],
      fairness: terms,
      attributes: [{ name: "sex", expression: "row % 2" }],
    });
    expect(answer).toMatchObject({
      kind: "measured",
      metrics: { fairness: { attributes: [{ class: "home", expressions: { sex: "row % 2" } }, {}, {}] } },
    });
  });
});
