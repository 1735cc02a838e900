import { readFileSync } from "node:fs";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { multiplyMoney, systemClock } from "@portolan/kernel";
import { expect, test } from "vitest";
import { cpuCostPerThousand, cpuPrice } from "./cpu-price.ts";
import { readShippedPrices } from "./shipped-prices.ts";

const template = new URL("../../charter/templates/flight-delays.yaml", import.meta.url);
const { document } = requireValid(parseCharter(readFileSync(template, "utf8")));

test("a thousand predictions cost their CPU time at the plan's price of a core", () => {
  const prices = readShippedPrices();
  const now = systemClock.now();
  const hour = cpuPrice(document, prices, now)?.cpuHour;
  expect(hour?.nanos).toBeGreaterThan(0n);
  // 1,000 rows of 3.6 s are an hour.
  expect(cpuCostPerThousand(document, prices, now, 3_600_000)).toEqual(hour);
  expect(cpuCostPerThousand(document, prices, now, 36_000)).toEqual(hour && multiplyMoney(hour, 1n, 100n));
});
