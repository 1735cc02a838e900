import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readShippedPrices } from "../src/index.ts";

/** Prices that somebody else collected, beside the checkout where there are any. */
const folder = join(import.meta.dirname, "../../../../shared/data/prices");
const isThere = existsSync(folder);

const { records } = readShippedPrices();

function anchors(): string[][] {
  const [, ...lines] = readFileSync(join(folder, "price-anchors.csv"), "utf8").trim().split(/\r?\n/);
  return lines.map((line) => line.split(","));
}

const models: Readonly<Record<string, string>> = {
  "on-demand": "on_demand",
  "capacity block": "capacity_block",
  spot: "spot",
  default: "on_demand",
};

test.runIf(isThere)(
  "each of the 26 anchors is a record of its own, with its range, year and conflict",
  () => {
    const rows = anchors();
    expect(rows.length).toBe(26);
    const used = new Set<string>();
    for (const [
      gpu = "",
      provider = "",
      model = "",
      price = "",
      note = "",
      asOf = "",
      ,
      confidence = "",
    ] of rows) {
      const product = gpu === "GPU(any)" ? "any" : gpu;
      const found = records.find(
        (record) =>
          !used.has(record.id) &&
          record.resource === "gpu_hour" &&
          (record.product === product || record.product?.startsWith(`${product}-`)) &&
          Number(record.price) === Number(price) &&
          (record.pricing ?? "on_demand") === models[model] &&
          sells(record.provider, provider),
      );
      expect(found, `${gpu} of ${provider} at ${price}`).toBeDefined();
      if (!found) continue;
      used.add(found.id);
      expect(found.asOf.slice(0, 4)).toBe(/\d{4}/.exec(asOf)?.[0]);
      const [, low, high] = /(?:range )?(\d+\.\d+)-(\d+\.\d+)/.exec(note) ?? [];
      if (low !== undefined) expect([found.low, found.high]).toEqual([low, high]);
      if (confidence.includes("CONFLICTS")) expect(found.conflictsWith?.length).toBeGreaterThan(0);
    }
    expect(used.size).toBe(26);
  },
);

function sells(ours: string, theirs: string): boolean {
  const first = theirs.split(" ")[0]?.toLowerCase() ?? "";
  const other: Readonly<Record<string, string>> = {
    hyperscaler: "large clouds",
    opencost: "own hardware",
    alternative: "alternative",
  };
  return ours.toLowerCase().startsWith(other[first] ?? first);
}

test.runIf(isThere)("each of OpenCost's defaults is a record", () => {
  const defaults = JSON.parse(readFileSync(join(folder, "opencost-default.json"), "utf8")) as Record<
    string,
    string
  >;
  const priceOf = (id: string) => Number(records.find((record) => record.id === id)?.price);
  expect(priceOf("cpu-opencost-default")).toBe(Number(defaults["CPU"]));
  expect(priceOf("cpu-opencost-spot")).toBe(Number(defaults["spotCPU"]));
  expect(priceOf("memory-opencost-default")).toBe(Number(defaults["RAM"]));
  expect(priceOf("memory-opencost-spot")).toBe(Number(defaults["spotRAM"]));
  expect(priceOf("gpu-opencost-on-prem")).toBe(Number(defaults["GPU"]));
  expect(priceOf("storage-opencost-default")).toBeCloseTo(Number(defaults["storage"]) * 730, 7);
  expect(priceOf("egress-zone-opencost-default")).toBe(Number(defaults["zoneNetworkEgress"]));
  expect(priceOf("egress-region-opencost-default")).toBe(Number(defaults["regionNetworkEgress"]));
  expect(priceOf("egress-internet-opencost-default")).toBe(Number(defaults["internetNetworkEgress"]));
});
