import { aCall, openTestDatabase, type TestDatabase } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deployEndpoint, servingMigrations } from "../src/index.ts";
import { keepingParts, withKeptParts } from "../src/keep-parts.ts";
import { deployDeps } from "./publishing.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [servingMigrations] });
});
afterAll(() => db.close());
const engineer = () => aCall({ roles: ["ml_engineer"] });
const deps = () => deployDeps(db);
const request = { environment: "dev", useCaseId: "uc_1", model: "score", version: 1 } as const;

test("what is to stay is as it is deployed, settings of workers one by one; another use case's is never taken", async () => {
  const scaling = { minimum: 0, maximum: 6, idleSeconds: 120, upPerStep: 4 };
  const first = { ...request, cacheMebibytes: 16, batching: { maxDelayMs: 2, preferredRows: [8] }, scaling };
  const { deploymentId } = await deployEndpoint(deps(), engineer(), "kept", first);
  const keep = ["cacheMebibytes", "batching", "scaling", "backends"] as const;
  const asked = { ...request, scaling: { minimum: 1, maximum: 6 } };
  const found = await keepingParts(deps(), engineer(), "kept", { asked, keep });
  expect(found).toEqual({
    // With a worker that stays there is no time after which the last one goes.
    request: { ...first, scaling: { minimum: 1, maximum: 6, upPerStep: 4 } },
    insteadOf: deploymentId,
  });
  await deployEndpoint(deps(), engineer(), "kept", found.request, found.insteadOf);
  // Somebody deployed in between: what was taken over is no longer what is there.
  await expect(
    deployEndpoint(deps(), engineer(), "kept", found.request, found.insteadOf),
  ).rejects.toMatchObject({ code: "kernel.conflict" });
  const foreign = { ...asked, useCaseId: "uc_2" };
  expect((await keepingParts(deps(), engineer(), "kept", { asked: foreign, keep })).request).toEqual(foreign);
  expect(await keepingParts(deps(), engineer(), "unknown", { asked, keep })).toEqual({ request: asked });
  expect(await keepingParts(deps(), engineer(), "kept", { asked, keep: [] })).toEqual({ request: asked });
});

test("shares that are stated leave shadows as they are, and a shadow leaves shares", () => {
  const next = { name: "next", kind: "split", model: "score", version: 2 } as const;
  const trial = { name: "trial", kind: "shadow", model: "score", version: 3, sample: 1 } as const;
  const traffic = { split: [{ variant: "next", weight: 10 }] };
  const deployed = { useCaseId: "uc_1", request: { ...request, variants: [next, trial], traffic } };
  const other = { ...trial, name: "other", version: 4 };
  expect(withKeptParts({ ...request, variants: [other] }, ["variants", "traffic"], deployed)).toEqual({
    ...request,
    variants: [other, next],
    traffic,
  });
  const more = { split: [{ variant: "next", weight: 50 }] };
  const wider = { ...request, variants: [next], traffic: more };
  expect(withKeptParts(wider, ["variants"], deployed)).toEqual({ ...wider, variants: [next, trial] });
  // Who does not keep them states all of them.
  expect(withKeptParts(wider, [], deployed)).toEqual(wider);
});
