import type { PredictionHeader } from "@portolan/predictions/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import { objectiveFindings } from "../alerts/objective-finding.ts";
import { type BurnWindow, badShare, burnsOf, burnWindows, windowsOf } from "./burn.ts";
import {
  addRequests,
  countRequests,
  minuteMicros,
  noRequests,
  type RequestCounts,
} from "./count-requests.ts";
import { bucketEdgeMicros } from "./indicator.ts";
import { objectivesOf } from "./objective.ts";

const of = objectivesOf({
  organisation: "org_acme",
  environment: "production",
  endpoint: "churn",
  availability: 0.999,
  latencyMsP95: 80,
  readsFeatures: true,
  hasFallback: true,
  hasOutcomes: false,
});
const objective = (name: string) =>
  of.objectives.find((one) => one.name === name) ?? expect.fail(`no objective ${name}`);

function header(over: Partial<PredictionHeader> & { readonly variant?: "shadow" | "fallback" } = {}) {
  const { variant = "champion", ...rest } = over;
  const context = {
    organisationId: "org_1",
    useCaseId: "uc_1",
    endpoint: "churn",
    environment: "production",
    variant,
    snapshotVersion: 1,
    costTags: {},
  } as const;
  return {
    id: "prd_1",
    context,
    principal: "sa_1",
    requestId: "r",
    receivedAt: 5 * minuteMicros + 7,
    latency: { totalMicros: 700 },
    status: { kind: "ok" },
    ...rest,
  } satisfies PredictionHeader;
}

test("answers, fallbacks, faults and floods of refusals are counted by minute; copies, reads and what reached no endpoint are not", () => {
  const refused = { kind: "refused", httpStatus: 503, reason: "serving.overloaded", count: 40 } as const;
  const limited = { ...refused, httpStatus: 429, reason: "serving.rate_limited", count: 3 };
  const counted = countRequests([
    header(),
    header({ variant: "fallback", latency: { totalMicros: 20_000_000 } }),
    header({ variant: "shadow" }),
    header({ status: { kind: "error", httpStatus: 502, reason: "serving.model_failed" } }),
    header({ status: refused, latency: { totalMicros: 500 } }),
    header({ status: limited, receivedAt: 6 * minuteMicros }),
    header({ status: { kind: "read", views: ["v@1"], requests: 1, entities: 1, until: 1 } }),
    { ...header(), context: { ...header().context, endpoint: "-" } },
  ]);
  const tookWithin = (found: Record<number, number>) => noRequests.tookWithin.map((_, at) => found[at] ?? 0);
  expect(counted).toEqual([
    {
      environment: "production",
      endpoint: "churn",
      minute: 5 * minuteMicros,
      requests: 43,
      unavailable: 41,
      answers: 2,
      fallbacks: 1,
      tookWithin: tookWithin({ 0: 40, 1: 2, 14: 1 }),
    },
    expect.objectContaining({ minute: 6 * minuteMicros, requests: 3, unavailable: 0, answers: 0 }),
  ]);
});

test("the share of late requests is that of a straight line between the edges of the bucket", () => {
  const took = noRequests.tookWithin.map(() => 10);
  const counts = { ...noRequests, requests: took.reduce((sum, one) => sum + one), tookWithin: took };
  // 80 ms lies three fifths between 50 and 100 ms, the seventh and eighth edges.
  expect(badShare(objective("latency"), counts)).toBeCloseTo(1 - (70 + 10 * 0.6) / 150, 12);
  const exact = { ...objective("latency"), latencyMicros: 100_000 };
  expect(badShare(exact, counts)).toBeCloseTo(1 - 80 / 150, 12);
  expect(badShare({ ...exact, latencyMicros: 250 }, counts)).toBeCloseTo(1 - 5 / 150, 12);
  expect(badShare(objective("freshness"), counts)).toBeUndefined();
  expect(badShare(objective("availability"), noRequests)).toBeUndefined();
});

const minutes = fc.array(
  fc.record({
    ago: fc.integer({ min: 0, max: 3 * 1440 }),
    requests: fc.nat({ max: 50 }),
    bad: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  { maxLength: 60 },
);

test("burn rates are those of the requests themselves, by windows that are added up and by the workbook's thresholds", () => {
  fc.assert(
    fc.property(minutes, fc.constantFrom(1, 0.02, 0.004), (given, scale) => {
      const now = 10 * 86_400_000_000;
      const events = given.map(({ ago, requests, bad }) => ({
        minute: now - ago * minuteMicros,
        counts: { ...noRequests, requests, unavailable: Math.floor(requests * bad * scale) },
      }));
      const parts = new Map<BurnWindow, RequestCounts>();
      for (const { minute, counts } of events) {
        const found = burnWindows.find(([, micros]) => minute > now - micros);
        if (found) parts.set(found[0], addRequests(parts.get(found[0]) ?? noRequests, counts));
      }
      const share = (micros: number): number => {
        const inside = events.filter(({ minute }) => minute > now - micros);
        const sum = (of: "requests" | "unavailable") =>
          inside.reduce((all, { counts }) => all + counts[of], 0);
        return sum("requests") === 0 ? Number.NaN : sum("unavailable") / sum("requests");
      };
      const micros = (name: BurnWindow) => burnWindows.find(([one]) => one === name)?.[1] ?? 0;
      const above = (name: BurnWindow, threshold: number) => share(micros(name)) > threshold;
      const isOutage = (name: BurnWindow) =>
        events
          .filter(({ minute }) => minute > now - micros(name))
          .reduce((sum, { counts }) => sum + counts.unavailable, 0) >= 10;
      const burns = burnsOf(objective("availability"), windowsOf(parts));
      expect(burns.map(({ isFiring }) => isFiring)).toEqual([
        above("1h", 0.0144) && above("5m", 0.0144) && isOutage("1h"),
        above("6h", 0.006) && above("30m", 0.006) && isOutage("6h"),
        above("1d", 0.003) && above("2h", 0.003) && isOutage("1d"),
        above("3d", 0.001) && above("6h", 0.001) && isOutage("3d"),
      ]);
      for (const { long, longRate } of burns) {
        const expected = share(micros(long)) / 0.001;
        if (Number.isNaN(expected)) expect(longRate).toBeUndefined();
        else expect(longRate).toBeCloseTo(expected, 6);
      }
    }),
  );
});

test("a budget that burns fires until its short windows are well again; silence changes nothing until nobody has asked for long", () => {
  const endpoint = { environment: "production", endpoint: "churn", useCaseId: "uc_1" } as const;
  const asked = { ...noRequests, requests: 100 };
  const bad = { ...asked, unavailable: 10 };
  const conditions = (parts: readonly (readonly [BurnWindow, RequestCounts])[]) =>
    objectiveFindings(endpoint, objective("availability"), windowsOf(new Map(parts))).map(
      ({ condition, evidence }) => `${evidence["severity"]} ${condition}`,
    );
  expect(conditions([["5m", bad]])).toEqual(["page firing", "ticket firing"]);
  expect(
    conditions([
      ["5m", asked],
      ["1h", bad],
    ]),
  ).toEqual(["page recovered", "ticket firing"]);
  expect(conditions([["2h", bad]])).toEqual(["page unclear", "ticket firing"]);
  expect(conditions([["3d", bad]])).toEqual(["page recovered", "ticket unclear"]);
  expect(conditions([])).toEqual(["page recovered", "ticket recovered"]);
});

test("counts have a place for each edge of the gateways' buckets, and one beyond them", () => {
  expect(noRequests.tookWithin).toHaveLength(bucketEdgeMicros.length + 1);
});
