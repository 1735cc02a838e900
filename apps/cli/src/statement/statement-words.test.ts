import { expect, test } from "vitest";
import { usedText } from "./statement-words.ts";

test("what was used is read as decimals, but for parts of cards", () => {
  const used = {
    cpu_hours: "193499/24000000",
    gpu_hours: "3/7",
    storage_gb: "12.5",
    all: "34559806501/24000000",
  };
  expect(usedText(used)).toBe("0.00806246 cpu_hours, 3/7 gpu_hours, 12.5 storage_gb, 1439.99 all");
});
