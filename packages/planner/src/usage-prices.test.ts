import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate } from "@portolan/charter/templates";
import { formatMoney, parseInstant } from "@portolan/kernel";
import { expect, test } from "vitest";
import { mergePriceBooks, parsePriceFile } from "./price-book.ts";
import { readShippedPrices } from "./shipped-prices.ts";
import { usagePrices } from "./usage-prices.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const { document } = requireValid(parseCharter(readTemplate("flight-delays")));
const bytes = ["request_gb", "response_gb", "scoring_read_gb", "scoring_written_gb"] as const;

test("bytes of requests and batches have no price that nobody stated, and the price of an own file", () => {
  const shipped = readShippedPrices();
  const bare = usagePrices(document, shipped, now).perUnit;
  expect(bytes.map((name) => bare.get(name))).toEqual(bytes.map(() => undefined));
  expect(bare.has("cpu_hours"), "has a price there").toBe(true);
  const records = bytes.map(
    (resource, at) =>
      `  - { id: own-bytes-${at}, resource: ${resource}, placements: [cloud, on_prem, local, edge], price: "0.0${at + 1}", currency: USD, region: any, provider: self, asOf: 2026-05-01, validFor: 365d, source: own books, confidence: own }`,
  );
  const own = parsePriceFile(["records:", ...records].join("\n"), "own.yaml");
  const { currency, perUnit } = usagePrices(document, mergePriceBooks([shipped, own]), now);
  expect([currency, ...bytes.map((name) => formatMoney(perUnit.get(name) ?? expect.fail(name)))]).toEqual([
    "USD",
    "0.01 USD",
    "0.02 USD",
    "0.03 USD",
    "0.04 USD",
  ]);
});
