import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DriftDelivery } from "@portolan/monitoring/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CountedPart } from "../src/drift/counted-part.ts";
import { type DeliveryVerdict, DriftSpool } from "../src/drift/drift-spool.ts";

let folder: string;
let taken: DriftDelivery[];
let dropped: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drift-spool-"));
  taken = [];
  dropped = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(verdict: (delivery: DriftDelivery, bytes: number) => DeliveryVerdict, epoch = 1): DriftSpool {
  return new DriftSpool({
    folder,
    writer: `wr_${"0".repeat(26)}`,
    epoch,
    deliver: async (body) => {
      const delivery = JSON.parse(Buffer.from(body).toString()) as DriftDelivery;
      const found = verdict(delivery, body.length);
      if (found === "taken") taken.push(delivery);
      return found;
    },
    onDropped: (reason) => void dropped.push(reason),
    onUnwritten: (error) => {
      throw error;
    },
  });
}

const part = (at: number, cells: number, environment: CountedPart["environment"] = "dev"): CountedPart => ({
  environment,
  useCaseId: "uc_1",
  endpointId: "ep_1",
  endpoint: "e",
  variant: "champion",
  model: "m",
  version: 1,
  profile: `sha256:${"ab".repeat(32)}`,
  windowStart: at * 300_000_000,
  oneIn: 1,
  rows: 1,
  counts: new Uint32Array(cells).fill(4_000_000_000),
});
const starts = () => taken.flatMap(({ parts }) => parts.map(({ windowStart }) => windowStart / 300_000_000));

test("wide counts are cut into deliveries of at most 8 MiB, each window once", async () => {
  const sizes: number[] = [];
  const spool = open((_, bytes) => {
    sizes.push(bytes);
    return "taken";
  });
  await spool.keep(Array.from({ length: 40 }, (_, at) => part(at, 52_000)));
  await spool.ship();
  expect(Math.max(...sizes)).toBeLessThanOrEqual(8 * 2 ** 20 + 200);
  expect(sizes.length).toBe(3);
  expect(starts()).toEqual(Array.from({ length: 40 }, (_, at) => at));
  expect(readdirSync(folder)).toEqual([]);
});

test("what is too large for whoever stands between comes in halves, under numbers that only grow, and a single part is given up", async () => {
  const most = 4500;
  const spool = open((_, bytes) => (bytes > most ? "too_large" : "taken"));
  await spool.keep([part(999, 1000), ...Array.from({ length: 40 }, (_, at) => part(at, 20))]);
  await spool.keep([part(40, 20)]);
  await spool.ship();
  expect(starts().toSorted((a, b) => a - b)).toEqual(Array.from({ length: 41 }, (_, at) => at));
  const numbers = taken.map(({ sequence }) => sequence);
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(dropped).toEqual(["too_large"]);
});

test("a forbidden environment holds up no other, is delivered in order once it is allowed, and is given up in the end", async () => {
  let isAllowed = false;
  let asked = 0;
  const spool = open(({ parts }) => {
    const isProduction = parts[0]?.environment === "production";
    if (isProduction) asked++;
    return isProduction && !isAllowed ? "forbidden" : "taken";
  });
  await spool.keep([part(1, 5, "production"), part(2, 5), part(3, 5, "staging")]);
  await spool.keep([part(4, 5, "production"), part(5, 5)]);
  await spool.ship();
  expect(starts()).toEqual([2, 3, 5]);
  expect([asked, spool.waiting, spool.isAway]).toEqual([1, 2, false]);
  isAllowed = true;
  await spool.ship();
  expect(starts()).toEqual([2, 3, 5, 1, 4]);
  isAllowed = false;
  await spool.keep([part(6, 5, "production"), part(7, 5, "production")]);
  for (let round = 0; round < 120; round++) await spool.ship();
  expect([spool.waiting, dropped]).toEqual([1, []]);
  await spool.ship();
  expect([spool.waiting, dropped]).toEqual([0, ["forbidden"]]);
});
