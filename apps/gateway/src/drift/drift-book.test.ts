import { canonicalBytes, digestBytes, type JsonValue } from "@portolan/kernel";
import type { ReferenceProfile } from "@portolan/monitoring/contract";
import { numericReference, windowMicros } from "@portolan/monitoring/policy";
import { expect, test } from "vitest";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import { CountBudget } from "./count-budget.ts";
import { DriftBook } from "./drift-book.ts";
import { ProfileBook, type ProfileBookDeps } from "./profile-book.ts";

const profile: ReferenceProfile = {
  format: 1,
  model: { name: "m", version: 1, digest: `sha256:${"ab".repeat(32)}` },
  data: { trainingSetId: "ts_1", digest: `sha256:${"ab".repeat(32)}`, rows: 3, sampledEvery: 1 },
  rows: 3,
  inputs: [numericReference({ tensor: "x", column: 0, name: "x" }, [1, 2, 3])],
  outputs: [],
  skipped: [],
};
const bytes = canonicalBytes(profile as unknown as JsonValue);
const digest = digestBytes(bytes);

async function openBook(mostBytes: number) {
  const cache = { read: async () => ({ kind: "found", bytes }) } as unknown as ProfileBookDeps["cache"];
  const profiles = new ProfileBook({ cache, nowMs: () => 0 } as ProfileBookDeps);
  await profiles.prepare([digest]);
  const budget = new CountBudget(mostBytes, () => undefined);
  return { budget, book: new DriftBook(profiles, 0, budget) };
}

function route(endpoint: string): ActiveRoute {
  const model = { name: "m", version: 1 };
  const profiles = [{ model: "m", version: 1, digest, sizeBytes: bytes.length }];
  const own = { environment: "dev", useCaseId: "uc_1", endpointId: `ep_${endpoint}`, endpoint };
  return {
    route: { ...own, model, profiles, features: null },
    context: { variant: "champion" },
  } as unknown as ActiveRoute;
}
const seen = (at: number) => ({
  inputs: [{ name: "x", datatype: "FP32" as const, shape: [1, 1], data: Float32Array.of(2) }],
  outputs: [],
  used: [],
  at,
});

test("more versions than are counted at once: the one not asked for longest makes room, and its counts are added up", async () => {
  const { book, budget } = await openBook(10 * 2 ** 20);
  const routes = Array.from({ length: 201 }, (_, at) => route(`e${at}`));
  const first = routes[0] ?? route("none");
  for (let round = 0; round < 3; round++)
    for (const one of routes) {
      book.count(one, false, seen(0));
      book.count(first, false, seen(0));
    }
  const parts = book.drain();
  expect(new Set(parts.map(({ endpoint }) => endpoint)).size).toBe(201);
  expect(parts.filter(({ endpoint }) => endpoint === "e0").map(({ rows }) => rows)).toEqual([606]);
  const rowsOf = (endpoint: string) =>
    parts.filter((one) => one.endpoint === endpoint).reduce((sum, { rows }) => sum + rows, 0);
  expect(routes.slice(1).every((_, at) => rowsOf(`e${at + 1}`) === 3)).toBe(true);
  expect(parts.length, "parts of one key wait as one").toBeLessThanOrEqual(401);
  book.settle(parts, []);
  expect(budget.usedBytes).toBe(0);
});

test("what could not be written down comes again with what was counted since, in one part each, and takes no further room", async () => {
  const { book, budget } = await openBook(10 * 2 ** 20);
  const one = route("e");
  book.count(one, false, seen(0));
  for (let failures = 0; failures < 5; failures++) {
    const drained = book.drain();
    book.count(one, false, seen(0));
    book.count(one, false, seen(windowMicros));
    book.settle(drained, drained);
  }
  const before = budget.usedBytes;
  const parts = book.drain();
  const rowsOf = (start: number) =>
    parts.filter(({ windowStart }) => windowStart === start).reduce((sum, { rows }) => sum + rows, 0);
  expect([rowsOf(0), rowsOf(windowMicros)]).toEqual([6, 5]);
  expect(parts.length).toBeLessThanOrEqual(4);
  book.settle(parts, []);
  expect([before > 0, budget.usedBytes]).toEqual([true, 0]);
});

test("a place elsewhere counts for the deployment's own version, whose model it runs", async () => {
  const { book } = await openBook(10 * 2 ** 20);
  const own = route("e");
  const elsewhere = {
    ...own,
    route: { ...own.route, model: { name: "m-gpu", version: 4 } },
    backend: { hardware: "gpu", own: own.route.model },
  } as unknown as ActiveRoute;
  book.count(own, false, seen(0));
  book.count(elsewhere, false, seen(0));
  expect(book.drain()).toMatchObject([{ model: "m", version: 1, rows: 2 }]);
});
