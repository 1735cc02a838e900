import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import {
  canonicalBytes,
  createLogger,
  digestBytes,
  digestJson,
  environments,
  type JsonValue,
  type Logger,
  type ObjectStore,
  parseDigest,
  systemClock,
} from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { aCall, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { Type } from "@portolan/typebox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deployEndpoint, type PublishDeps, servingMigrations } from "../src/index.ts";
import { readRoutesPart, verifySnapshot } from "../src/policy.ts";
import type { ProfileReference, SnapshotPart } from "../src/snapshot/schema.ts";
import { latestSnapshot, listDeployed, saveSnapshot } from "../src/store.ts";
import { deployDeps, model, publisherOf, snapshotKey } from "./publishing.ts";

let db: TestDatabase;
let folder: string;
let objects: ObjectStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-unfit-"));
  objects = await openFolderObjectStore(folder, systemClock);
  db = await openTestDatabase({ migrations: [servingMigrations] });
});
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

const engineer = () => aCall({ roles: ["ml_engineer"] });
const request = { environment: "dev", useCaseId: "uc_1", model: "score", version: 1 } as const;
const bump = { ...model.reference, version: 2 };
/** A profile that no gateway would read: it has no bytes. */
const badProfile: ProfileReference = {
  model: "score",
  version: 2,
  digest: model.reference.digest,
  sizeBytes: 0,
};
const grants = (marker: JsonValue): PublishDeps["grants"] => ({
  shape: Type.Object({ marker: Type.String() }),
  read: async () => environments.map((environment) => ({ environment, grants: { marker } })),
});

/** What gateways would serve and know of, read as they read it. */
async function published(): Promise<{ version: number; routes: string[]; identity: string }> {
  const latest = await db.uow.read(engineer(), (sql) => latestSnapshot(sql, testOrganisation));
  const verdict = verifySnapshot(latest?.signed, { keys: [snapshotKey], organisationId: testOrganisation });
  if (verdict.kind !== "accepted") throw new Error(JSON.stringify(verdict));
  const routes: string[] = [];
  let identity = "";
  for (const part of verdict.manifest.parts) {
    const digest = parseDigest(part.digest);
    const bytes = digest ? await objects.get(digest) : new Uint8Array();
    if (part.kind === "identity") identity = Buffer.from(bytes).toString();
    if (part.kind !== "routes") continue;
    const read = readRoutesPart(bytes, part);
    if (read.kind === "bad") throw new Error(read.detail);
    for (const { endpoint, model: served } of read.value.routes) routes.push(`${endpoint}/${served.version}`);
  }
  return { version: verdict.manifest.version, routes: routes.toSorted(), identity };
}

function capturing(): { readonly log: Logger; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  return { log: createLogger({ name: "serving", destination }), lines };
}

test("a deployment whose route gateways could not read is refused with the place in it, and nothing is kept", async () => {
  const sizeless = { ...model, reference: { ...model.reference, sizeBytes: 0 } };
  const deps = { ...deployDeps(db), models: { find: async () => sizeless } };
  await expect(deployEndpoint(deps, engineer(), "unfit", request)).rejects.toMatchObject({
    code: "serving.part_unfit",
    detail:
      "The routes part for dev does not fit its schema: the route of unfit, /model/sizeBytes must be >= 1.",
  });
  const deployed = await db.uow.read(engineer(), (sql) => listDeployed(sql, testOrganisation));
  expect(deployed.map(({ name }) => name)).not.toContain("unfit");
});

test("a route that does not fit is refused alone: its last good one goes on, and revocations do not wait", async () => {
  const { log, lines } = capturing();
  for (const name of ["one", "other"]) await deployEndpoint(deployDeps(db), engineer(), name, request);
  await publisherOf(db, objects, { grants: grants("before") }).publish(testOrganisation);
  const later = { ...deployDeps(db), models: { find: async () => ({ ...model, reference: bump }) } };
  for (const name of ["one", "fresh"])
    await deployEndpoint(later, engineer(), name, { ...request, version: 2 });

  let isMended = false;
  const publisher = publisherOf(db, objects, {
    log,
    grants: grants("after"),
    profiles: { find: async () => new Map(isMended ? [] : [["score/2", badProfile]]) },
  });
  const version = await publisher.publish(testOrganisation);
  expect(await published()).toEqual({
    version,
    routes: ["one/1", "other/1"],
    identity: '{"marker":"after"}',
  });
  // Where an older route goes on, nobody is told that the deployment is in force.
  const deployed = await db.uow.read(engineer(), (sql) => listDeployed(sql, testOrganisation));
  expect(deployed.find(({ name }) => name === "one")?.snapshotVersion).toBeNull();
  const refused = publisher.refusals().map(({ refusal }) => refusal);
  expect(refused).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ endpoint: "one", path: "/profiles/0/sizeBytes", instead: "last_good" }),
      expect.objectContaining({ endpoint: "fresh", path: "/profiles/0/sizeBytes", instead: "nothing" }),
    ]),
  );
  await publisher.publish(testOrganisation);
  expect(lines.filter(({ event }) => event === "serving.snapshot.part_refused")).toHaveLength(2);

  isMended = true;
  await publisher.publish(testOrganisation);
  expect((await published()).routes).toEqual(["fresh/2", "one/2", "other/1"]);
  expect(publisher.refusals()).toEqual([]);
  expect(lines.at(-1)).toMatchObject({ event: "serving.snapshot.parts_fit_again" });
});

