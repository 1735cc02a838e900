import { describe, expect, test } from "vitest";
import { credentialRefused, standingOf } from "./job-standing.ts";

const ended = (driver_exit_code: number | null, error_type: string | null = null) =>
  standingOf({ status: "FAILED", message: "said at last", error_type, driver_exit_code });

describe("how a job of Ray stands", () => {
  test.each(["PENDING", "RUNNING"])("%s is at work", (status) => {
    expect(standingOf({ status })).toEqual({ kind: "working" });
  });

  test("a program that ends by itself has failed; one that others end is sent again", () => {
    expect(ended(3)).toEqual({ kind: "failed", why: "ended with 3" });
    // A fault of its own (SIGSEGV), by Ray's word and by the driver's.
    for (const code of [-11, 139]) expect(ended(code).kind).toBe("failed");
    for (const code of [-9, 137, -15, 143]) expect(ended(code).kind).toBe("lost");
  });

  test("a job that the cluster lost, that somebody stopped there or whose credential ended is sent again", () => {
    expect(ended(null, "JOB_SUPERVISOR_ACTOR_DIED")).toEqual({
      kind: "lost",
      why: "was lost by the cluster: said at last",
    });
    expect(standingOf({ status: "STOPPED" }).kind).toBe("lost");
    expect(ended(credentialRefused).kind).toBe("lost");
  });

  test("an environment that could not be built is told as one, and a state of a later Ray is not taken for success", () => {
    expect(ended(null, "RUNTIME_ENV_SETUP_FAILURE")).toEqual({ kind: "environment", why: "said at last" });
    expect(standingOf({ status: "PAUSED" }).kind).toBe("lost");
  });
});
