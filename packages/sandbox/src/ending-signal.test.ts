import { expect, test } from "vitest";
import { endingSignal } from "./ending-signal.ts";

const wall = "some warning\nunshare: sigprocmask unblock failed: Invalid argument\n";

test("a child behind a wall is judged by its own signal, and a code of its own stays one", () => {
  expect(endingSignal(null, "SIGSEGV", "")).toBe("SIGSEGV");
  expect(endingSignal(1, null, wall)).toBe("SIGKILL");
  expect([endingSignal(137, null, ""), endingSignal(139, null, "")]).toEqual(["SIGKILL", "SIGSEGV"]);
  for (const code of [0, 1, 64, 128, 255, null]) expect(endingSignal(code, null, "other words")).toBeNull();
});
