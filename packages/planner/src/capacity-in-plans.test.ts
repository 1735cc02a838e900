import { readFileSync } from "node:fs";
import { assumedAvailabilities, redundancyFor } from "@portolan/capacity/policy";
import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { parseInstant } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { assumptionsOf, type Measurements, redundantReplicas } from "./assumptions.ts";
import { assumptionOption } from "./costs/assumption-catalogue.ts";
import { parseAssumptions } from "./costs/changed-assumptions.ts";
import { planRedundancy } from "./costs/redundancy.ts";
import { planCharter } from "./plan-charter.ts";
import { planJson } from "./plan-json.ts";
import { renderPlan } from "./render-plan.ts";
import { readShippedPrices } from "./shipped-prices.ts";
import { trainingFeed } from "./training-feed.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const shipped = readShippedPrices();
function template(name: string): CharterDocument {
  const url = new URL(`../../charter/templates/${name}.yaml`, import.meta.url);
  return requireValid(parseCharter(readFileSync(url, "utf8"), name)).document;
}

/** The template scores in batches alone; here somebody waits. */
const churn = answered(template("churn"));

function answered(document: CharterDocument): CharterDocument {
  return { ...document, nonNegotiables: { ...document.nonNegotiables, latencyClass: "interactive" } };
}

function promising(availability: string, rps = 10, of = churn): CharterDocument {
  const { requirements } = of;
  const throughput = { ...requirements.throughput, ceiling: `${rps} rps` };
  return { ...of, requirements: { ...requirements, availability, throughput } };
}

const redundancyOf = (
  availability: string,
  measured: Measurements,
  place: "cloud" | "on_prem" | "local",
  rps = 10,
) => {
  const document = promising(availability, rps);
  return planRedundancy({
    document,
    assumptions: assumptionsOf(document, measured),
    tier: "cpu",
    inference: place,
  });
};

test.each([
  [0.9, 0],
  [0.99, 1],
  [0.9949, 1],
  [0.999, 3],
])("without zones an availability of %f asks for %i more replicas", (availability, more) => {
  expect(redundantReplicas(availability)).toBe(more);
});

describe("redundancy in a plan", () => {
  const quick: Measurements = { cpuMsPerPrediction: 3 };

  test("for one that carries all of it is what it was by rule of thumb: one, two, four", () => {
    for (const [availability, replicas] of [
      ["90%", 1],
      ["99%", 2],
      ["99.9%", 4],
    ] as const)
      expect(redundancyOf(availability, quick, "cloud").replicas.expected, availability).toBe(replicas);
  });

  test("for several is reckoned, since a zone takes a part of them along", () => {
    // 500 a second at 3 ms, busy to 60 %: 2.5.
    const { needed, replicas, layout } = redundancyOf("99.9%", quick, "cloud", 500);
    expect(needed.expected).toBe(3);
    const alone = redundancyFor({
      ...assumedAvailabilities,
      needed: 3,
      target: 0.999,
      mostZones: 3,
      mostRegions: 2,
      canary: 1,
      spare: 1,
    });
    expect([replicas.expected, layout?.serving]).toEqual([alone.instances, alone.layout.serving]);
    expect(replicas.expected).toBeGreaterThan(3 + redundantReplicas(0.999) - 1);
  });

  test("costs are those of the replicas that are shown", () => {
    const plan = planJson(planCharter(promising("99.99%"), shipped, { now, measurements: quick }));
    expect(plan.redundancy?.layout).toMatchObject({ regions: 2, serving: 2, canary: 1, spare: 1 });
    const serving = plan.production?.lines.find(({ what }) => what.startsWith("serving, one core"));
    expect(serving?.quantity.expected).toBe(730 * (plan.redundancy?.replicas.expected ?? 0));
    expect(renderPlan(plan)).toMatch(
      /redundancy {1}4 replicas for 99\.99 %, 1 of them needed at once: 2 serve in a zone of 2 regions each/,
    );
  });

  test("whoever states replicas or regions for a plan is taken at their word, for each region", () => {
    const changed = parseAssumptions(["redundant-replicas=2", "serving-regions=3"]);
    const plan = planCharter(promising("99.9%"), shipped, { now, measurements: quick, changed });
    expect(plan.redundancy).toMatchObject({ replicas: { expected: 9 }, isStated: true });
    expect(plan.redundancy?.layout).toBeUndefined();
    expect(renderPlan(planJson(plan))).toContain(
      "redundancy 9 replicas for 99.9 %, 1 of them needed at once; as many as this plan states",
    );
  });

  test("the figures that are reckoned, stated again, are the same plan", () => {
    const document = promising("99.99%", 500);
    const reckoned = planCharter(document, shipped, { now, measurements: quick });
    const stated = reckoned.assumptions
      .filter(({ key }) => key === "redundantReplicas" || key === "servingRegions")
      .map(
        ({ key, value: { low, expected, high } }) => `${assumptionOption(key)}=${low}..${expected}..${high}`,
      );
    const again = planCharter(document, shipped, {
      now,
      measurements: quick,
      changed: parseAssumptions(stated),
    });
    expect(again.production?.total).toEqual(reckoned.production?.total);
    expect(again.redundancy?.replicas).toEqual(reckoned.redundancy?.replicas);
  });

  test("a promise that no number keeps is attended to, and priced by rule of thumb in each region", () => {
    const hospital = template("healthcare-readmission");
    const { residency } = hospital.nonNegotiables;
    const document = promising("99.999999%", 10, {
      ...hospital,
      nonNegotiables: { ...hospital.nonNegotiables, residency: { ...residency, regions: ["dc-1", "dc-2"] } },
    });
    const plan = planCharter(document, shipped, { now, measurements: quick });
    const gap = plan.gaps.find(({ from }) => from.includes("/requirements/availability"));
    expect(gap?.severity).toBe("attention");
    expect(gap?.what).toContain("reached by no number of instances in 2 regions of 2 zones");
    expect(plan.redundancy).toMatchObject({ replicas: { expected: 8 } });
    expect(renderPlan(planJson(plan))).toContain("redundancy 8 replicas: an availability of 99.999999 %");
  });

  test("on one machine there are no zones", () => {
    const found = redundancyOf("99.9%", quick, "local");
    expect(found.layout).toBeUndefined();
    expect(found.replicas.expected).toBe(4);
  });
});

