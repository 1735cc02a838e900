import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAnalysis } from "@portolan/duckdb";
import { createLogger, systemClock } from "@portolan/kernel";
import { classReliabilityBins } from "@portolan/numerics";
import { openFolderObjectStore } from "@portolan/objectstore";
import { identityModel, logisticModel, onnxType } from "@portolan/onnx-format/testing";
import { encodeUpstream } from "@portolan/registry/policy";
import { createUpstreamProbe, createUpstreamRuntime, openUpstreamAccess } from "@portolan/upstream";
import { TensorServer } from "@portolan/upstream/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createChildScorer } from "../src/scoring/child-scorer.ts";

const access = openUpstreamAccess("127.0.0.1", undefined);
const upstreams = createUpstreamRuntime({ access, log: createLogger({ name: "test", level: "silent" }) });
const folder = mkdtempSync(join(tmpdir(), "scorer-"));
let rows: Uint8Array;
let fewRows: Uint8Array;
beforeAll(async () => {
  writeFileSync(join(folder, "local-credential"), "secret");
  const [many, few] = [join(folder, "work/rows.parquet"), join(folder, "work/few.parquet")];
  const copy = (count: number, file: string) => ({
    sql: `copy (select (i % 2)::int as label, (i % 7)::double as a, (i % 5)::double as b from range(${count}) t(i)) to '${file}' (format parquet)`,
  });
  await runAnalysis({
    statements: [copy(3_000_000, many), copy(10_000, few)],
    readable: [],
    workFolder: join(folder, "work"),
  });
  rows = readFileSync(many);
  fewRows = readFileSync(few);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Roots of the processes that run scoring's program, seen from outside. */
function rootsOfScorers(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [command = ""] = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
        const isScorer = readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("score-child.ts");
        return isScorer && command.endsWith("/node") ? [`/proc/${pid}/root`] : [];
      } catch {
        return [];
      }
    });
}

