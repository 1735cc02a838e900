import { expect, test } from "vitest";
import { shadowReason } from "./shadow-outcome.ts";

test("a copy that waited in vain says that the machine was busy, one that ran too long that its model is slow", () => {
  expect(shadowReason({ kind: "timeout", ranMs: 0 })).toBe("shadow overloaded");
  expect(shadowReason({ kind: "overloaded", detail: "many wait" })).toBe("shadow overloaded");
  expect(shadowReason({ kind: "timeout", ranMs: 12 })).toBe("shadow timeout");
});
