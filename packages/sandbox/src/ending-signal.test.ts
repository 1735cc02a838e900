import { expect, test } from "vitest";
import { endingSignal } from "./ending-signal.ts";

const wall = { spawnargs: ["setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "node"] };
const plain = { spawnargs: ["prlimit", "node"] };

test("a child behind a wall is judged by its own signal, and a code of its own stays one", () => {
  expect(endingSignal(wall, null, "SIGSEGV")).toBe("SIGSEGV");
  expect(endingSignal(wall, 1, null)).toBe("SIGKILL");
  expect([endingSignal(plain, 137, null), endingSignal(plain, 139, null)]).toEqual(["SIGKILL", "SIGSEGV"]);
  for (const code of [0, 64, 128, 255, 70, null]) expect(endingSignal(wall, code, null)).toBeNull();
  expect(endingSignal(plain, 1, null)).toBeNull();
});
