import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import {
  asEpochMicros,
  digestBytes,
  digestJson,
  microsPerSecond,
  type ObjectStore,
  type SigningKey,
  systemClock,
} from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { aCall, fakeClock, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deployEndpoint, type PublishDeps, publishIntent, servingMigrations } from "../src/index.ts";
import { checkedJson, verifySnapshot } from "../src/policy.ts";
import type { CharterInForce, DeployableModel, ServedCharter } from "../src/ports.ts";
import { publishedRoutes } from "../src/snapshot/fitting-routes.ts";
import type { FeaturePlan, Route } from "../src/snapshot/schema.ts";
import { latestSnapshot, listDeployed } from "../src/store.ts";
import { deployDeps, snapshotKey as key, keyRing, model, noCharter, publisherOf } from "./publishing.ts";

let db: TestDatabase;
let folder: string;
let objects: ObjectStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-serving-"));
  objects = await openFolderObjectStore(folder, systemClock);
  db = await openTestDatabase({ migrations: [servingMigrations] });
});
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});
const engineer = () => aCall({ roles: ["ml_engineer"] });
const deps = () => deployDeps(db);
const publisher = (charters: CharterInForce = noCharter, over: Partial<PublishDeps> = {}) =>
  publisherOf(db, objects, { charters, ...over });
const request = { environment: "dev", useCaseId: "uc_1", model: "score", version: 1 } as const;

test("a deployment is one transaction: route, ledger row and the intent to publish", async () => {
  const route = await deployEndpoint(deps(), engineer(), "score", request);
  const rows = await db.sql
    .withTables<{ "ledger.rows": { event: string; subject: string }; "database.intents": { kind: string } }>()
    .selectFrom("database.intents")
    .select("kind")
    .execute();
  expect(rows.map((row) => row.kind)).toContain(publishIntent);
  const again = await deployEndpoint(deps(), engineer(), "score", request);
  expect(again.endpointId).toBe(route.endpointId);
  expect(again.deploymentId).not.toBe(route.deploymentId);
});

test("a deployment that names which one it replaces replaces no other", async () => {
  const deploy = (insteadOf?: string) => deployEndpoint(deps(), engineer(), "raced", request, insteadOf);
  const { deploymentId: first } = await deploy();
  const { deploymentId: second } = await deploy(first);
  await expect(deploy(first)).rejects.toMatchObject({ code: "kernel.conflict" });
  const deployed = await db.uow.read(engineer(), (sql) => listDeployed(sql, testOrganisation));
  expect(deployed.find(({ name }) => name === "raced")?.deploymentId).toBe(second);
});

test("the first snapshot verifies under the key that is only made for it, and carries that key", async () => {
  const organisationId = "org_00000000000000000000000009" as typeof testOrganisation;
  const clock = fakeClock();
  const made: SigningKey[] = [];
  // Time passes between any two looks at the clock, as it does in a start on a slow machine.
  const ticking = {
    ...clock,
    now: () => {
      clock.advance(1000);
      return clock.now();
    },
  };
  const current = async () => {
    if (made.length === 0) made.push({ ...key, validFrom: ticking.now() });
    return made[0] ?? key;
  };
  await publisher(noCharter, {
    clock: ticking,
    keyRing: { ...keyRing, current },
    keys: { list: async (purpose) => (purpose === "snapshot" ? made : []) },
  }).publish(organisationId);
  const latest = await db.uow.read(engineer(), (sql) => latestSnapshot(sql, organisationId));
  const verdict = verifySnapshot(latest?.signed, { keys: made, organisationId });
  expect(verdict).toMatchObject({ kind: "accepted" });
  if (verdict.kind !== "accepted") return;
  const part = verdict.manifest.parts.find((one) => one.kind === "keys");
  expect(Buffer.from(await objects.get(part?.digest as never)).toString()).toContain(key.id);
});

