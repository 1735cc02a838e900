import { expect, test } from "vitest";
import { entryRow } from "./audit.ts";

test("a row that control tells of somebody else names who it was", () => {
  const entry = {
    id: "led_1",
    index: 3,
    class: "recorded" as const,
    at: "2026-11-27T05:00:00Z",
    leafHash: "00",
    erased: false,
    event: "features.values.read",
    subject: "prd_1",
    actor: { kind: "system", id: "control" },
  };
  const read = { ...entry, detail: { principal: "usr_1", endpoint: "delays" } };
  expect(entryRow(read)).toEqual([
    "3",
    "2026-11-27T05:00:00Z",
    "features.values.read",
    "usr_1 (told by control)",
    "prd_1",
  ]);
  expect(entryRow(entry)[3]).toBe("control");
  expect(entryRow({ ...read, actor: { kind: "user", id: "usr_1" } })[3]).toBe("usr_1");
});
