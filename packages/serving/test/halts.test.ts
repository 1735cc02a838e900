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
import { afterAll, beforeAll, expect, test } from "vitest";
import { haltEndpoint, resumeEndpoint } from "../src/halts/halt-endpoint.ts";
import { deployEndpoint, servingMigrations } from "../src/index.ts";
import { latestSnapshot, listDeployed } from "../src/store.ts";
import { deployDeps, publisherOf } from "./publishing.ts";

let db: TestDatabase;
let folder: string;
let objects: ObjectStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-halts-"));
  objects = await openFolderObjectStore(folder, systemClock);
  db = await openTestDatabase({ migrations: [servingMigrations] });
  await deploy("score");
  await deploy("other");
});
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

const engineer = () => aCall({ roles: ["ml_engineer"] });
const lead = () => aCall({ roles: ["team_lead"] });
const deploy = (name: string) =>
  deployEndpoint(deployDeps(db), engineer(), name, {
    environment: "dev",
    useCaseId: "uc_1",
    model: "score",
    version: 1,
  });
const deps = () => ({
  work: db.uow,
  authorizer: testAuthorizer({
    ml_engineer: ["serving:halt"],
    team_lead: ["serving:halt", "serving:resume"],
  }),
  publisher: publisherOf(db, objects),
});
const asked = { environment: "dev", reason: "it scores the wrong people" } as const;

/** The endpoints of the newest snapshot: those with a route, and those that somebody may call. */
async function published(): Promise<{ routes: string[]; granted: string[]; version: number }> {
  const latest = await db.uow.read(engineer(), (sql) => latestSnapshot(sql, testOrganisation));
  if (!latest) throw new Error("no snapshot");
  const part = async (kind: "routes" | "identity") => {
    const one = latest.manifest.parts.find((p) => p.kind === kind && p.environment === "dev");
    if (!one) return { routes: [] };
    return JSON.parse(Buffer.from(await objects.get(one.digest as never)).toString()) as object;
  };
  const { routes } = (await part("routes")) as { routes: { endpoint: string }[] };
  const { endpoints } = (await part("identity")) as unknown as { endpoints: string[] };
  return {
    routes: routes.map(({ endpoint }) => endpoint),
    granted: endpoints.toSorted(),
    version: latest.version,
  };
}

const events = async (): Promise<string[]> => {
  const rows = await db.sql
    .withTables<{ "ledger.rows": { event: string; id: string } }>()
    .selectFrom("ledger.rows")
    .select("event")
    .where("event", "like", "serving.endpoint.%")
    .orderBy("id")
    .execute();
  return rows.map(({ event }) => event).filter((event) => event !== "serving.endpoint.deployed");
};

test("a halted endpoint is out of the snapshot that is published before the halt is answered; its callers stay known", async () => {
  await deps().publisher.publish(testOrganisation);
  expect(await published()).toMatchObject({ routes: ["other", "score"], granted: ["other", "score"] });
  const call = engineer();
  const halt = await haltEndpoint(deps(), call, "score", asked);
  const after = await published();
  expect(after).toMatchObject({ routes: ["other"], granted: ["other", "score"] });
  expect(halt).toMatchObject({
    reason: asked.reason,
    haltedBy: call.actor.id,
    snapshotVersion: after.version,
  });
  expect(await events()).toEqual(["serving.endpoint.halted"]);
});

test("halting it again changes nothing, by whomever and for whatever reason, also at the same moment", async () => {
  const again = await Promise.all([
    haltEndpoint(deps(), lead(), "score", { ...asked, reason: "another reason" }),
    haltEndpoint(deps(), lead(), "score", { ...asked, reason: "a third reason" }),
  ]);
  expect(again.map(({ reason }) => reason)).toEqual([asked.reason, asked.reason]);
  expect(await events()).toEqual(["serving.endpoint.halted"]);
});

test("a deployment does not let it go on", async () => {
  await deploy("score");
  await deps().publisher.publish(testOrganisation);
  expect((await published()).routes).toEqual(["other"]);
  const deployed = await db.uow.read(engineer(), (sql) => listDeployed(sql, testOrganisation));
  expect(deployed.map(({ name, halt }) => [name, halt?.reason])).toEqual([
    ["other", undefined],
    ["score", asked.reason],
  ]);
});

test("who may halt it may not for that let it go on; who may, does", async () => {
  await expect(resumeEndpoint(deps(), engineer(), "score", asked)).rejects.toMatchObject({
    code: "identity.forbidden",
  });
  const resumption = await resumeEndpoint(deps(), lead(), "score", { ...asked, reason: "mended" });
  expect(await published()).toMatchObject({
    routes: ["other", "score"],
    version: resumption.snapshotVersion,
  });
  expect(await events()).toEqual(["serving.endpoint.halted", "serving.endpoint.resumed"]);
  await expect(resumeEndpoint(deps(), lead(), "score", asked)).rejects.toMatchObject({
    code: "serving.not_halted",
  });
  const second = await haltEndpoint(deps(), lead(), "score", { ...asked, reason: "not mended" });
  expect(second.reason).toBe("not mended");
});

test("an endpoint that is not there, or is of another environment, is not found", async () => {
  for (const call of [
    () => haltEndpoint(deps(), lead(), "nothing", asked),
    () => haltEndpoint(deps(), lead(), "other", { ...asked, environment: "production" }),
    () => resumeEndpoint(deps(), lead(), "nothing", asked),
  ])
    await expect(call()).rejects.toMatchObject({ code: "serving.endpoint_missing" });
});