test("the published snapshot verifies, carries the route, and is not published twice", async () => {
  const version = await publisher().publish(testOrganisation);
  expect(await publisher().publish(testOrganisation)).toBe(version);
  const latest = await db.uow.read(engineer(), (sql) => latestSnapshot(sql, testOrganisation));
  const verdict = verifySnapshot(latest?.signed, { keys: [key], organisationId: testOrganisation });
  expect(verdict.kind).toBe("accepted");
  if (verdict.kind !== "accepted") return;
  const part = verdict.manifest.parts.find((one) => one.kind === "routes" && one.environment === "dev");
  if (!part) throw new Error("no routes part");
  const content = checkedJson(await objects.get(digestBytes(await objects.get(part.digest as never))), part);
  expect(JSON.stringify(content)).toContain('"endpoint":"score"');
  const endpoints = await db.uow.read(engineer(), (sql) => listDeployed(sql, testOrganisation));
  expect(endpoints[0]?.snapshotVersion).toBe(version);
});

test("routes say what was measured of their models' memory, as soon as it is known", async () => {
  const version = await publisher().publish(testOrganisation);
  const publishing = publisher(noCharter, {
    memory: {
      find: async () =>
        new Map([
          ["score/1", 240_000_000],
          ["unasked/1", 1],
        ]),
    },
  });
  expect(await publishing.publish(testOrganisation)).toBe(version + 1);
  const latest = await db.uow.read(engineer(), (sql) => latestSnapshot(sql, testOrganisation));
  if (!latest) throw new Error("no snapshot");
  const routes = [...(await publishedRoutes(objects, latest.manifest)).values()];
  const memory = [{ digest: model.reference.digest, loadedBytes: 240_000_000 }];
  expect(routes.map((route) => route.memory)).toEqual(routes.map(() => memory));
});

test("a deployment that is made while a snapshot is being made is not said to be in it", async () => {
  let isMade = false;
  const meanwhile: ObjectStore = {
    ...objects,
    put: async (bytes) => {
      if (!isMade) {
        isMade = true;
        await deployEndpoint({ ...deps(), clock: systemClock }, engineer(), "late", request);
      }
      return objects.put(bytes);
    },
  };
  await deployEndpoint(deps(), engineer(), "early", request);
  const versionOf = async (wanted: string) =>
    (await db.uow.read(engineer(), (sql) => listDeployed(sql, testOrganisation))).find(
      ({ name }) => name === wanted,
    )?.snapshotVersion;
  const ahead = { now: () => asEpochMicros(systemClock.now() + 60 * microsPerSecond) };
  const first = await publisher(noCharter, {
    objects: meanwhile,
    clock: { ...systemClock, ...ahead },
  }).publish(testOrganisation);
  expect([await versionOf("early"), await versionOf("late")]).toEqual([first, null]);
  const next = await publisher().publish(testOrganisation);
  expect(await versionOf("late")).toBe(next);
});

test("two publishers at once make one history", async () => {
  await deployEndpoint(deps(), engineer(), "other", request);
  const versions = await Promise.all([
    publisher().publish(testOrganisation),
    publisher().publish(testOrganisation),
  ]);
  const latest = await db.uow.read(engineer(), (sql) => latestSnapshot(sql, testOrganisation));
  expect(Math.max(...versions)).toBe(latest?.version);
});

test("outside dev nothing is deployed without a charter; without the role nothing at all", async () => {
  await expect(
    deployEndpoint(deps(), engineer(), "score", { ...request, environment: "staging" }),
  ).rejects.toMatchObject({ code: "serving.charter_required" });
  await expect(deployEndpoint(deps(), aCall(), "score", request)).rejects.toMatchObject({
    code: "identity.forbidden",
  });
  await expect(
    deployEndpoint(deps(), engineer(), "score", { ...request, model: "none" }),
  ).rejects.toMatchObject({
    code: "serving.model_not_deployable",
  });
});

const template = new URL("../../charter/templates/flight-delays.yaml", import.meta.url);
const { document, digest } = requireValid(parseCharter(readFileSync(template, "utf8")));
const charter: ServedCharter = { id: "cht_1", version: 1, digest, document };
/** A feature plan for the test's model, asking for nothing older than six hours. */
const plan: FeaturePlan = {
  service: "s",
  entityKeys: ["k"],
  views: [{ name: "v", digest: digestBytes(Buffer.from("view")), entityKeys: ["k"] }],
  columns: [0, 1].map((index) => ({
    input: "x",
    index,
    from: { kind: "feature" as const, view: "v", feature: `f${index}` },
    missing: null,
  })),
  maxAgeMs: 6 * 3_600_000,
};
const inProduction = { ...request, environment: "production" } as const;
const released = async () => ({ ...model, stages: ["production"] as const });
/** Deployment and publication under whatever charter is in force at that moment. */
const governed = (inForce: () => ServedCharter | undefined) => ({
  ...deps(),
  charters: { inForce: async () => inForce() },
  models: { find: released },
});
const servedRoutesOf = async (inForce: () => ServedCharter | undefined): Promise<Route[]> =>
  [...(await routesServed(inForce)).matchAll(/\{"routes":.*?\]\}(?=\{"routes"|$)/gs)].flatMap(
    ([part]) => (JSON.parse(part) as { routes: Route[] }).routes,
  );
