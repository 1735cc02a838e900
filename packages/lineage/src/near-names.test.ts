import { expect, test } from "vitest";
import { nearNames } from "./near-names.ts";

test("names that hold the one asked for come first, then those that a slip of the finger away", () => {
  const names = ["flights", "flights@ds_1", "fights", "departures", "origin-delays@1"];
  expect(nearNames("flight", names)).toEqual(["flights", "flights@ds_1", "fights"]);
  expect(nearNames("orgin-delays@1", names)).toEqual(["origin-delays@1"]);
  expect(nearNames("weather", names)).toEqual([]);
});
