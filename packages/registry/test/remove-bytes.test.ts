import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ByteRemoval, Digest, Environment, UnitOfWork } from "@portolan/kernel";
import { addMicros, asEpochMicros, systemClock } from "@portolan/kernel";
import { type FolderObjectStore, openFolderObjectStore } from "@portolan/objectstore";
import { aCall, noRows, openTestDatabase, type TestDatabase, testAuthorizer } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createArtifactCatalogue, createByteRemoval, registryMigrations } from "../src/index.ts";

let db: TestDatabase;
let folder: string;
let objects: FolderObjectStore;
let bytes: ByteRemoval;
let note: (digest: Digest, environment?: Environment, call?: typeof ours) => Promise<void>;
const ours = aCall({ roles: ["engineer"] });
const theirs = aCall({
  roles: ["engineer"],
  organisationId: "org_other" as typeof ours.actor.organisationId,
});
const heldByContract = new Set<string>();
const otherHolders = [(_: unknown, digest: Digest) => Promise.resolve(heldByContract.has(digest))];

beforeAll(async () => {
  db = await openTestDatabase({ migrations: [registryMigrations] });
  folder = await mkdtemp(join(tmpdir(), "portolan-removal-"));
  objects = await openFolderObjectStore(folder, systemClock);
  const authorizer = testAuthorizer({ engineer: ["*"] });
  const catalogue = createArtifactCatalogue({ work: db.uow, authorizer, objects, rows: noRows });
  bytes = createByteRemoval({ work: db.uow, objects, otherHolders });
  note = (digest, environment = "dev", call = ours) =>
    db.uow.write(call, (tx) => catalogue.note(tx, { environment }, [{ digest, kind: "dataset" }]));
});
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true, force: true });
});

const stored = (text: string): Promise<Digest> => objects.put(new TextEncoder().encode(text));
const dropped = (digest: Digest, environments: Environment[] = ["dev"]) =>
  db.uow.write(ours, (tx) => bytes.succeed(tx, environments, { before: digest }));

test("bytes go when the last reference has gone, and not while another place or organisation holds equal ones", async () => {
  const digest = await stored("held thrice");
  await note(digest);
  await note(digest, "production");
  await note(digest, "dev", theirs);
  await dropped(digest);
  expect(await bytes.discard(ours, digest)).toBe("held");
  await dropped(digest, ["production"]);
  expect(await bytes.discard(ours, digest)).toBe("held");
  expect(await objects.has(digest)).toBe(true);
  await db.uow.write(theirs, (tx) => bytes.succeed(tx, ["dev"], { before: digest }));
  expect(await bytes.discard(ours, digest)).toBe("removed");
  expect(await objects.has(digest)).toBe(false);
  expect(await bytes.discard(ours, digest)).toBe("removed");
});

test("references move to the bytes that took the place, in the environments that are meant", async () => {
  const [before, after] = [await stored("before"), await stored("after")];
  await note(before);
  await note(before, "production");
  await db.uow.write(ours, (tx) => bytes.succeed(tx, ["dev"], { before, after }));
  const held = await db.uow.read(ours, (sql) =>
    bytes.held(sql, ours.actor.organisationId, ["dev", "production"]),
  );
  expect(held.filter(({ digest }) => digest === before)).toMatchObject([{ environment: "production" }]);
  expect(held.filter(({ digest }) => digest === after)).toMatchObject([{ environment: "dev" }]);
});

test("what a contract comes with stays, though nothing notes it", async () => {
  const digest = await stored("airports");
  heldByContract.add(digest);
  expect(await bytes.discard(ours, digest)).toBe("held");
});

test("nothing is noted whose bytes went after they were stored; stored anew they are", async () => {
  const digest = await stored("raced");
  // Somebody stored equal bytes, found them there, and has yet to note them.
  expect(await bytes.discard(ours, digest)).toBe("removed");
  await expect(note(digest)).rejects.toThrow("were removed while they were stored");
  await stored("raced");
  await note(digest);
  expect(await bytes.discard(ours, digest)).toBe("held");
});

test("references never move to bytes that went after they were stored, and stay where they were", async () => {
  const before = await stored("before the rewriting");
  await note(before);
  // Rewritten to bytes that another organisation holds and has removed just then.
  const after = await stored("rewritten");
  expect(await bytes.discard(theirs, after)).toBe("removed");
  const succeed = () => db.uow.write(ours, (tx) => bytes.succeed(tx, ["dev"], { before, after }));
  expect(await succeed()).toBe("gone");
  expect(await bytes.discard(ours, before)).toBe("held");
  await stored("rewritten");
  expect(await succeed()).toBe("moved");
  expect(await bytes.discard(ours, after)).toBe("held");
  expect(await bytes.discard(ours, before)).toBe("removed");
});

test("removals that a disk refused are finished later, and until then whoever stores the same bytes is refused", async () => {
  const [digest, other] = [await stored("on a read-only disk"), await stored("on another one")];
  const refused = (): Promise<never> => Promise.reject(new Error("EROFS"));
  const broken = createByteRemoval({ work: db.uow, objects: { ...objects, remove: refused }, otherHolders });
  for (const one of [digest, other]) await expect(broken.discard(ours, one)).rejects.toThrow("EROFS");
  await stored("on a read-only disk");
  await expect(note(digest)).rejects.toThrow("were removed while they were stored");
  const later = addMicros(systemClock.now(), 1_000_000);
  await expect(broken.finishRemovals(ours, later)).rejects.toThrow("EROFS");
  // A contract came with one of them meanwhile.
  heldByContract.add(other);
  expect(await bytes.finishRemovals(ours, asEpochMicros(1))).toBe(0);
  expect(await bytes.finishRemovals(ours, later)).toBe(2);
  expect(await bytes.finishRemovals(ours, later)).toBe(0);
  expect([await objects.has(digest), await objects.has(other)]).toEqual([false, true]);
  await stored("on a read-only disk");
  await note(digest);
  await note(other);
});

/** Removal in whose way, between its first transaction and what follows, something else comes. */
function removalWith(between: () => Promise<unknown>): ByteRemoval {
  let writes = 0;
  const work: UnitOfWork = {
    read: (call, run) => db.uow.read(call, run),
    look: (call, run) => db.uow.look(call, run),
    write: async (call, run) => {
      const result = await db.uow.write(call, run);
      writes += 1;
      if (writes === 1) await between();
      return result;
    },
  };
  return createByteRemoval({ work, objects, otherHolders });
}

test("of two that discard the same bytes at once the later one leaves what was stored and noted since", async () => {
  const digest = await stored("discarded twice");
  const late = removalWith(async () => {
    expect(await bytes.discard(theirs, digest)).toBe("removed");
    await stored("discarded twice");
    await note(digest);
  });
  expect(await late.discard(ours, digest)).toBe("held");
  expect(await objects.has(digest)).toBe(true);
});

test("any number may discard the same bytes at once", async () => {
  const digest = await stored("discarded often");
  const outcomes = await Promise.all([ours, theirs, ours, theirs].map((call) => bytes.discard(call, digest)));
  expect(outcomes).toEqual(["removed", "removed", "removed", "removed"]);
  expect(await objects.has(digest)).toBe(false);
});

test("bytes that a contract comes with after they were free stay, and may be noted again", async () => {
  const digest = await stored("rivers");
  const late = removalWith(() => Promise.resolve(heldByContract.add(digest)));
  expect(await late.discard(ours, digest)).toBe("held");
  expect(await objects.has(digest)).toBe(true);
  await note(digest);
});
