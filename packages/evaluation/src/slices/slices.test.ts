import type { FairnessTerms, SliceTerms } from "@portolan/charter/contract";
import { seededRandom } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import { binaryMetrics } from "../binary-metrics.ts";
import { measureFairness } from "./measure-fairness.ts";
import { measureSlices } from "./measure-slices.ts";
import { judgeFairness, judgeSlices } from "./slice-gates.ts";
import { type GroupedRows, groupRows, type SliceValues, splitRows } from "./slice-values.ts";

const rows = 2000;
const random = seededRandom(5);
const half = Array.from({ length: rows }, (_, row) => row % 2);
const labels = Uint8Array.from(half, () => Number(random() < 0.5));
/** Right about most rows of the first half, and guessing on the second one. */
const scores = Float64Array.from(half, (second, row) => {
  const signal = second === 1 ? 0 : 0.6;
  return signal * (labels[row] ?? 0) + (1 - signal) * random();
});
const set = { scores, labels };
const texts = (
  column: string,
  names: readonly (string | null)[],
  codeOf: (row: number) => number,
): SliceValues => ({
  kind: "texts",
  column,
  texts: names,
  codes: Uint32Array.from(half, (_, row) => codeOf(row)),
});
const namesOf = (grouped: GroupedRows) =>
  Array.from({ length: grouped.size }, (_, code) => grouped.nameOf(code));
const ward = texts("ward", ["a", "b"], (row) => half[row] ?? 0);
const support = { positives: 30, negatives: 30 };
const terms: SliceTerms = { columns: ["ward"], bins: 4, support, maximumGap: 0.1 };
const whole = { set, overall: binaryMetrics(set).values };
const overall = whole.overall["roc_auc"];
const judge = (report: Parameters<typeof judgeSlices>[0], change: Partial<SliceTerms> = {}) =>
  judgeSlices(report, { ...terms, ...change }, "roc_auc", overall)[0];

describe("groups of rows", () => {
  test("few numbers are values, many are bins of equally many rows, and rows without one are apart", () => {
    const few = groupRows(
      {
        kind: "numbers",
        column: "n",
        values: Float64Array.of(2, 1, Number.NaN, 2, Number.POSITIVE_INFINITY),
      },
      4,
    );
    expect(few.grouping).toBe("values");
    expect(namesOf(few)).toEqual(["1", "2", "(none)"]);
    expect([...few.codes]).toEqual([1, 0, 2, 1, 2]);
    const values = Float64Array.from({ length: 401 }, (_, row) => (row === 400 ? Number.NaN : row));
    const many = groupRows({ kind: "numbers", column: "n", values }, 4);
    // The least and the largest number are somebody's.
    expect(namesOf(many)).toEqual(["<= 99.75", "(99.75, 199.5]", "(199.5, 299.25]", "> 299.25", "(none)"]);
    const sizes = [0, 1, 2, 3, 4].map((bin) => many.codes.filter((code) => code === bin).length);
    expect(sizes).toEqual([100, 100, 100, 100, 1]);
  });

  test("bins that would end at the same number are one", () => {
    const values = Float64Array.from({ length: 200 }, (_, row) => (row < 160 ? 0 : row));
    expect(namesOf(groupRows({ kind: "numbers", column: "n", values }, 4))).toEqual([
      "<= 0",
      "> 0",
      "(none)",
    ]);
    const highest = values.map((value, row) => (row < 160 ? 500 : value));
    expect(namesOf(groupRows({ kind: "numbers", column: "n", values: highest }, 4))).toEqual([
      "any number",
      "(none)",
    ]);
  });

  test("a long text is known by its beginning", () => {
    const long = texts("note", ["x".repeat(10_000)], () => 0);
    if (long.kind === "unfit") throw new Error("unfit");
    expect(groupRows(long, 4).nameOf(0)).toBe(`${"x".repeat(80)}…`);
  });

  test("a value that fewer than five rows have is not told, and is no group", () => {
    const names = texts("name", ["many", "somebody", "somebody else"], (row) =>
      row < 4 ? 1 : row < 7 ? 2 : 0,
    );
    if (names.kind === "unfit") throw new Error("unfit");
    const groups = splitRows(set, groupRows(names, 4));
    expect(groups.map(({ value, set: part, isRare }) => [value, part.scores.length, isRare])).toEqual([
      ["many", rows - 7, false],
      ["(rare)", 7, true],
    ]);
  });
});

