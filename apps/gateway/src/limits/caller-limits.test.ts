import type { Limits } from "@portolan/serving/contract";
import { RateLimiter } from "@portolan/serving/policy";
import { expect, test } from "vitest";
import { errorAnswer } from "../http/answers.ts";
import type { ActiveRoute, ServingState } from "../snapshot/serving-state.ts";
import { CallerLimits, RateLimited } from "./caller-limits.ts";
import { Standings } from "./extraction/standings.ts";
import { Limited } from "./limited.ts";

const limits: Limits = { ratePerSecond: 10, burst: 4, timeoutMs: 100, bodyBytes: 1000 };

function routeWith(over: Partial<Limits>): ActiveRoute {
  const route = {
    organisationId: "org",
    limits: { ...limits, ...over },
    endpoint: "late",
    endpointId: "ep_late",
    environment: "dev",
  };
  return { route } as ActiveRoute;
}

/** Principals `sa_<n>`; the even ones belong to one business unit, the odd ones to none. */
const state = {
  grants: new Map([
    [
      "dev",
      {
        principals: new Map(
          Array.from({ length: 20 }, (_, i) => [`sa_${i}`, i % 2 === 0 ? { businessUnitId: "bu_even" } : {}]),
        ),
      },
    ],
  ]),
} as unknown as ServingState;

async function outcomes(active: ActiveRoute, principals: readonly string[]): Promise<string[]> {
  const own = new CallerLimits(new RateLimiter());
  const seen: string[] = [];
  for (const principal of principals) {
    try {
      await own.take(own.of(state, active, principal), 0);
      seen.push("served");
    } catch (error) {
      if (!(error instanceof RateLimited)) throw error;
      seen.push(`limited by ${error.violatedPolicies.join()}`);
    }
  }
  return seen;
}

test("many clients together get no more than the charter's ceiling", async () => {
  const all = await outcomes(
    routeWith({}),
    Array.from({ length: 12 }, (_, i) => `sa_${i}`),
  );
  expect(all.filter((outcome) => outcome === "served")).toHaveLength(limits.burst);
  expect(all.at(-1)).toBe("limited by endpoint");
});

test("excess of a ceiling that is shed is refused while nothing sheds, and admitted where something does", async () => {
  const active = routeWith({ beyond: "shed", burst: 1 });
  expect(await outcomes(active, ["sa_1", "sa_3"])).toEqual(["served", "limited by endpoint"]);
  const own = new CallerLimits(new RateLimiter(), { takesExcess: true });
  const [first, second] = [own.of(state, active, "sa_1"), own.of(state, active, "sa_3")];
  expect(await own.take(first, 0)).toMatchObject({ waitMs: 0, isExcess: false });
  expect(await own.take(second, 0)).toMatchObject({ waitMs: 0, isExcess: true });
});

test("one client gets its share, one business unit gets its own, and the rest is left for others", async () => {
  const active = routeWith({ burst: 10, clientShare: 0.2, tenantShare: 0.4 });
  expect(await outcomes(active, ["sa_0", "sa_0", "sa_0", "sa_2", "sa_2", "sa_4", "sa_1"])).toEqual([
    "served",
    "served",
    "limited by client",
    "served",
    "served",
    "limited by tenant",
    "served",
  ]);
});

test("a slowed caller keeps a tenth of its limits, a blocked one nothing, and both end by themselves", async () => {
  const standings = new Standings();
  const own = new CallerLimits(new RateLimiter(), { standings });
  const active = routeWith({ burst: 100, ratePerSecond: 0.001 });
  const caller = own.of(state, active, "sa_1");
  const served = async (nowMs: number): Promise<number> => {
    let count = 0;
    for (let i = 0; i < 200; i++) {
      try {
        await own.take(caller, nowMs);
        count++;
      } catch (error) {
        expect(error).toBeInstanceOf(Limited);
        expect((error as Limited).violatedPolicies).toContain("extraction");
      }
    }
    return count;
  };
  Object.assign(standings.of("ep_late", "sa_1"), { action: "slow", untilMs: 1000 });
  expect(await served(0)).toBe(10);
  Object.assign(standings.of("ep_late", "sa_1"), { action: "block", untilMs: 1000 });
  expect(await served(0)).toBe(0);
  expect(standings.count(999)).toEqual({ flag: 0, slow: 0, block: 1 });
  expect(standings.count(1000)).toEqual({ flag: 0, slow: 0, block: 0 });
  const later = own.of(state, routeWith({ ratePerSecond: 1000 }), "sa_1");
  expect(await own.take(later, 200e9)).toMatchObject({ waitMs: 0 });
});

test("a refusal names the policy, the problem type of the standard and when to come back", async () => {
  const own = new CallerLimits(new RateLimiter());
  const caller = own.of(state, routeWith({ burst: 1, clientShare: 0.5 }), "sa_1");
  await own.take(caller, 0);
  let refused: unknown;
  try {
    await own.take(caller, 0);
  } catch (error) {
    refused = error;
  }
  const answer = errorAnswer(refused, "req_1");
  expect(answer.headers).toEqual({
    "ratelimit-policy": '"client";q=1;w=1, "endpoint";q=1;w=1',
    ratelimit: '"client";r=0;t=1, "endpoint";r=0;t=1',
    "retry-after": "1",
  });
  expect(answer.status).toBe(429);
  expect(JSON.parse(String(answer.body))).toMatchObject({
    type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
    code: "serving.rate_limited",
    "violated-policies": ["client"],
    error: expect.stringMatching(/Wait 1 s/) as string,
  });
});