test("a part that is bad as a whole is never signed: the last snapshot stays, and the refusal names part and place", async () => {
  await publisherOf(db, objects, { grants: grants("good") }).publish(testOrganisation);
  const before = await published();
  const { log, lines } = capturing();
  const publisher = publisherOf(db, objects, { log, grants: grants(7) });
  for (let round = 0; round < 2; round += 1)
    await expect(publisher.publish(testOrganisation)).rejects.toMatchObject({
      code: "serving.part_unfit",
      detail: "The identity part for dev does not fit its schema: /marker must be string.",
    });
  expect(await published()).toEqual(before);
  expect(publisher.refusals()).toMatchObject([
    { organisationId: testOrganisation, refusal: { part: "identity", environment: "dev", path: "/marker" } },
  ]);
  expect(lines).toMatchObject([
    { event: "serving.snapshot.part_refused", part: "identity", path: "/marker", instead: "last_good" },
  ]);
});

/** Rewrites the last snapshot as an older control would have published it; nobody verifies it but gateways. */
async function publishedBefore(edit: (kind: string, part: JsonValue) => JsonValue): Promise<void> {
  const latest = await db.uow.read(engineer(), (sql) => latestSnapshot(sql, testOrganisation));
  if (!latest) throw new Error("no snapshot");
  const parts: SnapshotPart[] = [];
  for (const part of latest.manifest.parts) {
    const digest = parseDigest(part.digest);
    if (!digest) throw new Error("no digest");
    const json = JSON.parse(Buffer.from(await objects.get(digest)).toString()) as JsonValue;
    const bytes = canonicalBytes(edit(part.kind, json));
    await objects.put(bytes);
    parts.push({ ...part, digest: digestBytes(bytes), sizeBytes: bytes.length });
  }
  const manifest = { ...latest.manifest, version: latest.version + 1, parts };
  const row = { ...latest, version: manifest.version, content_digest: digestJson([...parts]), manifest };
  expect(await db.uow.write(engineer(), (tx) => saveSnapshot(tx.sql, row, []))).toBe(true);
}

test("a last good route that no longer fits is left out alone: others that are refused go on with theirs", async () => {
  for (const name of ["one", "other"]) await deployEndpoint(deployDeps(db), engineer(), name, request);
  await publisherOf(db, objects, { grants: grants("good") }).publish(testOrganisation);
  await publishedBefore((_kind, part) => {
    const { routes } = part as { routes?: { endpoint: string }[] };
    if (!routes) return part;
    return { routes: routes.map((one) => (one.endpoint === "one" ? { ...one, forgotten: 1 } : one)) };
  });
  const later = { ...deployDeps(db), models: { find: async () => ({ ...model, reference: bump }) } };
  for (const name of ["one", "other"])
    await deployEndpoint(later, engineer(), name, { ...request, version: 2 });
  const publisher = publisherOf(db, objects, {
    grants: grants("revoked"),
    profiles: { find: async () => new Map([["score/2", badProfile]]) },
  });
  await publisher.publish(testOrganisation);
  const { routes, identity } = await published();
  expect(identity).toBe('{"marker":"revoked"}');
  expect(routes).toContain("other/1");
  expect(routes.filter((name) => name.startsWith("one/"))).toEqual([]);
  const refused = publisher.refusals().map(({ refusal }) => [refusal.endpoint, refusal.instead]);
  expect(refused).toEqual(
    expect.arrayContaining([
      ["one", "nothing"],
      ["other", "last_good"],
    ]),
  );
});

test("a part that an older control published is read once more by the schema of today before it is signed again", async () => {
  const bad = { ...grants(7), shape: Type.Object({ marker: Type.Number() }) };
  await publisherOf(db, objects, { grants: bad }).publish(testOrganisation);
  // The same bytes, by another schema: published already, and yet no gateway of today would read them.
  await expect(
    publisherOf(db, objects, { grants: grants(7) }).publish(testOrganisation),
  ).rejects.toMatchObject({ code: "serving.part_unfit" });
});
