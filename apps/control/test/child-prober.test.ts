import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAnalysis } from "@portolan/duckdb";
import { createLogger, type Digest, type ObjectStore, systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { identityModel, logisticModel, onnxType, treesModel } from "@portolan/onnx-format/testing";
import { createUpstreamRuntime, openUpstreamAccess } from "@portolan/upstream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createChildProber } from "../src/probing/child-prober.ts";

const access = openUpstreamAccess("127.0.0.1", undefined);
const upstreams = createUpstreamRuntime({ access, log: createLogger({ name: "test", level: "silent" }) });
const folder = mkdtempSync(join(tmpdir(), "prober-"));
let objects: ObjectStore;
let training: Digest;
let dataset: Digest;

/** Rows of two columns in [0, 1]; the label follows the first one, but in every 25th row of the training set. */
beforeAll(async () => {
  objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const put = async (name: string, from: number, flipEvery: number) => {
    const file = join(folder, `work/${name}.parquet`);
    const columns = "(hash(i) % 1000) / 1000.0 as a, (hash(i * 7 + 1) % 1000) / 1000.0 as b, 1.0 as even";
    const label = `((a > 0.5) <> (i % ${flipEvery} = 0))::int as label`;
    const sql = `copy (select *, ${label} from (select i, ${columns} from range(${from}, ${from + 1500}) t(i))) to '${file}' (format parquet)`;
    await runAnalysis({ statements: [{ sql }], readable: [], workFolder: join(folder, "work") });
    return objects.put(readFileSync(file));
  };
  training = await put("training", 0, 25);
  dataset = await put("held-out", 10_000, 1_000_000);
});
afterAll(() => rmSync(folder, { recursive: true }));

const asked = { labelColumn: "label", featureColumns: ["a", "b"], membership: true, trainingData: true };
const signal = new AbortController().signal;

test("a linear model is attacked and not certified; planted flips of its training rows are found", async () => {
  const model = await objects.put(logisticModel([10, 0], -5));
  const robustness = { mutable: ["a"], radius: 0.1 };
  const prober = createChildProber(objects, upstreams);
  const reports = await prober.probe({ ...asked, model, dataset, training, robustness }, signal);
  const { turned, rows = 0, notCertified, turnedAtAll, medianDistance = 0 } = reports.robustness ?? {};
  expect(rows).toBe(200);
  expect(notCertified).toContain("no tree ensemble");
  // Each row is as far from one half as it is from the model's border; half of the rows are beyond 0.25 of a range of one.
  expect(turnedAtAll).toBe(200);
  expect(medianDistance).toBeGreaterThan(0.7);
  expect(medianDistance).toBeLessThan(1.1);
  expect(turned?.share).toBeLessThan(0.15);
  expect(reports.membership).toMatchObject({
    members: 1500,
    others: 1500,
    attacks: [{ attack: "loss" }, { attack: "learned" }],
  });
  const { suspected = [] } = reports.trainingData ?? {};
  const flips = suspected.filter(({ row }) => row % 25 === 0);
  expect(flips.length).toBeGreaterThanOrEqual(0.65 * 60);
  expect(flips.length).toBeGreaterThanOrEqual(0.8 * suspected.length);
});

test("trees are certified, no attack comes closer, and a model without training rows here says so", async () => {
  const model = await objects.put(treesModel(1, 2, 3));
  const robustness = { mutable: ["a", "b"], radius: 0.2 };
  const prober = createChildProber(objects, upstreams);
  const reports = await prober.probe({ ...asked, model, dataset, robustness }, signal);
  const { certified, certifiedRows = 0, exactRows, turned, reference, rows = 0 } = reports.robustness ?? {};
  expect(reference).toBe("held_out");
  expect(certifiedRows).toBe(Math.min(100, rows));
  expect(exactRows).toBe(certifiedRows);
  // What is certified cannot be turned.
  expect((certified?.share ?? 1) + (turned?.interval.low ?? 1)).toBeLessThanOrEqual(1);
  expect(reports.membership?.problem).toContain("trained elsewhere");
  expect(reports.trainingData?.problem).toContain("trained elsewhere");
});

test("a feature that the model does not have, or that never varies, is a problem, and not a model that nobody can turn", async () => {
  const model = await objects.put(logisticModel([10, 0], -5));
  const prober = createChildProber(objects, upstreams);
  const alone = { membership: false, trainingData: false, model, dataset };
  const problemOf = async (featureColumns: readonly string[], mutable: readonly string[]) => {
    const request = { ...asked, ...alone, featureColumns, robustness: { mutable, radius: 0.1 } };
    const { robustness: report } = await prober.probe(request, signal);
    expect(report?.turned).toBeUndefined();
    return report?.problem;
  };
  expect(await problemOf(["a", "b"], ["c"])).toBe("the model has no feature c");
  expect(await problemOf(["a", "even"], ["even"])).toBe("the rows have one value alone, or none, of even");
});

test("of several classes any other class is a turn, certificates are refused in words, and membership is told by the own class's probability", async () => {
  // It answers what it is asked: three columns are the scores of three classes.
  const model = await objects.put(identityModel(onnxType.float, ["batch", 3]));
  const put = async (name: string, from: number, isShares: boolean) => {
    const file = join(folder, `work/${name}.parquet`);
    const raw = [1, 2, 3].map((one) => `(hash(i * 17 + ${one}) % 100003) / 100003.0 as c${one}`).join(", ");
    const shares = isShares
      ? "c1 / (c1 + c2 + c3) as a, c2 / (c1 + c2 + c3) as b, c3 / (c1 + c2 + c3) as c"
      : "c1 as a, c2 as b, c3 as c";
    const label = "case when a >= b and a >= c then 0 when b >= c then 1 else 2 end as label";
    const sql = `copy (select *, ${label} from (select ${shares} from (select ${raw} from range(${from}, ${from + 1500}) t(i)))) to '${file}' (format parquet)`;
    await runAnalysis({ statements: [{ sql }], readable: [], workFolder: join(folder, "work") });
    return objects.put(readFileSync(file));
  };
  const several = { ...asked, featureColumns: ["a", "b", "c"], model, isSeveral: true };
  const prober = createChildProber(objects, upstreams);
  const raw = { dataset: await put("raw", 0, false), training: await put("raw-training", 50_000, false) };
  // A tenth of the range of even scores, in their standard deviations: 1/√12.
  const robustness = { mutable: ["a"], radius: 0.1 * Math.sqrt(12) };
  const plain = await prober.probe({ ...several, ...raw, robustness }, signal);
  const { turned, rows, turnedAtAll, notCertified } = plain.robustness ?? {};
  expect([rows, notCertified]).toEqual([200, "certificates are of tree ensembles of two classes"]);
  // By hand: a's score lies within a tenth of the higher of two others for 0.19 of the rows; by its own range it can always be the highest or not.
  expect(turned?.interval.low).toBeLessThan(0.19);
  expect(turned?.interval.high).toBeGreaterThan(0.19);
  expect(turnedAtAll).toBeGreaterThan(195);
  expect(plain.membership?.problem).toContain("no probabilities");
  expect(plain.trainingData?.problem).toContain("two classes only");
  const shares = {
    dataset: await put("shares", 0, true),
    training: await put("shares-training", 50_000, true),
  };
  const { membership } = await prober.probe({ ...several, ...shares }, signal);
  expect(membership).toMatchObject({
    members: 1500,
    others: 1500,
    attacks: [{ attack: "loss" }, { attack: "learned" }],
  });
  // The model learned nothing from anybody: of 1,500 rows of either kind the area's standard error is 0.0105, and four of them are allowed.
  expect(Math.abs((membership?.attacks[0]?.auc ?? 0) - 0.5)).toBeLessThan(0.042);
});
