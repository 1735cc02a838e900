import { testOrganisation } from "@portolan/testkit";
import { expect, test } from "vitest";
import {
  clock,
  db,
  endpoint,
  endpoints,
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
  await report(ids, version, wrong, 1);
  return ids;
}

async function report(
  ids: readonly string[],
  version: number,
  wrong: boolean,
  revision: number,
): Promise<void> {
  const outputs = JSON.stringify({ outputs: [{ name: "y", datatype: "FP32", shape: [1], data: [0.9] }] });
  await db.database.session((session) =>
    session.query(
      `insert into predictions.outcomes (organisation_id, prediction_id, writer_id, epoch, block, revision, retracted, outcome, observed_at,
         reported_at, reported_by, endpoint, environment, model_name, model_version, variant, received_at, outputs, snapshot_version, reach)
       select $1, id, 'wr_1', 1, 1, $2, false, $3::jsonb, 1, 1, 'usr_1', $4, 'dev', 'churn', $5, $6, $7, $8, $9, 'dev'
       from unnest($10::text[]) as id`,
      [
        testOrganisation,
        revision,
        JSON.stringify(!wrong),
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
  await report(mistaken, 2, false, 2);
  await label(2, false, 1500);
  await label(1, false, 1500);
  await looks(11);
  expect(await now(release)).toMatchObject({
    state: "promoted",
    evidence: [{ candidate: { labelled: 1512, wrong: 0 }, control: { labelled: 1512, wrong: 0 } }],
  });
});
