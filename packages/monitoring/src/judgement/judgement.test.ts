import { chiSquaredContingency } from "@portolan/numerics";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { randomOf } from "../../../../test/chaos/random.ts";
import { countAlarms, DriftSimulation } from "../../test/drift-simulation.ts";
import { levelsReference, numericReference } from "../reference-profile.ts";
import { SeriesJudge } from "./judge-series.ts";
import { judgeWindow } from "./judge-window.ts";
import { measureDistances } from "./measures.ts";
import { mergeCells } from "./merged-cells.ts";
import { driftPolicy } from "./policy.ts";
import { persistenceOf } from "./verdicts.ts";
import { joinWindows } from "./windows.ts";

const minute = 60_000_000;
const hour = 60 * minute;
const repeat = <T>(value: T, times: number): T[] => Array.from({ length: times }, () => value);
const place = (name: string) => ({ tensor: name, column: 0, name });

describe("windows", () => {
  const stored = (start: number, rows: number) => ({ start, rows, counts: [rows] });

  test("close at a thousand rows or with their hour; what was counted of one start is one", () => {
    const windows = [
      stored(65 * minute, 40),
      stored(0, 600),
      stored(5 * minute, 500),
      stored(5 * minute, 7),
      stored(10 * minute, 300),
    ];
    expect(joinWindows(windows)).toEqual([
      { start: 0, lastStart: 5 * minute, rows: 1107, counts: [1107] },
      { start: 10 * minute, lastStart: 10 * minute, rows: 300, counts: [300] },
      { start: 65 * minute, lastStart: 65 * minute, rows: 40, counts: [40] },
    ]);
    expect(joinWindows([])).toEqual([]);
  });

  test("an hour is joined in the same way whatever comes before it, and no row is lost", () => {
    const minutes = fc.array(fc.tuple(fc.integer({ min: 0, max: 35 }), fc.integer({ min: 0, max: 1500 })), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(minutes, (all) => {
        const windows = all.map(([at, rows]) => stored(at * 5 * minute, rows));
        const joined = joinWindows(windows);
        const later = joinWindows(windows.filter(({ start }) => start >= hour));
        expect(joined.filter(({ start }) => start >= hour)).toEqual(later);
        const total = (of: readonly { rows: number }[]) => of.reduce((sum, { rows }) => sum + rows, 0);
        expect(total(joined)).toBe(total(windows));
      }),
    );
  });
});