describe("slices (G10)", () => {
  test("each value has the metrics of its rows alone", () => {
    const [column] = measureSlices(whole, ["ward"], [ward], terms).columns;
    expect(column?.slices.map(({ value }) => value)).toEqual(["a", "b"]);
    const first = [...labels.keys()].filter((row) => row % 2 === 0);
    const alone = binaryMetrics({
      scores: Float64Array.from(first, (row) => scores[row] ?? 0),
      labels: Uint8Array.from(first, (row) => labels[row] ?? 0),
    });
    expect(column?.slices[0]).toMatchObject({ rows: 1000, isJudged: true, values: alone.values });
    expect(column?.slices[0]?.intervals?.["roc_auc"]).toEqual(alone.intervals?.["roc_auc"]);
  });

  test("a slice with too few rows of a class is counted and never judged", () => {
    const few = texts("ward", ["a", "b"], (row) => Number(row < 40));
    const report = measureSlices(whole, ["ward"], [few], terms);
    expect(report.columns[0]?.slices[1]).toEqual({
      value: "b",
      rows: 40,
      positives: expect.any(Number) as number,
      isJudged: false,
    });
    expect(judge(report)?.passed).toBe(true);
  });

  test("the worst slice decides, and is named", () => {
    const report = measureSlices(whole, ["ward"], [ward], terms);
    expect(judge(report)).toMatchObject({
      gate: "slices",
      passed: false,
      observed: expect.stringContaining("where ward is b (1000 rows)") as string,
    });
    expect(judge(report, { maximumGap: 0.5 })?.passed).toBe(true);
  });

  test("of a metric that is better when lower the worst slice has the most", () => {
    const report = measureSlices(whole, ["ward"], [ward], terms);
    const brier = binaryMetrics(set).values["brier_score"];
    const [gate] = judgeSlices(report, { ...terms, maximumGap: 0.01 }, "brier_score", brier);
    expect(gate).toMatchObject({ passed: false, observed: expect.stringContaining("ward is b") as string });
  });

  test("a report says of each metric its worst slice, and by how much", () => {
    const { worst, columns } = measureSlices(whole, ["ward"], [ward], terms);
    const found = columns[0]?.slices[1]?.values?.["roc_auc"];
    expect(worst["roc_auc"]).toEqual({
      column: "ward",
      value: "b",
      rows: 1000,
      found,
      gap: (overall ?? Number.NaN) - (found ?? Number.NaN),
    });
    expect(worst["log_loss"]?.gap).toBeGreaterThan(0);
    expect(measureSlices(whole, ["ward"], [], terms).worst).toEqual({});
  });

  test("what was not measured, or has no slice with enough rows, fails", () => {
    expect(judge(undefined)).toMatchObject({ passed: false });
    const report = measureSlices(whole, ["ward"], [], terms);
    expect(judge(report)?.observed).toContain("no such column");
    expect(judge(measureSlices(whole, ["other"], [], terms))?.observed).toContain("ward was not measured");
    const large = { positives: 900, negatives: 900 };
    const none = measureSlices(whole, ["ward"], [ward], { bins: 4, support: large });
    expect(judge(none, { support: large })?.observed).toContain("no slice has 900");
    expect(judge(none)?.observed).toContain("another support");
  });

  test("a column without values, or with one for all rows, is no evidence: neither passes", () => {
    const empty: SliceValues = {
      kind: "numbers",
      column: "ward",
      values: new Float64Array(rows).fill(Number.NaN),
    };
    const missing = judge(measureSlices(whole, ["ward"], [empty], terms));
    expect(missing).toMatchObject({
      passed: false,
      observed: expect.stringContaining("one slice") as string,
    });
    const same = texts("ward", ["a"], () => 0);
    expect(judge(measureSlices(whole, ["ward"], [same], terms))?.passed).toBe(false);
    const nearlyEmpty = texts("ward", [null, "a"], (row) => Number(row < 40));
    const [column] = measureSlices(whole, ["ward"], [nearlyEmpty], terms).columns;
    expect(column?.slices[0]).toMatchObject({ value: "(none)", isAbsent: true, isJudged: true });
    const few = judge(measureSlices(whole, ["ward"], [nearlyEmpty], terms));
    expect(few).toMatchObject({
      passed: false,
      observed: expect.stringContaining("no slice has 30") as string,
    });
  });

  test("a gate says of what an attribute was made, and how many rows no slice judges", () => {
    const few = texts("ward", ["a", "b", "c"], (row) => (row < 40 ? 2 : row < 1000 ? 1 : 0));
    const report = measureSlices(whole, ["ward"], [few], terms);
    const columns = report.columns.map((column) => ({ ...column, expression: "minute(seen_at)" }));
    const observed = judge({ ...report, columns })?.observed;
    expect(observed).toContain("where ward (minute(seen_at)) is");
    expect(observed).toContain("40 of 2000 rows are in slices of ward that are too small to be judged");
  });

  test("a charter that bounds no gap has no gate", () => {
    expect(judgeSlices(undefined, { columns: ["ward"], bins: 4, support }, "roc_auc", overall)).toEqual([]);
    expect(judgeSlices(undefined, undefined, "roc_auc", overall)).toEqual([]);
  });
});

