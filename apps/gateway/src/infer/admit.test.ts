import { RateLimiter } from "@portolan/serving/policy";
import { expect, test } from "vitest";
import { type Admitted, RateLimited, takeRate } from "./admit.ts";

const limits = { ratePerSecond: 10, burst: 4, timeoutMs: 100, bodyBytes: 1000 };
const route = { limits, endpoint: "late", environment: "production" };

function admitted(principalId: string): Admitted {
  const caller = { principalId, environments: ["production"] as const };
  return { active: { route } as Admitted["active"], caller };
}

test("many clients together get no more than the charter's ceiling", () => {
  const limiter = new RateLimiter();
  const outcomes = Array.from({ length: 12 }, (_, i) => {
    try {
      takeRate(limiter, admitted(`sa_${i}`), 0);
      return "served";
    } catch (error) {
      if (error instanceof RateLimited) return "limited";
      throw error;
    }
  });
  expect(outcomes.filter((outcome) => outcome === "served")).toHaveLength(limits.burst);
});
