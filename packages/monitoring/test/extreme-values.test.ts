import { Compile } from "@portolan/typebox";
import fc from "fast-check";
import fastify from "fastify";
import { expect, test } from "vitest";
import { DriftReports } from "../src/contract.ts";
import { DriftCounter } from "../src/drift-counter.ts";
import { SeriesJudge } from "../src/judgement/judge-series.ts";
import { measureDistances } from "../src/judgement/measures.ts";
import { numericReference } from "../src/reference-profile.ts";

const largest = Number.MAX_VALUE;
const place = { tensor: "x", column: 0, name: "x" };
const columnOf = (values: readonly number[]) =>
  numericReference(
    place,
    values.flatMap((value) => Array.from({ length: 400 }, () => value)),
  );
const halfMoved = (column: ReturnType<typeof columnOf>) => {
  const counts = column.counts.map(() => 0);
  counts[1] = 900;
  counts[2] = 100;
  return counts;
};

test("ends that are further apart than any double is large have a distance where a double holds it, and none where not", () => {
  const wide = columnOf([-largest, largest]);
  const { wasserstein } = measureDistances(wide, halfMoved(wide));
  // Four tenths of the rows moved by twice the largest double.
  expect(wasserstein).toEqual({ distance: 0.8 * largest, perIqr: 0.4 });
  const all = wide.counts.map((_, at) => (at === 2 ? 1000 : 0));
  const reference = { ...wide, counts: wide.counts.map((_, at) => (at === 1 ? 1000 : 0)) };
  expect(measureDistances(reference, all).wasserstein).toBeUndefined();
  const spread = columnOf([-largest, ...Array.from({ length: 40 }, (_, at) => at * 1e300), largest]);
  expect(measureDistances(spread, spread.counts).wasserstein).toMatchObject({ distance: 0 });
});

test("a quotient that no double holds is left out, and the distance stays", () => {
  const narrow = { ...columnOf([0, 5e-324, 1e300]), counts: [0, 450, 549, 1, 0, 0, 0, 0, 0] };
  const { wasserstein } = measureDistances(narrow, [0, 100, 100, 800, 0, 0, 0, 0, 0]);
  expect(wasserstein?.distance).toBeGreaterThan(1e299);
  expect(wasserstein?.perIqr).toBeUndefined();
});

test("whatever a column's values are, its report is an answer that the response schema can write", async () => {
  const extreme = fc.oneof(
    fc.double(),
    fc.constantFrom(-largest, largest, -1.7e308, 1.7e308, 5e-324, -5e-324, 0, Number.POSITIVE_INFINITY),
    fc.integer({ min: -30, max: 30 }),
  );
  const apart = fc.constantFrom(-largest, -1.7e308, 1.7e308, largest);
  const values = fc.oneof(
    fc.array(extreme, { minLength: 1, maxLength: 60 }),
    fc.array(apart, { minLength: 1, maxLength: 60 }),
    fc.array(fc.oneof(apart, fc.double()), { minLength: 30, maxLength: 60 }),
  );
  let answer: DriftReports = { reports: [], truncated: false, coveredFrom: 0 };
  const schema = Compile(DriftReports);
  const app = fastify();
  app.get("/", { schema: { response: { 200: DriftReports } } }, async () => answer);
  const property = fc.asyncProperty(values, values, async (before, now) => {
    const reference = numericReference(place, before);
    const counter = new DriftCounter({ inputs: [reference], outputs: [] });
    const counts = new Uint32Array(counter.cells);
    const rows = Float64Array.from({ length: 300 }, (_, at) => now[at % now.length] ?? 0);
    counter.count(counts, rows.length, [{ name: "x", data: rows }], []);
    const judge = new SeriesJudge({ inputs: [reference], outputs: [], rows: before.length, skipped: [] });
    judge.add({ start: 0, lastStart: 0, rows: rows.length, counts: [...counts] });
    const report = {
      environment: "production" as const,
      endpoint: "extreme",
      variant: "champion" as const,
      model: "m",
      version: 1,
      profile: "sha256:",
      ...judge.judgement(),
    };
    answer = { reports: [report], truncated: false, coveredFrom: 0 };
    const { statusCode, body } = await app.inject("/");
    expect([statusCode, statusCode === 200 ? "" : body]).toEqual([200, ""]);
    // The writer makes null of what is infinite.
    expect(schema.Errors(JSON.parse(body))).toEqual([]);
  });
  await fc.assert(property, { numRuns: 300 });
  await app.close();
});