describe("cells with few cases", () => {
  const levels = levelsReference(place("place"), [
    ...repeat("a", 9000),
    ...repeat("b", 900),
    ...repeat("c", 40),
    ...repeat("d", 40),
    ...repeat(null, 20),
  ]);

  test("join their neighbour; new levels and gaps keep a cell of their own", () => {
    // a, b, c, d, others, null
    expect(mergeCells(levels, [880, 90, 4, 5, 0, 2])).toEqual({
      reference: [9000, 900, 80, 20],
      now: [880, 90, 9, 2],
    });
    expect(mergeCells(levels, [780, 90, 4, 5, 100, 2])).toMatchObject({ now: [780, 90, 9, 2, 100] });
    const { now } = mergeCells(levels, [850, 90, 4, 5, 30, 0]);
    expect(now).toEqual([850, 90, 9, 30]);
  });

  test("no row is lost, and every group but the rare one has enough expected cases", () => {
    const column = numericReference(
      place("x"),
      Array.from({ length: 3000 }, (_, at) => at % 700),
    );
    const cells = fc.array(fc.integer({ min: 0, max: 40 }), {
      minLength: column.counts.length,
      maxLength: column.counts.length,
    });
    fc.assert(
      fc.property(cells, (now) => {
        fc.pre(now.some((count) => count > 0));
        const merged = mergeCells(column, now);
        const total = (of: readonly number[]) => of.reduce((sum, count) => sum + count, 0);
        expect([total(merged.reference), total(merged.now)]).toEqual([3000, total(now)]);
        const share = Math.min(3000, total(now)) / (3000 + total(now));
        const expected = merged.now.map((count, at) => (count + (merged.reference[at] ?? 0)) * share);
        if (expected.length > 1) expect(expected.filter((one) => one < 5).length).toBeLessThanOrEqual(1);
        expect(chiSquaredContingency([merged.reference, merged.now]).p).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe("distances of cells", () => {
  test("values that have cells of their own are held where they are; the rest is spread over its range", () => {
    const few = numericReference(place("x"), [...repeat(1, 50), ...repeat(3, 50)]);
    // below, 1, 3, above, null, NaN, -inf, inf
    expect(measureDistances(few, [0, 0, 80, 20, 0, 0, 0, 0])).toMatchObject({
      ks: { statistic: 0.5 },
      wasserstein: { distance: 1, perIqr: 0.5 },
    });
    const many = numericReference(
      place("x"),
      Array.from({ length: 1001 }, (_, at) => at / 10),
    );
    const shifted = Array.from({ length: 1001 }, (_, at) => at / 10 + 5);
    const counts = numericReference(place("x"), shifted);
    expect(counts.counts).toHaveLength(many.counts.length);
    const now = many.counts.map((count, at) =>
      at === 1 ? 0 : at === many.lowerBounds.length + 1 ? 50 : count,
    );
    const { ks, wasserstein } = measureDistances(many, now);
    expect(ks?.statistic).toBeCloseTo(0.05, 2);
    // What is above the maximum counts as the maximum: 5 % of the rows moved by up to 100, of which 95 to 100 is known.
    expect(wasserstein?.distance).toBeCloseTo(0.05 * 95, 0);
    expect(wasserstein?.perIqr).toBeCloseTo((0.05 * 95) / 50, 1);
  });

  test("where one side has no numbers, there is no distance of numbers", () => {
    const column = numericReference(place("x"), [1, 2, 3]);
    const onlyNull = column.counts.map((_, at) => (at === column.lowerBounds.length + 2 ? 9 : 0));
    const { ks, wasserstein, jensenShannon } = measureDistances(column, onlyNull);
    expect([ks, wasserstein]).toEqual([undefined, undefined]);
    expect(jensenShannon).toBeCloseTo(Math.sqrt(Math.LN2), 12);
    expect(
      measureDistances(numericReference(place("x"), [null]), [1, 0, 0, 0, 0, 0]).wasserstein,
    ).toBeUndefined();
  });
});

test("drift is what differs in two judged windows in a row; short windows neither confirm nor end it", () => {
  expect(persistenceOf([], false)).toEqual({ verdict: "not_counted", suspected: false });
  expect(persistenceOf([undefined], true)).toEqual({ verdict: "insufficient", suspected: false });
  expect(persistenceOf([false, true], true)).toEqual({
    verdict: "no_drift",
    suspected: true,
    sinceAt: 1,
    judgedAt: 1,
  });
  expect(persistenceOf([true, undefined, true, undefined], true)).toEqual({
    verdict: "drift",
    suspected: false,
    sinceAt: 0,
    judgedAt: 2,
  });
  expect(persistenceOf([true, true, false], true)).toEqual({
    verdict: "no_drift",
    suspected: false,
    judgedAt: 2,
  });
});

describe("data quality", () => {
  const column = numericReference(
    place("x"),
    Array.from({ length: 5000 }, (_, at) => at),
  );
  const size = column.lowerBounds.length;
  const with_ = (cell: number, rows: number) =>
    column.counts.map((count, at) => (at === cell ? rows : Math.round(count / 5)));
  const checks = (counts: readonly number[]) => judgeWindow([{ column, counts }])[0]?.judged?.checks;

  test("gaps, and values outside of the reference, are said apart", () => {
    expect(checks(with_(size + 2, 60))).toMatchObject([
      { kind: "absent", differs: true },
      { kind: "outside", differs: false },
    ]);
    expect(checks(with_(size + 3, 60))).toMatchObject([
      { kind: "absent", differs: true },
      { differs: false },
    ]);
    for (const cell of [0, size + 1, size + 4, size + 5])
      expect(checks(with_(cell, 60))).toMatchObject([
        { differs: false },
        { kind: "outside", differs: true, reference: 0 },
      ]);
    expect(checks(with_(0, 8))).toMatchObject([{ differs: false }, { differs: false }]);
  });

  test("levels that have no cell are said; fewer gaps than in the reference are no fault", () => {
    const places = levelsReference(place("place"), [...repeat("a", 900), ...repeat(null, 100)]);
    const [found] = judgeWindow([{ column: places, counts: [900, 50, 0] }]);
    expect(found?.judged?.checks).toMatchObject([
      { kind: "absent", differs: false },
      { kind: "unseen", differs: true, now: 50 / 950 },
    ]);
  });
});

describe("a series", () => {
  const judged = (seed: number, shifts: readonly number[], rows = 1000) => {
    const simulation = new DriftSimulation(randomOf(seed), 5, 5000);
    const judge = new SeriesJudge(simulation.profile);
    for (const shift of shifts) judge.add(simulation.window(rows, shift));
    return judge.judgement();
  };

  test("of one law has no drift; a column that moved drifts, since when it did, and no other does", () => {
    expect(judged(1, [0, 0, 0])).toMatchObject({ verdict: "no_drift" });
    const report = judged(2, [0, 0, 0.5, 0.5]);
    expect(report.verdict).toBe("drift");
    expect(report.inputs.map(({ verdict }) => verdict)).toEqual(["drift", ...repeat("no_drift", 4)]);
    expect(report.inputs[0]).toMatchObject({ since: 2 * hour, suspected: false });
    expect(report.inputs[0]?.trend.map((psi) => (psi ?? 0) > driftPolicy.leastPsi)).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(report.inputs[0]?.newest?.ks?.p).toBeLessThan(1e-6);
  });

  test("a report is made a column at a time, and is the same", () => {
    const simulation = new DriftSimulation(randomOf(5), 5, 5000);
    const judge = new SeriesJudge(simulation.profile);
    judge.add(simulation.window(1000));
    const steps = judge.steps();
    const pauses = repeat(0, 5).map(() => steps.next());
    expect(pauses).toEqual(repeat({ done: false, value: undefined }, 5));
    expect(steps.next()).toEqual({ done: true, value: judge.judgement() });
  });

  test("one window alone is suspected; few rows say nothing, however far they are", () => {
    expect(judged(3, [0, 0.5])).toMatchObject({ verdict: "no_drift", inputs: { 0: { suspected: true } } });
    const few = judged(4, [3, 3], driftPolicy.leastRows - 1);
    expect(few).toMatchObject({ verdict: "insufficient", inputs: { 0: { trend: [null, null] } } });
    expect(few.inputs[0]?.newest).toBeUndefined();
  });
});

test("of a large window a shift that is certain and small is no drift", () => {
  const simulation = new DriftSimulation(randomOf(9), 1, 20_000);
  const judge = new SeriesJudge(simulation.profile);
  for (let at = 0; at < 2; at++) judge.add(simulation.window(50_000, 0.08));
  const [column] = judge.judgement().inputs;
  expect(column).toMatchObject({ verdict: "no_drift", suspected: false });
  expect(column?.newest?.adjusted).toBeLessThan(1e-6);
  expect(column?.newest?.psiDebiased).toBeLessThan(driftPolicy.leastPsi);
});

/** The larger one, of a hundred columns: `node bench/drift-alarms.ts`. */
test("of 200 windows of one law none is called drift, though most have a p below 5 %; a shift of a quarter of σ in one column is", () => {
  const simulation = new DriftSimulation(randomOf(20_261_127), 20, 20_000);
  const alarms = countAlarms(simulation, 200, 1000);
  expect(alarms.drifting).toBe(0);
  expect(alarms.corrected).toBeLessThanOrEqual(8);
  expect(alarms.raw).toBeGreaterThan(80);
  const trials = Array.from({ length: 20 }, () => countAlarms(simulation, 2, 1000, 0.25).drifting);
  expect(trials.reduce((sum, one) => sum + one, 0)).toBeGreaterThanOrEqual(17);
});