describe("feeding in a plan", () => {
  const training = (workload: object): CharterDocument => ({
    ...churn,
    workload: { ...churn.workload, ...workload },
  });
  const known = { trainingGpus: 16, trainingDataSize: "2TB", trainingRunTime: "10h" };
  const feedOf = (document: CharterDocument, measured: Measurements = {}) =>
    trainingFeed(document, assumptionsOf(document, measured));

  test("comes from the charter's cards, data and time, and says how many epochs storage feeds", () => {
    const found = feedOf(training(known), { trainingDataBytes: 2e12, trainingRunMs: 36_000_000 });
    // 2 TB in 36,000 s; two machines get 4 GB/s from an object store, one disk gives 0.2.
    expect(found?.gbPerSecondPerEpoch.expected).toBeCloseTo(2000 / 36_000, 12);
    expect(found?.tiers.map(({ tier, epochs }) => [tier, epochs.expected])).toEqual([
      ["nvme", 216],
      ["hdd", 3],
      ["object", 72],
    ]);
    for (const { epochs } of feedOf(training(known))?.tiers ?? []) {
      expect(epochs.low).toBeLessThan(epochs.expected);
      expect(epochs.expected).toBeLessThan(epochs.high);
    }
  });

  test("is absent where cards, data or time are not known", () => {
    for (const missing of Object.keys(known)) {
      const { [missing as keyof typeof known]: _, ...rest } = { ...churn.workload, ...known };
      const document = { ...churn, workload: rest } as CharterDocument;
      expect(feedOf(document), missing).toBeUndefined();
    }
  });

  test("a run that storage cannot feed once starves, and the plan says so", () => {
    const plan = planCharter(
      training({ ...known, trainingDataSize: "90TB", trainingRunTime: "1h" }),
      shipped,
      { now },
    );
    expect(renderPlan(planJson(plan))).toContain(
      "hard disks: 1 GB/s by assumption, enough for not one epoch: the GPUs starve",
    );
  });
});

