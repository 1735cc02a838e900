import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAnalysis } from "@portolan/duckdb";
import { type Digest, type ObjectStore, systemClock } from "@portolan/kernel";
import type { NumericColumn } from "@portolan/monitoring/contract";
import { openFolderObjectStore } from "@portolan/objectstore";
import { identityModel, logisticModel, onnxType } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createChildProfiler } from "../src/profiling/child-profiler.ts";

const folder = mkdtempSync(join(tmpdir(), "profiler-"));
const file = join(folder, "work/rows.parquet");
let objects: ObjectStore;
let dataset: Digest;
let model: Digest;
beforeAll(async () => {
  // A feature with gaps, ties and numbers that float32 rounds; one with NaN and infinities.
  await ask(
    `copy (select i as _row, case when i % 10 = 0 then null else round((i * 7919) % 1000 / 7.0, 3) end as a,
       case i % 50 when 0 then 'nan'::double when 1 then 'infinity'::double when 2 then '-infinity'::double
       else (i % 4)::double end as b from range(20000) t(i)) to '${file}' (format parquet)`,
    [],
  );
  objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  dataset = await objects.put(readFileSync(file));
  model = await objects.put(logisticModel([0.5, -0.25], 0.1));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function ask(
  sql: string,
  readable: readonly string[] = [file],
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const result = await runAnalysis({
    statements: [{ sql, returns: "rows" }],
    readable,
    workFolder: join(folder, readable.length === 0 ? "work" : "spill"),
  });
  return result.rows["rows"] ?? [];
}

/** The same cells, counted by DuckDB from the same file. */
async function recount(name: string, { lowerBounds, maximum }: NumericColumn): Promise<number[]> {
  const value = `${name}::float::double`;
  const finite = `isfinite(${value})`;
  const cells = [
    `${finite} and ${value} < ${lowerBounds[0]}`,
    ...lowerBounds.map((from, at) => {
      const next = lowerBounds[at + 1];
      return `${finite} and ${value} >= ${from} and ${value} ${next === undefined ? `<= ${maximum}` : `< ${next}`}`;
    }),
    `${finite} and ${value} > ${maximum}`,
    `${name} is null`,
    `isnan(${value})`,
    `${value} = '-infinity'`,
    `${value} = 'infinity'`,
  ].map((condition) => `count(*) filter (where ${condition})::integer`);
  const [row] = await ask(`select [${cells.join(", ")}] as cells from read_parquet('${file}')`);
  return row?.["cells"] as number[];
}

test("a profile's counts are DuckDB's, its edges the quantiles of what the model sees, its outputs the model's", async () => {
  const profiler = createChildProfiler(objects);
  const found = await profiler.profile(
    { model, dataset, features: ["a", "b"] },
    new AbortController().signal,
  );
  expect(found).toMatchObject({ rows: 20000, rowsOfSet: 20000, sampledEvery: 1, skipped: [] });
  const [a, b] = found.inputs as NumericColumn[];
  if (!a || !b) throw new Error("two inputs have two columns");
  expect([a.name, b.name]).toEqual(["a", "b"]);
  expect(a.lowerBounds).toHaveLength(20);
  expect(b.lowerBounds).toEqual([0, 1, 2, 3]);
  const quantiles = a.lowerBounds.map((_, at) => at / 20);
  const [duck] = await ask(
    `select quantile_cont(a::float::double, [${quantiles.join(", ")}]) as q from read_parquet('${file}')`,
  );
  const ducks = duck?.["q"] as number[];
  a.lowerBounds.forEach((edge, at) => expect(edge).toBeCloseTo(ducks[at] ?? Number.NaN, 9));
  expect(a.counts).toEqual(await recount("a", a));
  expect(b.counts).toEqual(await recount("b", b));
  for (const output of found.outputs)
    expect(output.counts.reduce((sum, count) => sum + count, 0)).toBe(20000);
});

test("columns that are not the model's inputs are refused with what does not fit", async () => {
  const profiler = createChildProfiler(objects);
  const profile = (features: string[]) =>
    profiler.profile({ model, dataset, features }, new AbortController().signal);
  await expect(profile(["a"])).rejects.toMatchObject({
    code: "monitoring.not_profilable",
    detail: expect.stringContaining('1 columns do not fill the model\'s input "x"'),
  });
  await expect(profile(["a", "missing"])).rejects.toMatchObject({ code: "monitoring.not_profilable" });
});

test("a half-precision model is profiled by the numbers it sees and says; of a wide output the first 64 columns, and how many there are is said", async () => {
  const names = Array.from({ length: 66 }, (_, at) => (at === 0 ? "a" : "b"));
  const halves = await objects.put(identityModel(onnxType.float16, ["batch", names.length]));
  const found = await createChildProfiler(objects).profile(
    { model: halves, dataset, features: names },
    new AbortController().signal,
  );
  expect(found.inputs).toHaveLength(66);
  expect(found.outputs).toHaveLength(64);
  expect(found.skipped).toEqual([expect.stringMatching(/^output .*: columns from 64 on, of 66$/)]);
  const [a, b] = found.inputs as NumericColumn[];
  const [aOut, bOut] = found.outputs as NumericColumn[];
  if (!a || !b || !aOut || !bOut) throw new Error("they have columns");
  expect(b.lowerBounds).toEqual([0, 1, 2, 3]);
  expect(a.maximum).toBe(Math.f16round(Math.round((999 / 7) * 1000) / 1000));
  expect([bOut.lowerBounds, bOut.counts]).toEqual([b.lowerBounds, b.counts]);
  // What was null goes into the model as NaN, and comes out as such: 2,000 of 20,000.
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  expect([sum(a.counts), sum(aOut.counts)]).toEqual([20_000, 20_000]);
  expect(a.counts.slice(-4)).toEqual([2000, 0, 0, 0]);
  expect(aOut.counts.slice(-4)).toEqual([0, 2000, 0, 0]);
});
