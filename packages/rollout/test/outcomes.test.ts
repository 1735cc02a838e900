import { asEpochMicros } from "@portolan/kernel";
import { testOrganisation } from "@portolan/testkit";
import { expect, test } from "vitest";
import { labelledAnswers } from "../src/outcomes-store.ts";
import type { ReleasePlan } from "../src/plan.ts";
import {
  charter,
  clock,
  db,
  endpoint,
  endpoints,
  engineer,
  events,
  least,
  looks,
  now,
  openReleaseWorld,
  serve,
  start,
} from "./release-world.ts";

openReleaseWorld();

let labels = 0;

/** Labels of answered predictions, as the prediction log's own join leaves them. */
async function label(version: number, wrong: boolean, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => `prd_${labels++}`);
  await report(ids, version, !wrong, 1);
  return ids;
}

async function report(
  ids: readonly string[],
  version: number,
  outcome: boolean | string | readonly number[],
  revision: number,
  scores: readonly number[] = [0.9],
): Promise<void> {
  // A list has a score for each of its rows, anything else a row of scores.
  const shape = Array.isArray(outcome) ? [scores.length, 1] : [1, scores.length];
  const tensor = { name: "y", datatype: "FP32", shape, data: scores };
  const outputs = JSON.stringify({ outputs: [tensor] });
  await db.database.session((session) =>
    session.query(
      `insert into predictions.outcomes (organisation_id, prediction_id, writer_id, epoch, block, revision, retracted, outcome, observed_at,
         reported_at, reported_by, endpoint, environment, model_name, model_version, variant, received_at, outputs, snapshot_version, reach)
       select $1, id, 'wr_1', 1, 1, $2, false, $3::jsonb, 1, 1, 'usr_1', $4, 'dev', 'churn', $5, $6, $7, $8, $9, 'dev'
       from unnest($10::text[]) as id`,
      [
        testOrganisation,
        revision,
        JSON.stringify(outcome),
        endpoint,
        String(version),
        version === 1 ? "champion" : "canary",
        clock.now(),
        outputs,
        endpoints.snapshot,
        [...ids],
      ],
    ),
  );
}

const steps = [{ kind: "canary" as const, percent: 50, ...least }];
const plan = { steps, slowMs: null, wrong: { decideAt: 0.5 } };

test("a candidate whose answers turn out wrong is taken back, though each of them came in time and without an error", async () => {
  const release = await start({ plan });
  await looks(1);
  await serve(2000, 2000);
  await label(2, false, 300);
  await label(1, false, 300);
  await looks(11);
  expect(await now(release)).toMatchObject({
    state: "running",
    evidence: [{ candidate: { requests: 2000, labelled: 300, wrong: 0 }, control: { labelled: 300 } }],
  });
  await label(2, true, 60);
  await looks(6);
  expect(await now(release)).toMatchObject({ state: "rolled_back" });
  expect((await now(release)).reasons.join()).toMatch(/^wrong: evidence of harm/);
  expect(await events(release)).toContain("rollout.release.rolled_back");
});

test("labels that are corrected count as corrected, and one that is good enough is promoted by them", async () => {
  const release = await start({ plan });
  await looks(1);
  await serve(3000, 3000);
  const mistaken = await label(2, true, 12);
  await label(1, false, 12);
  await looks(11);
  expect((await now(release)).evidence[0]?.candidate).toMatchObject({ labelled: 12, wrong: 12 });
  await report(mistaken, 2, true, 2);
  await label(2, false, 1500);
  await label(1, false, 1500);
  await looks(11);
  expect(await now(release)).toMatchObject({
    state: "promoted",
    evidence: [{ candidate: { labelled: 1512, wrong: 0 }, control: { labelled: 1512, wrong: 0 } }],
  });
});

