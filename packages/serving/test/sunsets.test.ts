import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asEpochMicros, formatInstant, type ObjectStore, systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import {
  aCall,
  fakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deployEndpoint, servingMigrations } from "../src/index.ts";
import { publishedRoutes } from "../src/snapshot/fitting-routes.ts";
import type { Route } from "../src/snapshot/schema.ts";
import { latestSnapshot } from "../src/store.ts";
import { announceSunset, takeSunsetBack } from "../src/sunsets/announce-sunset.ts";
import { deployDeps, model, publisherOf } from "./publishing.ts";

const clock = fakeClock();
let db: TestDatabase;
let folder: string;
let objects: ObjectStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-sunsets-"));
  objects = await openFolderObjectStore(folder, systemClock);
  db = await openTestDatabase({ migrations: [servingMigrations], clock });
  for (const name of ["score", "other"])
    await deployEndpoint(deployDeps(db), engineer(), name, {
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

const engineer = () => aCall({ roles: ["ml_engineer"] });
const lead = () => aCall({ roles: ["team_lead"] });
const deps = () => ({
  work: db.uow,
  clock,
  authorizer: testAuthorizer({
    ml_engineer: ["serving:deploy"],
    team_lead: ["serving:deploy", "serving:resume"],
  }),
  releases: { candidateAt: async () => candidate },
});
let candidate: { readonly releaseId: string; readonly name: string; readonly version: number } | undefined;
const inADay = () => formatInstant(asEpochMicros(clock.now() + 86_400_000_000));
const asked = () => ({ environment: "dev" as const, endsAt: inADay(), reason: "the next one is out" });

async function routes(): Promise<Map<string, Route>> {
  await publisherOf(db, objects, { clock }).publish(testOrganisation);
  const latest = await db.uow.read(engineer(), (sql) => latestSnapshot(sql, testOrganisation));
  if (!latest) throw new Error("no snapshot");
  const all = await publishedRoutes(objects, latest.manifest);
  return new Map([...all.values()].map((route) => [route.endpoint, route]));
}

test("an announced end is part of the route, and of no other; when it comes the route is gone", async () => {
  const sunset = await announceSunset(deps(), engineer(), "score", {
    ...asked(),
    successor: "https://models.example/score-2",
  });
  const before = await routes();
  expect(before.get("score")?.sunset).toEqual({
    announcedAt: sunset.announcedAt,
    endsAt: sunset.endsAt,
    successor: "https://models.example/score-2",
  });
  expect(before.get("other")).not.toHaveProperty("sunset");
  clock.advance(86_399_000_000);
  expect((await routes()).has("score")).toBe(true);
  clock.advance(1_000_000);
  expect([...(await routes()).keys()]).toEqual(["other"]);
});

test("one end at a time: another one is refused until the first is taken back, and then the endpoint goes on", async () => {
  await expect(announceSunset(deps(), engineer(), "score", asked())).rejects.toMatchObject({
    code: "serving.sunset_announced",
  });
  const back = { environment: "dev" as const, reason: "billing needs it" };
  // It has ended: who lets it answer again is who lets halted endpoints go on.
  await expect(takeSunsetBack(deps(), engineer(), "score", back)).rejects.toMatchObject({
    code: "identity.forbidden",
  });
  await takeSunsetBack(deps(), lead(), "score", back);
  expect((await routes()).get("score")).not.toHaveProperty("sunset");
  await expect(takeSunsetBack(deps(), engineer(), "score", back)).rejects.toMatchObject({
    code: "serving.no_sunset",
  });
  await announceSunset(deps(), engineer(), "score", asked());
});

test("an end that is past, no instant, or nobody's to announce is refused with its place", async () => {
  for (const endsAt of ["2001-01-01T00:00:00Z", "tomorrow", formatInstant(asEpochMicros(clock.now()))])
    await expect(announceSunset(deps(), engineer(), "other", { ...asked(), endsAt })).rejects.toMatchObject({
      code: "kernel.bad_request",
      violations: [{ at: { pointer: "/endsAt" } }],
    });
  await expect(announceSunset(deps(), aCall(), "other", asked())).rejects.toMatchObject({
    code: "identity.forbidden",
  });
  await expect(announceSunset(deps(), engineer(), "nothing", asked())).rejects.toMatchObject({
    code: "serving.endpoint_missing",
  });
});

const versions = {
  find: async (_call: unknown, name: string, version: number) =>
    name === "score" ? { ...model, reference: { ...model.reference, version } } : undefined,
};

test("one version of an endpoint ends alone: it is part of the route until then, and its variant is gone from then on", async () => {
  const first = { environment: "dev" as const, useCaseId: "uc_1", model: "score", version: 1 };
  const variants = [{ name: "old", kind: "split" as const, model: "score", version: 2 }];
  const traffic = { split: [{ variant: "old", weight: 10 }] };
  const two = { ...first, variants, traffic };
  await deployEndpoint({ ...deployDeps(db), models: versions }, engineer(), "two", two);
  const of = { ...asked(), version: 2 };
  const sunset = await announceSunset(deps(), engineer(), "two", of);
  expect(sunset).toMatchObject({ endpoint: "two", version: 2 });
  // The endpoint's own end is another one, and so is that of its other version.
  await expect(announceSunset(deps(), engineer(), "two", of)).rejects.toMatchObject({
    code: "serving.sunset_announced",
    detail: expect.stringContaining("version 2 of two") as string,
  });
  await announceSunset(deps(), engineer(), "two", { ...asked(), version: 1 });
  await takeSunsetBack(deps(), engineer(), "two", { environment: "dev", reason: "no", version: 1 });
  const before = (await routes()).get("two");
  expect(before?.retiring).toEqual([
    { model: "score", version: 2, announcedAt: sunset.announcedAt, endsAt: sunset.endsAt },
  ]);
  expect(before).not.toHaveProperty("sunset");
  expect(before?.variants.map(({ name }) => name)).toEqual(["old"]);
  clock.advance(86_400_000_000);
  const after = (await routes()).get("two");
  expect(after?.variants).toEqual([]);
  expect(after).not.toHaveProperty("retiring");
  // It has come: who undoes that lets halted endpoints go on, too.
  const back = { environment: "dev" as const, reason: "billing needs it", version: 2 };
  await expect(takeSunsetBack(deps(), engineer(), "two", back)).rejects.toMatchObject({
    code: "identity.forbidden",
  });
  await takeSunsetBack(deps(), lead(), "two", back);
  expect((await routes()).get("two")?.variants).toHaveLength(1);
  await expect(takeSunsetBack(deps(), lead(), "two", back)).rejects.toMatchObject({
    code: "serving.no_sunset",
  });
});

test("the end of the endpoint's own version is the endpoint's; another deployment before goes on", async () => {
  const first = { environment: "dev" as const, useCaseId: "uc_1", model: "score", version: 1 };
  const deploys = { ...deployDeps(db), models: versions };
  for (const name of ["stays", "moves"]) {
    await deployEndpoint(deploys, engineer(), name, first);
    await announceSunset(deps(), engineer(), name, { ...asked(), version: 1 });
  }
  await deployEndpoint(deploys, engineer(), "moves", { ...first, version: 2 });
  clock.advance(86_400_000_000);
  const now = await routes();
  expect([now.has("stays"), now.get("moves")?.model.version]).toEqual([false, 2]);
  expect(now.get("moves")).not.toHaveProperty("retiring");
});

test("a version that a release is bringing gets no end meanwhile; the one that it replaces does", async () => {
  const over = { version: 2, environment: "dev" as const, reason: "no" };
  candidate = { releaseId: "rel_1", name: "score", version: 2 };
  await expect(announceSunset(deps(), engineer(), "two", { ...asked(), version: 2 })).rejects.toMatchObject({
    code: "serving.version_under_release",
    detail: "The release rel_1 is bringing score/2 to two.",
    mend: expect.stringContaining("portolan release rollback two --environment dev") as string,
  });
  await expect(takeSunsetBack(deps(), lead(), "two", over)).rejects.toMatchObject({
    code: "serving.no_sunset",
  });
  await announceSunset(deps(), engineer(), "two", { ...asked(), version: 1 });
  await takeSunsetBack(deps(), engineer(), "two", { ...over, version: 1 });
  candidate = undefined;
  await announceSunset(deps(), engineer(), "two", { ...asked(), version: 2 });
  await takeSunsetBack(deps(), engineer(), "two", over);
});

test("the end of a version that the endpoint does not have is refused with those that it has", async () => {
  await expect(announceSunset(deps(), engineer(), "two", { ...asked(), version: 9 })).rejects.toMatchObject({
    code: "kernel.bad_request",
    detail: "two has no version 9: it serves 1, 2",
    violations: [{ at: { pointer: "/version" } }],
  });
});