describe("fairness (G11)", () => {
  const sex = texts("sex", ["f", "m"], (row) => half[row] ?? 0);
  const age = texts("age_band", ["old", "young", null], (row) => (row < 3 ? 2 : row < 900 ? 0 : 1));
  /** Selects more of the second half. */
  const leaning = { labels, scores: scores.map((score, row) => score + (half[row] === 1 ? 0.2 : 0)) };
  const fairness: FairnessTerms = {
    columns: ["sex"],
    maximumDifference: 0.1,
    measures: ["demographic_parity_difference"],
    intersections: false,
    support,
  };

  test("groups that differ by more than the bound are named with the measure", () => {
    const report = measureFairness(leaning, [sex], fairness);
    expect(report.attributes[0]?.groups.map(({ value }) => value)).toEqual(["f", "m"]);
    const [gate] = judgeFairness(report, fairness);
    expect(gate).toMatchObject({ gate: "fairness", passed: false });
    expect(gate?.observed).toMatch(/demographic_parity_difference 0\.\d{4} by sex/);
    expect(judgeFairness(report, { ...fairness, maximumDifference: 0.9 })[0]?.passed).toBe(true);
  });

  test("the four-fifths rule is a bound of its own", () => {
    const report = measureFairness(leaning, [sex], fairness);
    const [gate] = judgeFairness(report, { ...fairness, maximumDifference: 1, minimumRatio: 0.95 });
    expect(gate).toMatchObject({
      passed: false,
      observed: expect.stringContaining("demographic_parity_ratio") as string,
    });
    expect(judgeFairness(report, { ...fairness, maximumDifference: 1, minimumRatio: 0.1 })[0]?.passed).toBe(
      true,
    );
  });

  test("a difference that only two attributes together show is found", () => {
    const crossedScores = {
      labels,
      scores: Float64Array.from(half, (second, row) => ((second === 1) === row < 1000 ? 0.9 : 0.1)),
    };
    const old = texts("age_band", ["old", "young"], (row) => Number(row >= 1000));
    const both = { ...fairness, columns: ["sex", "age_band"] };
    const alone = measureFairness(crossedScores, [sex, old], both);
    expect(judgeFairness(alone, both)[0]?.passed).toBe(true);
    const pairs = { ...both, intersections: true };
    const report = measureFairness(crossedScores, [sex, old], pairs);
    expect(report.attributes.at(-1)).toMatchObject({
      columns: ["sex", "age_band"],
      measures: { demographic_parity_difference: 1 },
    });
    expect(judgeFairness(report, pairs)[0]?.observed).toContain("by sex × age_band");
    // A report without the pairs does not pass for one with them.
    expect(judgeFairness(alone, pairs)[0]).toMatchObject({ passed: false });
  });

  test("groups with too few rows are left out, and an attribute with fewer than two others fails", () => {
    const report = measureFairness(set, [age], { ...fairness, columns: ["age_band"] });
    expect(report.attributes[0]?.groups.map(({ value, isJudged }) => [value, isJudged])).toEqual([
      ["old", true],
      ["young", true],
      ["(rare)", false],
    ]);
    const one = texts("sex", ["f", "m"], (row) => Number(row < 20));
    const [gate] = judgeFairness(measureFairness(set, [one], fairness), fairness);
    expect(gate).toMatchObject({
      passed: false,
      observed: "sex: fewer than two groups have 30 positives and 30 negatives",
    });
  });

  test("rows without a value are no second group", () => {
    const onlyWomen = texts("sex", ["f", null], (row) => half[row] ?? 0);
    const report = measureFairness(set, [onlyWomen], fairness);
    expect(report.attributes[0]?.groups.map(({ isJudged }) => isJudged)).toEqual([true, true]);
    expect(judgeFairness(report, { ...fairness, maximumDifference: 1 })[0]).toMatchObject({
      passed: false,
      observed: "sex: fewer than two groups have 30 positives and 30 negatives",
    });
  });

  test("of two attributes the groups between which the measures are stand for all, counted as one by one", () => {
    const tens = texts(
      "tens",
      Array.from({ length: 10 }, (_, at) => `t${at}`),
      (row) => row % 10,
    );
    const halves = texts("halves", ["first", "second", "nobody"], (row) =>
      row === 7 ? 2 : Number(row >= rows / 2),
    );
    const pairs = { ...fairness, columns: ["tens", "halves"], intersections: true };
    const small = { ...pairs, support: { positives: 2, negatives: 2 } };
    const crossing = measureFairness(leaning, [tens, halves], small).attributes.at(-1);
    expect(crossing).toMatchObject({ groupCount: 21, judgedCount: 20 });
    expect(crossing?.groups.length).toBeLessThanOrEqual(6);
    const alone = Array.from({ length: 20 }, (_, at) => {
      const its = [...labels.keys()].filter(
        (row) => row !== 7 && row % 10 === at % 10 && Number(row >= rows / 2) === Math.floor(at / 10),
      );
      return its.filter((row) => (leaning.scores[row] ?? 0) >= 0.5).length / its.length;
    });
    expect(crossing?.measures?.["demographic_parity_difference"]).toBeCloseTo(
      Math.max(...alone) - Math.min(...alone),
      12,
    );
  });

  test("a gate says of what an attribute was made", () => {
    const report = measureFairness(set, [sex], fairness);
    const attributes = report.attributes.map((one) => ({ ...one, expressions: { sex: "row % 2" } }));
    expect(judgeFairness({ ...report, attributes }, fairness)[0]?.observed).toContain("by sex (row % 2)");
  });

  test("of many attributes a gate tells the first ones, and how many more there are", () => {
    const columns = Array.from({ length: 12 }, (_, at) => `attribute_${at}`);
    const many = { ...fairness, columns };
    const [gate] = judgeFairness(measureFairness(set, [], many), many);
    expect(gate?.observed).toMatch(/^attribute_0: .*attribute_7: [^;]*; and 4 more$/);
  });

  test("what was not compared fails; a charter without measures has no gate", () => {
    expect(judgeFairness(undefined, fairness)[0]?.passed).toBe(false);
    expect(judgeFairness(measureFairness(set, [], fairness), fairness)[0]?.observed).toContain(
      "no such column",
    );
    expect(judgeFairness(undefined, undefined)).toEqual([]);
  });
});
