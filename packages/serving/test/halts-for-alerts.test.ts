import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ObjectStore, systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import {
  aCall,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { haltEndpoint, resumeEndpoint } from "../src/halts/halt-endpoint.ts";
import { haltForAlert, resumeAfterAlert } from "../src/halts/halt-for-alert.ts";
import { deployEndpoint, servingMigrations } from "../src/index.ts";
import { findDeployed, latestSnapshot } from "../src/store.ts";
import { deployDeps, publisherOf } from "./publishing.ts";

let db: TestDatabase;
let folder: string;
let objects: ObjectStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-alert-halts-"));
  objects = await openFolderObjectStore(folder, systemClock);
  db = await openTestDatabase({ migrations: [servingMigrations] });
  await deployEndpoint(deployDeps(db), aCall({ roles: ["ml_engineer"] }), "score", {
    environment: "dev",
    useCaseId: "uc_1",
    model: "score",
    version: 1,
  });
});
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  await sql`delete from serving.halts`.execute(db.sql);
  await deps().publisher.publish(testOrganisation);
});

const control = () => aCall({ kind: "system", id: "control" });
const lead = () => aCall({ roles: ["team_lead"] });
const deps = () => ({
  work: db.uow,
  authorizer: testAuthorizer({ team_lead: ["serving:halt", "serving:resume"] }),
  publisher: publisherOf(db, objects),
});
const alert = {
  id: "alr_1",
  environment: "dev",
  endpoint: "score",
  model: "score",
  version: "1",
  summary: "accuracy 0.5 where the charter wants at least 0.7",
} as const;
const asked = { environment: "dev", reason: "it scores the wrong people" } as const;

async function routes(): Promise<string[]> {
  const latest = await db.uow.read(control(), (session) => latestSnapshot(session, testOrganisation));
  const part = latest?.manifest.parts.find(({ kind }) => kind === "routes");
  if (!part) return [];
  const bytes = await objects.get(part.digest as never);
  const read = JSON.parse(Buffer.from(bytes).toString()) as { routes: { endpoint: string }[] };
  return read.routes.map(({ endpoint }) => endpoint);
}
const halt = async () =>
  (await db.uow.read(control(), (session) => findDeployed(session, testOrganisation, "dev", "score")))?.halt;

test("an alert's halt takes the route away and says which alert it was; its end gives the route back", async () => {
  expect(await routes()).toEqual(["score"]);
  expect(await haltForAlert(deps(), control(), alert)).toBe("halted");
  expect(await routes()).toEqual([]);
  expect(await halt()).toMatchObject({
    halted_by: "control",
    reason: `alert alr_1: ${alert.summary}`,
  });
  expect(await haltForAlert(deps(), control(), alert)).toBe("halted_before");
  expect(await resumeAfterAlert(deps(), control(), alert, "recovered")).toBe("resumed");
  expect(await routes()).toEqual(["score"]);
  const { rows } = await sql<{ event: string; payload: string }>`
    select event, convert_from(payload, 'utf8') as payload from ledger.rows
    where event in ('serving.endpoint.halted', 'serving.endpoint.resumed') order by id`.execute(db.sql);
  expect(rows.map(({ event }) => event)).toEqual(["serving.endpoint.halted", "serving.endpoint.resumed"]);
  for (const { payload } of rows) expect(payload).toContain('"alert":"alr_1"');
});

test("the end of an alert lifts no person's halt, be it from before the alert's or made while that was in force", async () => {
  await haltEndpoint(deps(), lead(), "score", asked);
  expect(await haltForAlert(deps(), control(), alert)).toBe("halted_before");
  expect(await resumeAfterAlert(deps(), control(), alert, "recovered")).toBe("not_halted");
  expect(await halt()).toMatchObject({ reason: asked.reason });
  await resumeEndpoint(deps(), lead(), "score", asked);

  await haltForAlert(deps(), control(), alert);
  const call = lead();
  expect(await haltEndpoint(deps(), call, "score", asked)).toMatchObject({
    reason: asked.reason,
    haltedBy: call.actor.id,
  });
  expect(await resumeAfterAlert(deps(), control(), alert, "recovered")).toBe("not_halted");
  expect(await routes()).toEqual([]);
});

test("another alert's recovery lifts nothing: what was replaced may recover while today's version is wrong", async () => {
  await haltForAlert(deps(), control(), alert);
  expect(await resumeAfterAlert(deps(), control(), { ...alert, id: "alr_0" }, "recovered")).toBe(
    "not_halted",
  );
  expect(await routes()).toEqual([]);
});

test("a person may end an alert's halt", async () => {
  await haltForAlert(deps(), control(), alert);
  await resumeEndpoint(deps(), lead(), "score", { ...asked, reason: "the labels were wrong" });
  expect(await routes()).toEqual(["score"]);
  expect(await resumeAfterAlert(deps(), control(), alert, "recovered")).toBe("not_halted");
});

test("an alert about a version that does not answer any more halts nothing", async () => {
  expect(await haltForAlert(deps(), control(), { ...alert, version: "2" })).toBe("replaced");
  expect(await haltForAlert(deps(), control(), { ...alert, endpoint: "nowhere" })).toBe("replaced");
  expect(await routes()).toEqual(["score"]);
});