describe("the latency that a charter promises", () => {
  const recommendation = template("recommendation");
  const answering = (p95: string, ceiling: string): CharterDocument => {
    const { requirements } = recommendation;
    const { workload } = recommendation;
    return {
      ...recommendation,
      requirements: {
        ...requirements,
        latency: { p95, p99: "2s" },
        throughput: { ...requirements.throughput, ceiling },
      },
      nonNegotiables: { ...recommendation.nonNegotiables, latencyClass: "interactive" },
      workload: { ...workload, averageThroughput: "20 rps", modelSize: "20 MB" },
    };
  };
  const planOf = (document: CharterDocument, ...assume: string[]) =>
    planJson(planCharter(document, shipped, { now, changed: parseAssumptions(assume) }));

  test("takes more replicas than their utilisation where requests would wait too long", () => {
    // 100 a second of 50 ms (queueing-vectors.csv): with 6 replicas 58.7516 % wait, with 8 16.7267 %; of constant times the wait is half as long.
    const late = (waits: number, replicas: number, leftSeconds: number) =>
      waits * Math.exp(-2 * (replicas / 0.05 - 100) * leftSeconds);
    const full = ["cpu-ms-per-prediction=50", "planned-utilisation=1"];
    expect(late(0.587516, 6, 0.15)).toBeLessThan(0.05);
    expect(planOf(answering("200ms", "100 rps"), ...full).redundancy?.needed.expected).toBe(6);
    expect(late(0.167267, 8, 0.01)).toBeGreaterThan(0.05);
    expect(planOf(answering("60ms", "100 rps"), ...full).redundancy?.needed.expected).toBe(9);
    // What keeps them no busier than planned is more here: 5 / 0.5.
    const calm = ["cpu-ms-per-prediction=50", "planned-utilisation=0.5"];
    expect(planOf(answering("60ms", "100 rps"), ...calm).redundancy?.needed.expected).toBe(10);
  });

  test("and that no number of them keeps is refused with the reason, and a case of it is told", () => {
    const blocked = planOf(answering("60ms", "100 rps"), "cpu-ms-per-prediction=61");
    expect(blocked.gaps).toContainEqual(
      expect.objectContaining({
        severity: "blocks_production",
        what: expect.stringContaining("95 % within 60 ms is reached with no number of replicas"),
        from: ["/requirements/latency/p95"],
      }),
    );
    expect(blocked.redundancy?.needed.expected).toBe(Math.ceil(6.1 / 0.6));
    const doubtful = planOf(answering("60ms", "100 rps"), "cpu-ms-per-prediction=10..20..61");
    expect(doubtful.gaps.filter(({ from }) => from.includes("/requirements/latency/p95"))).toEqual([
      expect.objectContaining({ severity: "attention", what: expect.stringContaining("in the high case") }),
    ]);
    const kept = planOf(answering("60ms", "100 rps"), "cpu-ms-per-prediction=10");
    expect(kept.gaps.some(({ from }) => from.includes("/requirements/latency/p95"))).toBe(false);
  });
});

describe("replicas that start", () => {
  const text = (document: CharterDocument, ...assume: string[]) =>
    renderPlan(planJson(planCharter(document, shipped, { now, changed: parseAssumptions(assume) })));

  test("are in the plan with the rise meanwhile, by the charter's own ramp where it states one", () => {
    // churn: from 2 to 50 requests/s; 60 s of 20 min are a twentieth of 48.
    const ramped = { ...churn, workload: { ...churn.workload, rampTime: "20min" } };
    const plan = planJson(
      planCharter(ramped, shipped, { now, changed: parseAssumptions(["cold-start-seconds=60"]) }),
    );
    expect(plan.starts?.riseRequestsPerSecond.expected).toBeCloseTo(48 / 20, 9);
    expect(plan.assumptions.find(({ key }) => key === "ramp-minutes")).toMatchObject({
      origin: "charter",
      value: { low: 16, expected: 20, high: 30 },
    });
    const stated = planCharter(ramped, shipped, {
      now,
      changed: parseAssumptions(["cold-start-seconds=60", "ramp-minutes=40"]),
    });
    expect(planJson(stated).starts?.riseRequestsPerSecond.expected).toBeCloseTo(48 / 40, 9);
  });

  test("and where start and ramp are known the rise is still told from the least to the most", () => {
    // From 32, 40 or 60 requests/s to 500; 60 s of 20 min.
    const known = ["cold-start-seconds=60", "ramp-minutes=20"];
    expect(text(template("flight-delays"), ...known)).toContain("while 23 (22 to 23.4) requests/s more");
  });

  test("and a start is as long as the model takes to be read, until somebody says otherwise", () => {
    const secondsOf = (plan: string) => /start of a replica[^:]*: ([\d./ ]+) s /.exec(plan)?.[1];
    // 16 GB of the chatbot at 1, 0.5 and 0.2 GB/s, a fifth less and half as much more of it.
    expect(secondsOf(text(template("chatbot")))).toBe("32.8 / 77 / 300");
    expect(secondsOf(text(template("chatbot"), "cold-start-seconds=9"))).toBe("9");
  });

  test("none does where a device beside the machine answers", () => {
    expect(text(template("manufacturing-maintenance"))).not.toContain("starts     ");
  });
});
