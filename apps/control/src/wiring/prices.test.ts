import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isPortolanError, parseInstant } from "@portolan/kernel";
import { coreHourPrice } from "@portolan/planner";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readPrices } from "./prices.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portolan-prices-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function pricesIn(text: string) {
  const file = join(folder, "prices.yaml");
  writeFileSync(file, text);
  return readPrices({ PRICES_FILE: file });
}
const own = (price: string) => `records:
  - id: own-core
    resource: cpu_core_hour
    placements: [local]
    price: "${price}"
    currency: USD
    region: here
    provider: ourselves
    asOf: 2026-11-01
    validFor: 365d
    source: the accounts of October
    confidence: own
`;
const core = { placement: "local", currency: "USD", now: parseInstant("2026-11-28T00:00:00Z") } as const;
const faultOf = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    if (isPortolanError(error)) return error;
    throw error;
  }
  throw new Error("it was taken");
};

test("one's own prices win over the shipped ones, which stay where there is no own", () => {
  const shipped = readPrices({});
  const both = pricesIn(own("0.5"));
  expect(both.records.length).toBe(shipped.records.length + 1);
  expect(coreHourPrice(shipped, core).nanos).toBeLessThan(100_000_000n);
  expect(coreHourPrice(both, core)).toEqual({ nanos: 500_000_000n, currency: "USD" });
});

test("a file that is not there, or is no file of prices, is said with what to do", () => {
  expect(faultOf(() => readPrices({ PRICES_FILE: join(folder, "nothing.yaml") }))).toMatchObject({
    code: "kernel.bad_configuration",
    detail: expect.stringContaining("PRICES_FILE cannot be read"),
  });
  expect(faultOf(() => pricesIn(own("free"))).violations[0]).toMatchObject({ at: { line: 5 } });
});
