import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Digest, digestBytes, digestHex, systemClock } from "@portolan/kernel";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FolderObjectStore, openFolderObjectStore } from "../src/index.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-objects-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const bytes = new TextEncoder().encode("a chart from port to port");
const pathOf = (digest: Digest) => {
  const hex = digestHex(digest);
  return join(folder, hex.slice(0, 2), hex.slice(2, 4), hex);
};

async function listed(store: FolderObjectStore): Promise<Digest[]> {
  const digests: Digest[] = [];
  for await (const digest of store.list()) digests.push(digest);
  return digests;
}

test("what is put is got back under its digest, and no temporary file stays", async () => {
  const store = await openFolderObjectStore(folder, systemClock);
  const digest = await store.put(bytes);
  expect(digest).toBe(digestBytes(bytes));
  expect(new Uint8Array(await store.get(digest))).toEqual(bytes);
  expect(await store.has(digest)).toBe(true);
  expect(await readdir(join(folder, "incoming"))).toEqual([]);
  expect(await listed(store)).toEqual([digest]);
});

test("a file streamed in has the digest of its bytes and the source stays", async () => {
  const store = await openFolderObjectStore(folder, systemClock);
  const source = join(folder, "source.bin");
  const large = new Uint8Array(3_000_001).map((_, i) => i % 251);
  await writeFile(source, large);
  expect(await store.putFile(source)).toEqual({ digest: digestBytes(large), sizeBytes: 3_000_001 });
  expect(await store.putFile(source)).toEqual({ digest: digestBytes(large), sizeBytes: 3_000_001 });
  expect((await readdir(folder)).includes("source.bin")).toBe(true);
});

test("a stream that grows beyond its bound, or breaks off, leaves nothing behind", async () => {
  const store = await openFolderObjectStore(folder, systemClock);
  async function* chunks(failing: boolean): AsyncGenerator<Uint8Array> {
    yield bytes;
    yield bytes;
    if (failing) throw new Error("the sender hung up");
  }
  const taken = await store.putStream(chunks(false), bytes.length * 2);
  expect(taken).toEqual({ digest: digestBytes(Buffer.concat([bytes, bytes])), sizeBytes: bytes.length * 2 });
  await expect(store.putStream(chunks(false), bytes.length * 2 - 1)).rejects.toMatchObject({
    code: "objectstore.too_large",
  });
  await expect(store.putStream(chunks(true), 1000)).rejects.toThrow("hung up");
  expect(await readdir(join(folder, "incoming"))).toEqual([]);
  expect(await listed(store)).toEqual([taken.digest]);
});

test("many writers of the same bytes at once leave one object", async () => {
  const store = await openFolderObjectStore(folder, systemClock);
  const digests = await Promise.all(Array.from({ length: 20 }, () => store.put(bytes)));
  expect(new Set(digests).size).toBe(1);
  expect(await listed(store)).toHaveLength(1);
});

test("a changed byte on disk is refused at every way of reading", async () => {
  const store = await openFolderObjectStore(folder, systemClock);
  const digest = await store.put(bytes);
  await chmod(pathOf(digest), 0o644);
  await writeFile(pathOf(digest), "b chart from port to port");
  await expect(store.get(digest)).rejects.toMatchObject({ code: "objectstore.corrupt" });
  await expect(store.localPath(digest)).rejects.toMatchObject({ code: "objectstore.corrupt" });
  // Putting the right bytes again must not hide the damage by overwriting, nor pretend that they are stored.
  await expect(store.put(bytes)).rejects.toMatchObject({ code: "objectstore.corrupt" });
});

test("an absent object is not found", async () => {
  const store = await openFolderObjectStore(folder, systemClock);
  const digest = digestBytes(bytes);
  expect(await store.has(digest)).toBe(false);
  await expect(store.get(digest)).rejects.toMatchObject({ code: "objectstore.not_found" });
  await expect(store.localPath(digest)).rejects.toMatchObject({ code: "objectstore.not_found" });
});

test("opening removes what a dead writer left and keeps what a live one is writing", async () => {
  await mkdir(join(folder, "incoming"), { recursive: true });
  await writeFile(join(folder, "incoming", "dead"), "half");
  await writeFile(join(folder, "incoming", "live"), "half");
  const twoHoursAgo = systemClock.now() / 1e6 - 7200;
  await utimes(join(folder, "incoming", "dead"), twoHoursAgo, twoHoursAgo);
  await openFolderObjectStore(folder, systemClock);
  expect(await readdir(join(folder, "incoming"))).toEqual(["live"]);
});

const canMount = process.getuid?.() === 0 && mountWorks();

function mountWorks(): boolean {
  try {
    execFileSync("unshare", ["-m", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test.skipIf(!canMount)(
  "a full disk is named as such, keeps nothing half-written, and earlier objects stay",
  async () => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]);
    try {
      const store = await openFolderObjectStore(folder, systemClock);
      const kept = await store.put(bytes);
      await expect(store.put(new Uint8Array(4_000_000))).rejects.toMatchObject({
        code: "objectstore.no_space",
      });
      expect(await readdir(join(folder, "incoming"))).toEqual([]);
      expect(new Uint8Array(await store.get(kept))).toEqual(bytes);
      await store.put(new Uint8Array(1000));
    } finally {
      execFileSync("umount", [folder]);
    }
  },
);
