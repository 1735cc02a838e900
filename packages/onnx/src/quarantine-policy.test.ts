import type { EpochMicros } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import {
  afterAnswer,
  afterDeath,
  causeOfExit,
  judgeMarks,
  type Marks,
  noMarks,
} from "./quarantine-policy.ts";

const at = (seconds: number) => (1_000_000_000 + seconds * 1_000_000) as EpochMicros;

function interrupted(times: number, from: Marks = noMarks, everySeconds = 1): Marks {
  let marks = from;
  for (let n = 0; n < times; n++) marks = afterDeath(marks, "deadline", at(n * everySeconds));
  return marks;
}

describe("what is held against a model", () => {
  test("the second crash quarantines it for good, whatever lies between", () => {
    const once = afterAnswer(afterDeath(noMarks, "crash", at(0)));
    expect(judgeMarks(once, at(1))).toEqual({ kind: "free" });
    const twice = afterAnswer(afterDeath(once, "crash", at(86_400)));
    expect(judgeMarks(twice, at(10 * 365 * 86_400))).toEqual({ kind: "quarantined" });
  });

  test("no number of deadlines or outside kills quarantines it for good", () => {
    for (const cause of ["deadline", "outside"] as const) {
      let marks = noMarks;
      for (let n = 0; n < 1000; n++) marks = afterDeath(marks, cause, at(n));
      expect(judgeMarks(marks, at(999)).kind).toBe("paused");
      expect(judgeMarks(marks, at(999 + 60))).toEqual({ kind: "free" });
    }
  });

  test("the third deadline in a row pauses it, each further one for twice as long up to a minute", () => {
    expect(judgeMarks(interrupted(2), at(1)).kind).toBe("free");
    const pauses = [3, 4, 5, 6, 7, 8, 9].map((times) => {
      const verdict = judgeMarks(interrupted(times), at(times - 1));
      return verdict.kind === "paused" ? (verdict.until - at(times - 1)) / 1_000_000 : 0;
    });
    expect(pauses).toEqual([2, 4, 8, 16, 32, 60, 60]);
  });

  test("one answer between ends the row, and so do ten quiet minutes", () => {
    expect(judgeMarks(interrupted(2, afterAnswer(interrupted(2))), at(1)).kind).toBe("free");
    expect(judgeMarks(interrupted(50, noMarks, 601), at(49 * 601)).kind).toBe("free");
  });

  test("faults of the process are the model's doing, signals from outside are not", () => {
    for (const signal of ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", null] as const)
      expect(causeOfExit(signal)).toBe("crash");
    for (const signal of ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"] as const)
      expect(causeOfExit(signal)).toBe("outside");
  });
});
