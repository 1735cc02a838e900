import { canonicalBytes, digestBytes, type JsonValue } from "@portolan/kernel";
import { seededRandom } from "@portolan/numerics";
import { aCall, fakeClock, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listAlerts } from "../src/alerts/alert-store.ts";
import { PerformanceWatch } from "../src/alerts/watch.ts";
import type { ReferenceProfile } from "../src/contract.ts";
import { DriftCounter } from "../src/drift-counter.ts";
import { readPerformance } from "../src/index.ts";
import { numericReference } from "../src/reference-profile.ts";
import { insertProfile } from "../src/store.ts";
import { type AnsweredWorld, openAnsweredWorld } from "./answered-predictions.ts";

const day = 86_400_000_000;
const clock = fakeClock("2026-03-20T00:00:00Z");
const start = clock.now() - 4 * day;
const uniform = Array.from({ length: 5000 }, (_, at) => at / 5000);
const columns = {
  inputs: [numericReference({ tensor: "x", column: 0, name: "x" }, uniform)],
  outputs: [numericReference({ tensor: "probabilities", column: 1, name: "p" }, uniform)],
};
const counter = new DriftCounter(columns);
const profile: ReferenceProfile = {
  format: 1,
  model: { name: "delays", version: 7, digest: `sha256:${"ab".repeat(32)}` },
  data: { trainingSetId: "ts_1", digest: `sha256:${"cd".repeat(32)}`, rows: 5000, sampledEvery: 1 },
  rows: 5000,
  ...columns,
  skipped: [],
};
const bytes = canonicalBytes(profile as unknown as JsonValue);
const digest = digestBytes(bytes) as string;
const random = seededRandom(20_261_127);

let world: AnsweredWorld;
beforeAll(async () => {
  world = await openAnsweredWorld(clock, { find: async () => undefined });
  await world.performance.objects.put(bytes);
  await world.db.uow.write(aCall(), (tx) =>
    insertProfile(tx.sql, {
      organisation_id: testOrganisation,
      version_id: "mv_7",
      model: "delays",
      version: 7,
      digest,
      size_bytes: bytes.length,
      bundle: "sha256:",
      signing_key_id: "sgk_1",
      signed_at: 1,
      cells: counter.cells,
      training_set_id: "ts_1",
      created_by: "usr_1",
      created_at: 1,
    }),
  );
});
afterAll(() => world[Symbol.asyncDispose]());

const query = (text: string, values: unknown[]) =>
  world.db.database.session((session) => session.query(text, values));

/** A day of answers with their counts, and labels of as many as are said to be known; yes as often as the score says, less `off`. */
async function answer(
  at: number,
  scores: readonly number[],
  { labelled, off = 0, x = 0.5 }: { readonly labelled: number; readonly off?: number; readonly x?: number },
): Promise<{ readonly accuracy: number }> {
  const from = start + at * day;
  const happened = scores.map((score) => random() < score - off);
  await query(
    `insert into predictions.answered_hours values ($1, 'uc_1', 'late', 'production', 'delays', '7', 'champion', $2, $3)`,
    [testOrganisation, from, scores.length],
  );
  const counts = new Uint32Array(counter.cells);
  const x_ = scores.map((_, row) => (x > 1 ? x : (uniform[(row * 37) % 5000] ?? 0)));
  counter.count(
    counts,
    scores.length,
    [{ name: "x", data: x_ }],
    [{ name: "probabilities", data: scores.flatMap((score) => [1 - score, score]) }],
  );
  await query(
    `insert into monitoring.drift_windows values ($1, 'production', 'uc_1', 'ep_1', 'late', 'champion', 'delays', 7, $2, $3, 1, $4, $5)`,
    [testOrganisation, digest, from, scores.length, [...counts]],
  );
  await query(
    `insert into predictions.outcomes (organisation_id, prediction_id, writer_id, epoch, block, outcome, observed_at, reported_at, reported_by,
       use_case_id, endpoint, environment, model_name, model_version, variant, received_at, outputs, reach)
     select $1, 'prd_' || $2::text || '_' || n, 'wr', 1, 1, to_jsonb(y), 1, 1, 'x', 'uc_1', 'late', 'production', 'delays', '7', 'champion', $2::bigint + n,
       '{"outputs":[{"name":"probabilities","datatype":"FP32","shape":[1,2],"data":[0,' || s || ']}]}', 'production'
     from unnest($3::float8[], $4::boolean[]) with ordinality as row (s, y, n)`,
    [testOrganisation, from, scores.slice(0, labelled), happened.slice(0, labelled)],
  );
  const right = scores.filter((score, row) => score >= 0.5 === happened[row]).length;
  return { accuracy: right / scores.length };
}

