import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine, runAnalysis } from "@portolan/duckdb";
import { createLogger, type Digest, type ObjectStore, systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { createSession } from "@portolan/onnx/session";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { identityModel, mlpModel, onnxType } from "@portolan/onnx-format/testing";
import { mergeChunks } from "@portolan/scoring";
import type { InputPlan } from "@portolan/scoring/policy";
import { createUpstreamRuntime, openUpstreamAccess } from "@portolan/upstream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createChunkScorer } from "../src/batch/child-chunk-scorer.ts";

const upstreams = createUpstreamRuntime({
  access: openUpstreamAccess("127.0.0.1", undefined),
  log: createLogger({ name: "test", level: "silent" }),
});
const folder = mkdtempSync(join(tmpdir(), "chunks-"));
const bytes = mlpModel([3, 16, 2]);
const signature = signatureOf(readOnnxModel(bytes));
const [input] = signature.inputs;
let objects: ObjectStore;
let dataset: Digest;
let model: Digest;
beforeAll(async () => {
  const file = join(folder, "work/rows.parquet");
  await analyse(
    `copy (select i as id, sin(i * 0.7) as a, case when i % 50 = 7 then null else cos(i * 1.3) * 3 end as b,
       case when i % 90 = 11 then 'nan'::double else (i % 13)::double end as c from range(2000) t(i)) to '${file}' (format parquet)`,
    [],
  );
  objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  dataset = await objects.put(readFileSync(file));
  model = await objects.put(bytes);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function analyse(sql: string, readable: readonly string[]) {
  const workFolder = join(folder, readable.length === 0 ? "work" : "spill");
  const result = await runAnalysis({ statements: [{ sql, returns: "rows" }], readable, workFolder });
  return result.rows["rows"] ?? [];
}

const plan = (): InputPlan => ({
  signature,
  inputs: input
    ? [{ spec: input, columns: ["a", "b", "c"].map((column) => ({ column, standIn: null })) }]
    : [],
  nonFinite: "refuse",
  nonFiniteOutputs: "refuse",
});

test("scores are those of a row by itself to the bit, beside their keys; refused rows say why; the same rows give the same bytes", async () => {
  const scorer = createChunkScorer({ objects, workFolder: join(folder, "scoring"), upstreams });
  const chunk = { model, dataset, plan: plan(), keys: ["id"], from: 500, rows: 700, label: "m/1" };
  const signal = new AbortController().signal;
  const scored = await scorer.score(chunk, signal);
  const path = await objects.localPath(scored.object);
  const rows = await analyse(`select * from read_parquet('${path}') order by _row`, [path]);
  expect(rows).toHaveLength(700);
  const refused = rows.filter((row) => row["_refused"] !== null);
  expect(scored.refused).toBe(refused.length);
  expect(new Set(refused.map((row) => row["_refused"]))).toEqual(new Set(["missing: b", "non_finite: c"]));

  const session = await createSession(bytes, signature);
  const [first] = signature.outputs;
  for (const row of rows) {
    const id = Number(row["id"]);
    expect([Number(row["_row"]), row["_model"]]).toEqual([id, "m/1"]);
    const outputs = Object.keys(row).filter((name) => name.startsWith(first?.name ?? "?"));
    if (row["_refused"] !== null) {
      expect(outputs.map((name) => row[name])).toEqual(outputs.map(() => null));
      continue;
    }
    const data = Float32Array.of(Math.sin(id * 0.7), Math.cos(id * 1.3) * 3, id % 13);
    const [alone] = await session.run([{ name: input?.name ?? "", datatype: "FP32", shape: [1, 3], data }]);
    expect(outputs.map((name) => Math.fround(Number(row[name])))).toEqual([...(alone?.data ?? [])]);
  }
  expect(scored.cpuSeconds).toBeGreaterThan(0);
  expect(scored.bytes).toEqual(bytesOf(rows));
  expect((await scorer.score(chunk, signal)).object).toBe(scored.object);
});

/** Counted by hand: an id and three numbers read; a place, an id, two scores and two texts written. */
function bytesOf(rows: Awaited<ReturnType<typeof analyse>>): object {
  const bytes = { in: 0, out: 0 };
  for (const { id, _refused: why } of rows) {
    bytes.in += Number(id) % 50 === 7 ? 24 : 32;
    const label = 4 + "m/1".length;
    bytes.out += 16 + label + (why === null ? 2 * 4 : 4 + (why as string).length);
  }
  return bytes;
}

test("a chunk beyond the snapshot's end, and a column that is none, are refused with what is wrong", async () => {
  const scorer = createChunkScorer({ objects, workFolder: join(folder, "scoring"), upstreams });
  const chunk = { model, dataset, plan: plan(), keys: ["id"], from: 1900, rows: 700, label: "m/1" };
  const signal = new AbortController().signal;
  await expect(scorer.score(chunk, signal)).rejects.toMatchObject({
    code: "scoring.chunk_failed",
    detail: expect.stringContaining("100 of the 700 rows"),
  });
  await expect(scorer.score({ ...chunk, rows: 5, keys: ["_model"] }, signal)).rejects.toMatchObject({
    code: "scoring.chunk_failed",
  });
});

test("a chunk whose every row is refused has the columns of scores too, declared or open, and merges with the others", async () => {
  const scorer = createChunkScorer({ objects, workFolder: join(folder, "scoring"), upstreams });
  const signal = new AbortController().signal;
  const open = {
    ...plan(),
    signature: { ...signature, outputs: signature.outputs.map((output) => ({ ...output, shape: [-1, -1] })) },
  };
  const deps = { objects, engine: createDuckDbEngine({ threads: 1 }), workFolder: join(folder, "merge") };
  for (const [id, each] of [plan(), open].entries()) {
    const asked = { model, dataset, plan: each, keys: ["id"], label: "m/1" };
    const bare = await scorer.score({ ...asked, from: 7, rows: 1 }, signal);
    const scored = await scorer.score({ ...asked, from: 8, rows: 3 }, signal);
    expect(bare).toMatchObject({ rows: 1, refused: 1 });
    expect(bare.columns).toEqual(["_row", "id", "y_0", "y_1", "_refused", "_model"]);
    expect(scored.columns).toEqual(bare.columns);
    const chunks = [bare, scored];
    const { object } = await mergeChunks(deps, { id: `sco_${id}`, rows: 4, chunks }, signal);
    const path = await objects.localPath(object as Digest);
    const rows = await analyse(`select * from read_parquet('${path}')`, [path]);
    expect(rows.map((row) => [Number(row["_row"]), row["_refused"], row["y_0"] === null])).toEqual([
      [7, "missing: b", true],
      [8, null, false],
      [9, null, false],
      [10, null, false],
    ]);
    await expect(mergeChunks(deps, { id: "sco_x", rows: 5, chunks }, signal)).rejects.toMatchObject({
      code: "scoring.chunk_failed",
      detail: expect.stringContaining("4 of the snapshot's 5 rows"),
    });
    const narrow = { ...scored, columns: ["_row", "id", "y", "_refused", "_model"] };
    await expect(
      mergeChunks(deps, { id: "sco_x", rows: 4, chunks: [bare, narrow] }, signal),
    ).rejects.toMatchObject({ code: "scoring.chunk_failed", detail: expect.stringContaining("chunk 1 has") });
  }
});

test("a half-precision model's scores are numbers, as its inputs were", async () => {
  const halves = identityModel(onnxType.float16, ["batch", 2]);
  const own = signatureOf(readOnnxModel(halves));
  const [spec] = own.inputs;
  const columns = ["a", "c"].map((column) => ({ column, standIn: null }));
  const scorer = createChunkScorer({ objects, workFolder: join(folder, "scoring"), upstreams });
  const { object } = await scorer.score(
    {
      model: await objects.put(halves),
      dataset,
      plan: { ...plan(), signature: own, inputs: spec ? [{ spec, columns }] : [] },
      keys: [],
      from: 0,
      rows: 20,
      label: "half/1",
    },
    new AbortController().signal,
  );
  const path = await objects.localPath(object);
  const rows = await analyse(`select * from read_parquet('${path}') order by _row`, [path]);
  const name = own.outputs[0]?.name ?? "?";
  expect(rows.map((row) => [row["_refused"], row[`${name}_0`], row[`${name}_1`]])).toEqual(
    rows.map((_, at) =>
      at === 11
        ? ["non_finite: c", null, null]
        : [null, Math.f16round(Math.sin(at * 0.7)), Math.f16round(at % 13)],
    ),
  );
});
