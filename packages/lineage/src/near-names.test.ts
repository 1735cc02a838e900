import { expect, test } from "vitest";
import { nearNames } from "./near-names.ts";

test("names that hold the one asked for come first, then those that a slip of the finger away", () => {
  const names = ["flights", "flights@ds_1", "fights", "departures", "origin-delays@1"];
  expect(nearNames("flight", names)).toEqual(["flights", "flights@ds_1", "fights"]);
  expect(nearNames("orgin-delays@1", names)).toEqual(["origin-delays@1"]);
  expect(nearNames("weather", names)).toEqual([]);
});

test("a name that is mistyped is found among thousands of long ones, and the process is not held", () => {
  const long = Array.from(
    { length: 10_000 },
    (_, n) => `${"warehouse.reporting.".repeat(4)}${n}.daily-totals`,
  );
  const names = [...long, "warehouse.public.order-totals"];
  const began = process.threadCpuUsage();
  expect(nearNames("warehouse.public.ordre-totals", names)).toEqual(["warehouse.public.order-totals"]);
  expect(nearNames(`${"warehouse.reportnig.".repeat(4)}x.daily`, long)).toHaveLength(5);
  expect(process.threadCpuUsage(began).user).toBeLessThan(1_000_000);
});