const even = (count: number) => Array.from({ length: count }, () => random());
/** Scores near the middle: less is known of these. */
const unsure = (count: number) => Array.from({ length: count }, () => 0.3 + 0.4 * random());
const windows = async () =>
  (await readPerformance(world.performance, world.person(), { endpoint: "late", from: start })).series[0]
    ?.windows ?? [];

test("a window without labels has the figures that its scores let expect; labels that say otherwise make them unreliable", async () => {
  await answer(0, even(2000), { labelled: 2000 });
  const { accuracy } = await answer(1, unsure(1000), { labelled: 0 });
  const watch = new PerformanceWatch(world.performance);
  await watch.round(aCall({ kind: "system", id: "control" }));
  const [reference, unlabelled] = await windows();
  expect(reference?.estimate, "the reference is no estimate of itself").toBeNull();
  expect(unlabelled).toMatchObject({
    metrics: [],
    estimate: { predictions: 1000, reliability: "unchecked", doubts: ["unchecked"], outside: 0 },
  });
  const expected = unlabelled?.estimate?.metrics.find(({ metric }) => metric === "accuracy");
  const before = reference?.metrics.find(({ metric }) => metric === "accuracy");
  expect(accuracy, "far from what was measured of other scores").toBeLessThan((before?.low ?? 0) - 0.05);
  expect(accuracy).toBeGreaterThanOrEqual(expected?.low ?? 1);
  expect(accuracy).toBeLessThanOrEqual(expected?.high ?? 0);

  await answer(2, even(1000), { labelled: 1000, x: 9 });
  expect((await windows())[2]?.estimate).toMatchObject({
    reliability: "unreliable",
    doubts: ["unseen_inputs"],
  });
  expect((await windows())[1]?.estimate).toMatchObject({ reliability: "reliable" });
  await answer(3, even(1500), { labelled: 1500, off: 0.5 });
  expect((await windows())[1]?.estimate).toMatchObject({
    reliability: "unreliable",
    doubts: ["calibration_worse", "concept_drift"],
  });
});

test("a version that is wrong more often has an alert of its own kind; its reference stays what it was, and corrected labels end it", async () => {
  const round = () => new PerformanceWatch(world.performance).round(aCall({ kind: "system", id: "control" }));
  const alerts = () =>
    world.db.uow.read(world.person(), (sql) =>
      listAlerts(sql, { organisationId: testOrganisation, kind: "concept" }, 10),
    );
  expect(await round()).toEqual({ opened: 1, resolved: 0 });
  const [alert] = await alerts();
  expect(alert).toMatchObject({ state: "open", endpoint: "late", version: "7" });
  expect(alert?.evidence).toMatchObject({ referenceCases: 2000, bound: 1e6 });
  /** Labels of a day that say that the answers were right. */
  const correct = (at: number) =>
    query(
      `insert into predictions.outcomes
       select (o).* from (select jsonb_populate_record(o, jsonb_build_object('revision', 2, 'outcome', (o.outputs::jsonb #>> '{outputs,0,data,1}')::float8 >= 0.5)) as o
         from predictions.outcomes o where endpoint = 'late' and received_at >= $1::bigint and received_at < $1::bigint + 86400000000) as corrected`,
      [start + at * day],
    );
  await correct(0);
  expect(await round(), "the reference is kept").toEqual({ opened: 0, resolved: 0 });
  await correct(3);
  expect(await round()).toEqual({ opened: 0, resolved: 1 });
  expect(await alerts()).toMatchObject([{ state: "resolved" }]);
});