test("outcomes of several classes are judged by the charter's names; as yes and no, or as quantities, they are refused", async () => {
  const several = ["stays", "goes", "leaves"];
  charter.terms = { latencyMsP95: 50, riskTolerance: "high", several };
  const withWrong = (wrong: NonNullable<ReleasePlan["wrong"]>) => ({ plan: { ...plan, wrong } });
  for (const wrong of [{ decideAt: 0.5 }, { beyond: 1 }])
    await expect(start(withWrong(wrong))).rejects.toMatchObject({
      code: "rollout.bad_plan",
      detail: expect.stringContaining("wrong: { classes: [] }") as string,
    });
  await expect(start(withWrong({ classes: ["stays", "leaves", "goes"] }))).rejects.toMatchObject({
    code: "rollout.bad_plan",
    detail: expect.stringContaining("other classes than the charter: stays, goes, leaves") as string,
  });
  const release = await start(withWrong({ classes: [] }));
  expect(release.plan.wrong).toEqual({ classes: several });
  await looks(1);
  await serve(2000, 2000);
  const scores = [0.2, 0.7, 0.1];
  await report(["prd_class_1", "prd_class_2"], 2, "goes", 1, scores);
  await report(["prd_class_3"], 2, "stays", 1, scores);
  await report(["prd_class_4"], 1, "goes", 1, scores);
  await looks(11);
  expect(await now(release)).toMatchObject({
    evidence: [{ candidate: { labelled: 3, wrong: 1 }, control: { labelled: 1, wrong: 0 } }],
  });
});

test("of rankings lists that an outcome shows to be ranked badly are wrong; other rules, and divergence, are refused", async () => {
  charter.terms = { latencyMsP95: 50, riskTolerance: "high", isRanking: true };
  for (const wrong of [{ decideAt: 0.5 }, { beyond: 1 }, { classes: [] }])
    await expect(start({ plan: { ...plan, wrong } })).rejects.toMatchObject({
      code: "rollout.bad_plan",
      detail: expect.stringContaining("wrong: { ndcgBelow: 0.5 }") as string,
    });
  const { wrong: _, ...rest } = plan;
  await expect(
    start({ plan: { ...rest, divergence: { edges: [0.5], atMost: 0.25 } } }),
  ).rejects.toMatchObject({
    code: "rollout.bad_plan",
    detail: expect.stringContaining("divergence has nothing to compare") as string,
  });
  const release = await start({ plan: { ...plan, wrong: { ndcgBelow: 0.5 } } });
  await looks(1);
  await serve(2000, 2000);
  await report(["prd_list_1", "prd_list_2"], 2, [0, 0, 0, 1], 1, [4, 3, 2, 1]);
  await report(["prd_list_3"], 2, [2, 1, 0, 0], 1, [4, 3, 2, 1]);
  await report(["prd_list_4"], 1, [0, 1, 0, 0], 1, [4, 3, 2, 1]);
  await looks(11);
  expect(await now(release)).toMatchObject({
    evidence: [{ candidate: { labelled: 3, wrong: 2 }, control: { labelled: 1, wrong: 0 } }],
  });
});

test("where the charter's task has no several classes nobody is judged by them", async () => {
  charter.terms = { latencyMsP95: 50, riskTolerance: "high" };
  for (const wrong of [{ classes: [] }, { ndcgBelow: 0.5 }])
    await expect(start({ plan: { ...plan, wrong } })).rejects.toMatchObject({ code: "rollout.bad_plan" });
});

test("of answers that are together too large the newest are looked at", async () => {
  const release = await start({ plan: { ...plan, wrong: { decideAt: 0.5 } } });
  const ids = Array.from({ length: 10 }, (_, at) => `prd_large_${at}`);
  for (const id of ids) {
    clock.advance(1);
    const scores = Array.from({ length: 100 }, () => 0.123);
    await report([id], 2, true, 1, scores);
  }
  const looked = (most?: number) =>
    db.uow.read(engineer(), async (sql) => {
      const at = { endpoint, environment: "dev", startedAt: asEpochMicros(release.startedAt) } as const;
      return (await labelledAnswers(sql, testOrganisation, at, most)).length;
    });
  expect(await looked()).toBe(10);
  // Each has a hundred scores of six characters.
  expect(await looked(2500)).toBe(3);
  expect(await looked(100)).toBe(0);
});
