import { expect, test } from "vitest";
import { isolationLevels, mayTrain } from "./isolation-level.ts";

test("what a regulation applies to is not trained where nothing keeps the trainer from the server's files", () => {
  expect(isolationLevels.filter((level) => mayTrain({ regulated: true, level }))).toEqual([
    "namespaces",
    "account",
  ]);
  expect(isolationLevels.filter((level) => mayTrain({ regulated: false, level }))).toEqual([
    ...isolationLevels,
  ]);
});