test("an unproven model is scored in a process that sees its own two files and none of the server's", async () => {
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const model = await objects.put(logisticModel([0.5, -0.25], 0.1));
  const dataset = await objects.put(rows);
  const scorer = createChildScorer(objects, upstreams);
  const request = { model, dataset, labelColumn: "label", featureColumns: ["a", "b"] };
  let isOver = false;
  const scoring = scorer.score(request, new AbortController().signal).finally(() => (isOver = true));
  let seen: { model: boolean; secret: boolean } | undefined;
  const modelPath = await objects.localPath(model);
  while (!isOver && !seen) {
    const [root] = rootsOfScorers();
    if (root)
      seen = {
        model: existsSync(`${root}${modelPath}`),
        secret: existsSync(`${root}${join(folder, "local-credential")}`),
      };
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { scores, labels } = await scoring;
  expect([scores.length, labels.length]).toEqual([3_000_000, 3_000_000]);
  expect(scores[1]).toBeCloseTo(1 / (1 + Math.exp(-(0.5 - 0.25 + 0.1))), 6);
  // Where the kernel gives nobody a file system of his own, there is nothing to see.
  if (process.env["CI"] === "true" || seen?.secret === false)
    expect(seen).toEqual({ model: true, secret: false });
});

test("labels that are quantities come back as they are; asked for classes they are refused, and so is a gap", async () => {
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const model = await objects.put(logisticModel([0.5, -0.25], 0.1));
  const [whole, gap] = [join(folder, "work/quantities.parquet"), join(folder, "work/gap.parquet")];
  const copy = (label: string, file: string) => ({
    sql: `copy (select ${label} as label, (i % 7)::double as a, (i % 5)::double as b from range(200) t(i)) to '${file}' (format parquet)`,
  });
  await runAnalysis({
    statements: [copy("i * 1.5 - 40", whole), copy("nullif(i, 7)", gap)],
    readable: [],
    workFolder: join(folder, "work"),
  });
  const scorer = createChildScorer(objects, upstreams);
  const request = async (file: string) => ({
    model,
    dataset: await objects.put(readFileSync(file)),
    labelColumn: "label",
    featureColumns: ["a", "b"],
  });
  const { signal } = new AbortController();
  const { labels, scores } = await scorer.scoreQuantities(await request(whole), signal);
  expect([...labels]).toEqual(Array.from({ length: 200 }, (_, row) => row * 1.5 - 40));
  expect(scores[1]).toBeCloseTo(1 / (1 + Math.exp(-(0.5 - 0.25 + 0.1))), 6);
  await expect(scorer.score(await request(whole), signal)).rejects.toMatchObject({
    code: "evaluation.not_scorable",
    detail: expect.stringContaining("not 0 or 1") as string,
  });
  await expect(scorer.scoreQuantities(await request(gap), signal)).rejects.toMatchObject({
    detail: expect.stringContaining("holds null, not a finite number") as string,
  });
});

test("of several classes the highest score of each row is what was said, with its class's probability where scores are probabilities", async () => {
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  // It answers what it is asked: three columns are the scores of three classes.
  const model = await objects.put(identityModel(onnxType.float, ["batch", 3]));
  const file = (name: string) => join(folder, `work/${name}.parquet`);
  const copy = (label: string, columns: string, name: string) => ({
    sql: `copy (select ${label} as label, ${columns} from range(9000) t(i)) to '${file(name)}' (format parquet)`,
  });
  const shares = "[0.5, 0.25, 0.375][i % 3 + 1] as a, [0.25, 0.5, 0.375][i % 3 + 1] as b, 0.25 as c";
  await runAnalysis({
    statements: [
      copy("(i // 3) % 3", shares, "shares"),
      copy("i % 3", "(i % 5)::double as a, 2.0 as b, -1.0 as c", "scores"),
      copy("i % 4", shares, "beyond"),
    ],
    readable: [],
    workFolder: join(folder, "work"),
  });
  const scorer = createChildScorer(objects, upstreams);
  const { signal } = new AbortController();
  const score = async (name: string) =>
    scorer.scoreClasses(
      {
        model,
        dataset: await objects.put(readFileSync(file(name))),
        labelColumn: "label",
        featureColumns: ["a", "b", "c"],
        sliceColumns: ["a"],
      },
      signal,
    );
  const found = await score("shares");
  expect([found.classCount, found.labels.length]).toEqual([3, 9000]);
  // Of scores that are alike the first class is said, as numpy's argmax has it.
  expect(Array.from(found.predicted.subarray(8000, 8006))).toEqual(
    [2, 0, 1, 2, 0, 1].map((one) => (one === 2 ? 0 : one)),
  );
  expect(Array.from(found.labels.subarray(0, 7))).toEqual([0, 0, 0, 1, 1, 1, 2]);
  expect(Array.from(found.likelihoods?.subarray(0, 5) ?? [])).toEqual([0.5, 0.25, 0.375, 0.25, 0.5]);
  expect(Array.from(found.probabilities?.confidences.subarray(0, 3) ?? [])).toEqual([0.5, 0.5, 0.375]);
  // By hand, of [0.5, 0.25, 0.25] and the first class: a quarter and two sixteenths.
  expect(found.squaredErrors?.[0]).toBe(0.375);
  const { reliability } = found.probabilities ?? {};
  expect(reliability && classReliabilityBins(reliability, 2)).toMatchObject([
    { rows: 9000, meanScore: 0.25, positiveShare: 1 / 3 },
  ]);
  expect(found.slices?.[0]).toMatchObject({ kind: "numbers", column: "a" });
  const scores = await score("scores");
  expect([scores.likelihoods, scores.squaredErrors, scores.probabilities]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(Array.from(scores.predicted.subarray(0, 5))).toEqual([1, 1, 0, 0, 0]);
  await expect(score("beyond")).rejects.toMatchObject({
    code: "evaluation.not_scorable",
    detail: expect.stringContaining(
      "a label is 3, and the model's 3 classes have the numbers from 0",
    ) as string,
  });
  await expect(
    scorer.scoreClasses(
      {
        model: await objects.put(logisticModel([0.5, -0.25], 0.1)),
        dataset: await objects.put(readFileSync(file("shares"))),
        labelColumn: "label",
        featureColumns: ["a", "b"],
      },
      signal,
    ),
  ).rejects.toMatchObject({ detail: expect.stringContaining("none for each class") as string });
});

test("columns that rows are sliced by come back beside the scores, in the order of the rows; those that the file lacks are left out", async () => {
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const model = await objects.put(logisticModel([0.5, -0.25], 0.1));
  const file = join(folder, "work/sliced.parquet");
  const columns = "(i % 2)::int as label, i::double as a, 1.0 as b, ['x', null, 'z'][i % 3 + 1] as site";
  await runAnalysis({
    statements: [
      { sql: `copy (select ${columns}, i::bigint as _row from range(6) t(i)) to '${file}' (format parquet)` },
    ],
    readable: [],
    workFolder: join(folder, "work"),
  });
  const dataset = await objects.put(readFileSync(file));
  const request = { model, dataset, labelColumn: "label", featureColumns: ["a", "b"] };
  const scorer = createChildScorer(objects, upstreams);
  const { signal } = new AbortController();
  const sliceColumns = ["site", "missing", "_row"];
  const { slices, labels } = await scorer.score({ ...request, sliceColumns }, signal);
  expect([...labels]).toEqual([0, 1, 0, 1, 0, 1]);
  expect(slices).toEqual([
    { kind: "texts", column: "site", codes: Uint32Array.of(0, 1, 2, 0, 1, 2), texts: ["x", null, "z"] },
    { kind: "numbers", column: "_row", values: Float64Array.of(0, 1, 2, 3, 4, 5) },
  ]);
  expect((await scorer.score(request, signal)).slices).toBeUndefined();
});

test("scoring that is stopped ends at once and says so", async () => {
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const model = await objects.put(logisticModel([0.5, -0.25], 0.1));
  const dataset = await objects.put(rows);
  const stop = new AbortController();
  const request = { model, dataset, labelColumn: "label", featureColumns: ["a", "b"] };
  const scoring = createChildScorer(objects, upstreams).score(request, stop.signal);
  stop.abort();
  await expect(scoring).rejects.toMatchObject({ code: "evaluation.not_scorable" });
});

test("a version that another server runs is scored there, row by row as here, and what that server fails at is said", async () => {
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const table = { datatype: "FP32", shape: [-1, 2] };
  const server = await TensorServer.start([{ name: "x", ...table }], [{ name: "y", ...table }]);
  try {
    const stated = {
      protocol: "open-inference" as const,
      url: server.url,
      model: "echo",
      region: "local",
      owner: "self",
    };
    const holder = { organisationId: "org_1", useCaseId: "uc_1" };
    const found = await createUpstreamProbe(access).describe(stated, { ...holder, environment: "dev" });
    const model = await objects.put(encodeUpstream(stated, found, holder));
    const dataset = await objects.put(fewRows);
    const score = () =>
      createChildScorer(objects, upstreams).score(
        { model, dataset, labelColumn: "label", featureColumns: ["a", "b"] },
        new AbortController().signal,
      );
    const { scores } = await score();
    // The server answers what it was asked: its last column is the second feature.
    expect(scores).toHaveLength(10_000);
    expect(Array.from(scores.slice(4_094, 4_100))).toEqual(
      [4094, 4095, 4096, 4097, 4098, 4099].map((i) => i % 5),
    );
    expect(server.seen.length).toBe(3);
    server.mode = "refuse";
    await expect(score()).rejects.toMatchObject({
      code: "evaluation.not_scorable",
      detail: expect.stringContaining("the third column is negative"),
    });
  } finally {
    await server.close();
  }
});
