import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, digestBytes, type JsonValue, systemClock } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import type { Route, SnapshotManifest } from "@portolan/serving/contract";
import { buildSnapshot, isSupplement, type SnapshotContent } from "@portolan/serving/policy";
import { afterAll, expect, test } from "vitest";
import { ClockOffset } from "../src/clock-offset.ts";
import { createControlClient } from "../src/control-client.ts";
import { openDiskCache } from "../src/snapshot/disk-cache.ts";
import { type Parts, readParts, uniqueRoutes } from "../src/snapshot/read-parts.ts";
import { TestInstallation } from "./installation.ts";

const folder = mkdtempSync(join(tmpdir(), "parts-"));
afterAll(() => rmSync(folder, { recursive: true }));

const place = { region: "local", owner: "self" };
const nobody = { current: () => undefined, refused: () => undefined };
const cache = openDiskCache(folder);
const log = createLogger({ name: "gateway", level: "silent" });
const deps = {
  cache,
  // Nobody listens there: everything is on the disk.
  control: createControlClient(
    "http://127.0.0.1:9",
    nobody,
    { gateway: "g", ...place },
    new ClockOffset(systemClock, log),
  ),
  environments: ["dev" as const],
  place,
  log,
};
const { privateKey } = generateKeyPairSync("ed25519");

/** A snapshot's manifest, with its parts on the disk. */
async function stored(
  version: number,
  grants: JsonValue,
  routes: readonly Route[] = [],
): Promise<SnapshotManifest> {
  const content: SnapshotContent = {
    organisationId: "org_1",
    routes,
    grants: [{ environment: "dev", grants }],
    keys: [],
  };
  const { manifest, built } = await buildSnapshot(content, version, version, async (bytes) => ({
    keyId: "sgk_1",
    signature: sign(null, bytes, privateKey),
  }));
  for (const [digest, bytes] of built.bytes) cache.write(digest, bytes);
  return manifest;
}

const grants = {
  organisationId: "org_1",
  environment: "dev",
  revocationEpoch: 1,
  issuers: [],
  principals: [{ id: "sa_1", kind: "service_account", subjects: [] }],
  apiKeys: [],
  revokedTokens: ["jti_1"],
  endpoints: [],
};

test("an identity part that does not fit its schema is refused with the place in it, and the grants before go on", async () => {
  const before = await readParts(deps, await stored(1, grants), undefined);
  expect(before.grants.get("dev")?.revokedTokens).toEqual(new Set(["jti_1"]));
  const bad = await stored(2, { ...grants, revokedTokens: "jti_2" });
  const after = await readParts(deps, bad, before);
  expect(after).toMatchObject({
    missing: ["identity dev"],
    reason: expect.stringContaining("does not fit its schema: /revokedTokens must be array"),
  });
  expect(after.grants.get("dev")).toBe(before.grants.get("dev"));
  await expect(readParts(deps, bad, undefined)).rejects.toThrow("/revokedTokens must be array");
});

test("what was measured of memory reaches the routes; where it cannot be had they serve without, and what was known goes on", async () => {
  const installation = new TestInstallation();
  const bytes = logisticModel([0.5, -0.25], 1);
  const memory = [{ digest: digestBytes(bytes), loadedBytes: 240_000_000 }];
  const route = installation.add("score", bytes, { memory });
  installation.dispose();
  const said = async (manifest: SnapshotManifest, before?: Parts) =>
    uniqueRoutes(await readParts(deps, manifest, before)).map((one) => one.memory);
  const whole = await stored(3, grants, [route]);
  expect(await said(whole)).toEqual([memory]);
  const parts = whole.parts.map((part) =>
    isSupplement(part) ? { ...part, digest: digestBytes(Buffer.from("nowhere")) } : part,
  );
  const lacking = await readParts(deps, { ...whole, version: 4, parts }, undefined);
  expect(lacking.missing).toEqual([]);
  expect(uniqueRoutes(lacking).map((one) => one.memory)).toEqual([undefined]);
  expect(await said({ ...whole, version: 4, parts }, await readParts(deps, whole, undefined))).toEqual([
    memory,
  ]);
});
