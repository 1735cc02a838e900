import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { longestFirst, slowFiles } from "./test-order.ts";

test("every file that is named as slow is there", () => {
  const root = join(import.meta.dirname, "..");
  const gone = slowFiles.filter((path) => !existsSync(join(root, path)));
  expect(gone).toEqual([]);
});

test("slow files start first, the slowest before all, and the others stay in their order", () => {
  const files = ["b.test.ts", "test/services/kafka.test.ts", "a.test.ts", "test/services/demo.test.ts"];
  expect(longestFirst(files, (path) => path)).toEqual([
    "test/services/demo.test.ts",
    "test/services/kafka.test.ts",
    "b.test.ts",
    "a.test.ts",
  ]);
});