/** Ledger rows of one event about one endpoint, oldest first. */
const rowsOf = async (event: string, endpoint: string) => {
  const rows = await db.sql
    .withTables<{ "ledger.rows": { event: string; payload: Uint8Array; at: number } }>()
    .selectFrom("ledger.rows")
    .select("payload")
    .where("event", "=", event)
    .orderBy("at")
    .execute();
  return rows
    .map((row) => JSON.parse(Buffer.from(row.payload).toString()) as { detail: Record<string, unknown> })
    .filter(({ detail }) => detail["endpoint"] === endpoint)
    .map(({ detail }) => detail);
};
const routesServed = async (inForce: () => ServedCharter | undefined): Promise<string> => {
  const publishing = publisher({ inForce: async () => inForce() });
  await publishing.publish(testOrganisation);
  const latest = await db.uow.read(engineer(), (sql) => latestSnapshot(sql, testOrganisation));
  const verdict = verifySnapshot(latest?.signed, { keys: [key], organisationId: testOrganisation });
  if (verdict.kind !== "accepted") throw new Error("the snapshot does not verify");
  const parts = verdict.manifest.parts.filter(
    (one) => one.kind === "routes" && one.environment === "production",
  );
  const bytes = await Promise.all(parts.map((part) => objects.get(part.digest as never)));
  return Buffer.concat(bytes).toString();
};

test("a withdrawn charter takes its production route along, and dev goes on", async () => {
  let inForce: ServedCharter | undefined = charter;
  await deployEndpoint(
    governed(() => inForce),
    engineer(),
    "governed",
    inProduction,
  );
  expect(await routesServed(() => inForce)).toContain('"endpoint":"governed"');
  inForce = undefined;
  expect(await routesServed(() => inForce)).not.toContain('"endpoint":"governed"');
  const endpoints = await db.uow.read(engineer(), (sql) => listDeployed(sql, testOrganisation));
  expect(endpoints.map((endpoint) => endpoint.name)).toContain("score");
});

test("whether callers may state the instant that features are judged at is the charter's to say (F20)", async () => {
  const features = {
    service: "s",
    entityKeys: ["origin"],
    views: [],
    columns: [0, 1].map((index) => ({
      input: "x",
      index,
      from: { kind: "request" as const, name: `c${index}` },
      missing: null,
    })),
    eventTime: "request" as const,
    maxAgeMs: null,
  };
  const { featureTime, ...silent } = document.requirements;
  expect(featureTime).toBe("stated");
  const strict = { ...charter, document: { ...document, requirements: silent } };
  const deploy = (inForce: ServedCharter, plan: Omit<typeof features, "eventTime">) =>
    deployEndpoint(
      governed(() => inForce),
      engineer(),
      "replays",
      { ...inProduction, features: plan },
    );
  await expect(deploy(strict, features)).rejects.toMatchObject({ code: "serving.charter_blocks" });
  const { eventTime: _, ...atArrival } = features;
  expect((await deploy(strict, atArrival)).features?.maxAgeMs).toBe(6 * 3_600_000);
  const allowed = await deploy(charter, features);
  expect(allowed.features).toMatchObject({ eventTime: "request", maxAgeMs: 6 * 3_600_000 });
});

/** The demo's charter with other words in it, as a version that was signed anew. */
const signedAnew = (
  version: number,
  change: (document: ServedCharter["document"]) => void,
): ServedCharter => {
  const changed = structuredClone(document);
  change(changed);
  return { id: `cht_${version}`, version, digest: digestJson(changed), document: changed };
};

