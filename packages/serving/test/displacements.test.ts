import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ObjectStore, parseDigest, systemClock } from "@portolan/kernel";
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
import { displaceForAlert, restoreAfterAlert } from "../src/displacements/displace-for-alert.ts";
import { haltEndpoint, resumeEndpoint } from "../src/halts/halt-endpoint.ts";
import { deployEndpoint, requireNotStopped, servingMigrations } from "../src/index.ts";
import { publishedRoutes } from "../src/snapshot/fitting-routes.ts";
import { findDeployed, latestSnapshot } from "../src/store.ts";
import { deployDeps, model, publisherOf } from "./publishing.ts";

let db: TestDatabase;
/** `score` in as many versions as are asked for. */
const versions = {
  find: async (_call: unknown, _name: string, version: number) => ({
    ...model,
    reference: { ...model.reference, version },
  }),
};
let folder: string;
let objects: ObjectStore;
const deploy = (version: number) =>
  deployEndpoint({ ...deployDeps(db), models: versions }, aCall({ roles: ["ml_engineer"] }), "score", {
    environment: "dev",
    useCaseId: "uc_1",
    model: "score",
    version,
  });
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-displacements-"));
  objects = await openFolderObjectStore(folder, systemClock);
  db = await openTestDatabase({ migrations: [servingMigrations] });
});
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  await sql`delete from serving.displacements`.execute(db.sql);
  await sql`delete from serving.halts`.execute(db.sql);
  await deploy(1);
  await deps().publisher.publish(testOrganisation);
});

const control = () => aCall({ kind: "system", id: "control" });
const lead = () => aCall({ roles: ["team_lead"] });
const deps = () => ({
  work: db.uow,
  clock: systemClock,
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
const asked = { environment: "dev", reason: "the labels were wrong" } as const;

/** In whose place the chain answers, as gateways read it. */
async function published() {
  const latest = await db.uow.read(control(), (session) => latestSnapshot(session, testOrganisation));
  if (!latest) return undefined;
  const [route] = [...(await publishedRoutes(objects, latest.manifest)).values()];
  return route?.displaced;
}

test("an alert's fallback travels beside the route, which stays as it was, and its recovery ends it", async () => {
  const routesPart = async () => {
    const latest = await db.uow.read(control(), (session) => latestSnapshot(session, testOrganisation));
    const part = latest?.manifest.parts.find(({ kind, environment }) => kind === "routes" && environment);
    return parseDigest(part?.digest ?? "");
  };
  const before = await routesPart();
  expect(before).toBeDefined();
  expect(await published()).toBeUndefined();
  expect(await displaceForAlert(deps(), control(), alert)).toBe("displaced");
  expect(await published()).toMatchObject({ model: "score", version: 1, alert: "alr_1" });
  expect(await routesPart()).toBe(before);
  expect(await displaceForAlert(deps(), control(), alert)).toBe("displaced_before");
  await expect(requireNotStopped(deps(), control(), "dev", "score")).rejects.toMatchObject({
    code: "serving.not_served",
    detail: expect.stringContaining("alert alr_1") as string,
  });
  expect(await restoreAfterAlert(deps(), control(), alert, "recovered")).toBe("restored");
  expect(await published()).toBeUndefined();
  await requireNotStopped(deps(), control(), "dev", "score");
  const { rows } = await sql<{ event: string; payload: string }>`
    select event, convert_from(payload, 'utf8') as payload from ledger.rows
    where event like 'serving.version.%' order by id`.execute(db.sql);
  expect(rows.map(({ event }) => event)).toEqual(["serving.version.displaced", "serving.version.restored"]);
  for (const { payload } of rows) expect(payload).toContain('"alert":"alr_1"');
});

test("another version that is deployed answers by itself, and the one that was wrong does not once it is deployed again", async () => {
  await displaceForAlert(deps(), control(), alert);
  await deploy(2);
  await deps().publisher.publish(testOrganisation);
  expect(await published()).toBeUndefined();
  expect(await displaceForAlert(deps(), control(), alert)).toBe("replaced");
  await deploy(1);
  await deps().publisher.publish(testOrganisation);
  expect(await published()).toMatchObject({ version: 1 });
});

test("another alert's recovery gives nothing back; a person does, and may halt what the chain answers for", async () => {
  await displaceForAlert(deps(), control(), alert);
  expect(await restoreAfterAlert(deps(), control(), { ...alert, id: "alr_0" }, "recovered")).toBe(
    "not_displaced",
  );
  expect(await published()).toMatchObject({ alert: "alr_1" });
  await haltEndpoint(deps(), lead(), "score", asked);
  await resumeEndpoint(deps(), lead(), "score", asked);
  expect(await published(), "the end of a halt is no recovery").toMatchObject({ alert: "alr_1" });
  expect(await resumeEndpoint(deps(), lead(), "score", asked)).toMatchObject({ endpoint: "score" });
  expect(await published()).toBeUndefined();
  await expect(resumeEndpoint(deps(), lead(), "score", asked)).rejects.toMatchObject({
    code: "serving.not_halted",
  });
  const deployed = await db.uow.read(control(), (session) =>
    findDeployed(session, testOrganisation, "dev", "score"),
  );
  expect(deployed?.displacement).toBeNull();
});
