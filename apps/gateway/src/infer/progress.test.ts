import { expect, test } from "vitest";
import { millisText } from "./progress.ts";

test("microseconds are milliseconds in the shortest decimal form", () => {
  const some = [0, 1, 10, 100, 500, 999, 1000, 1001, 1010, 1500, 12_345, 5_000_000, 5_000_001];
  for (const micros of [...some, -1, -1500, 0.5, 1234.5])
    expect(millisText(micros)).toBe(String(micros / 1000));
});