test("a charter signed anew changes every term of a live route without a deployment, on the ledger", async () => {
  let inForce = charter;
  const deployed = await deployEndpoint(
    governed(() => inForce),
    engineer(),
    "live",
    { ...inProduction, features: plan },
  );
  await routesServed(() => inForce);
  inForce = signedAnew(2, ({ requirements, purposes, log, fallback }) => {
    requirements.latency.p99 = "200ms";
    requirements.throughput.ceiling = "20 rps";
    requirements.featureFreshness = "1h";
    requirements.snapshotAge = { maximum: "2h", beyond: "serve" };
    purposes.splice(0, purposes.length, "audits");
    if (log) log.durability = "durable";
    fallback.value = 0.5;
  });
  const route = (await servedRoutesOf(() => inForce)).find((one) => one.endpoint === "live");
  expect(route).toMatchObject({
    deploymentId: deployed.deploymentId,
    model: deployed.model,
    charter: { version: 2, digest: inForce.digest },
    limits: { ratePerSecond: 20, burst: 2, timeoutMs: 400 },
    purposes: ["audits"],
    durability: "durable",
    fallbacks: [{ kind: "fixed", outputs: { y: 0.5 } }],
    features: { maxAgeMs: 3_600_000 },
    snapshotAge: { maximumMs: 7_200_000, beyond: "serve" },
  });
  expect(await rowsOf("serving.route.rederived", "live")).toMatchObject([{ charterVersion: 2 }]);
  inForce = charter;
  const loosened = (await servedRoutesOf(() => inForce)).find((one) => one.endpoint === "live");
  expect(loosened?.features?.maxAgeMs, "what the deployer asked for is not lost").toBe(6 * 3_600_000);
});

test("a charter signed anew that forbids a live route stops it, says why, and lets it go on when it allows it again", async () => {
  let inForce = charter;
  await deployEndpoint(
    governed(() => inForce),
    engineer(),
    "bounded",
    inProduction,
  );
  const serves = async () => (await routesServed(() => inForce)).includes('"endpoint":"bounded"');
  expect(await serves()).toBe(true);
  inForce = signedAnew(3, ({ nonNegotiables }) => {
    nonNegotiables.residency.regions = ["eu-west-1"];
  });
  expect(await serves()).toBe(false);
  expect(await serves()).toBe(false);
  expect(await rowsOf("serving.route.stopped", "bounded")).toMatchObject([
    { code: "charter.placement_refused" },
  ]);
  inForce = charter;
  expect(await serves()).toBe(true);
  expect(await rowsOf("serving.route.resumed", "bounded")).toHaveLength(1);
});

test("a route names the one model that may stand in for its own, and gateways may fetch it", async () => {
  let found: DeployableModel = model;
  const live = { ...deps(), models: { find: async () => found } };
  await deployEndpoint(live, engineer(), "succession", request);
  const digest = digestBytes(Buffer.from("second"));
  found = { ...model, reference: { ...model.reference, version: 2, digest } };
  const second = await deployEndpoint(live, engineer(), "succession", { ...request, version: 2 });
  expect(second).toMatchObject({ model: { version: 2 }, previous: { model: { version: 1 } } });
  const same = await deployEndpoint(live, engineer(), "succession", { ...request, version: 2 });
  expect(same.previous?.model.version, "the same version again keeps the stand-in").toBe(1);
  await publisher().publish(testOrganisation);
  const latest = await db.uow.read(engineer(), (sql) => latestSnapshot(sql, testOrganisation));
  expect(latest?.fetchable.map((one) => one.digest)).toEqual(
    expect.arrayContaining([digest, model.reference.digest]),
  );
});

test("what the charter excludes is refused, and the refusal is on the ledger", async () => {
  const elsewhere = { ...governed(() => charter), location: { region: "us-east-1", owner: "cloud" } };
  await expect(deployEndpoint(elsewhere, engineer(), "abroad", inProduction)).rejects.toMatchObject({
    code: "charter.placement_refused",
  });
  const fallbacks = [{ kind: "fixed" as const, outputs: { y: 1 } }];
  await expect(
    deployEndpoint(
      governed(() => charter),
      engineer(),
      "other-answer",
      { ...inProduction, fallbacks },
    ),
  ).rejects.toMatchObject({ code: "serving.charter_blocks" });
  const rows = await db.sql
    .withTables<{ "ledger.rows": { event: string; subject: string } }>()
    .selectFrom("ledger.rows")
    .select("subject")
    .where("event", "=", "serving.deployment.refused")
    .execute();
  expect(rows.map((row) => row.subject).toSorted()).toEqual(["abroad", "other-answer", "replays"]);
});
