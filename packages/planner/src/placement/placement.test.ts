import { readFileSync } from "node:fs";
import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { formatMoney, parseInstant } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assumptionsOf, type Measurements } from "../assumptions.ts";
import { choosePlacement, type PlannedWorkload } from "../placement-choice.ts";
import { planCharter } from "../plan-charter.ts";
import { planJson } from "../plan-json.ts";
import type { PriceBook } from "../price-book.ts";
import { renderPlan } from "../render-plan.ts";
import { readShippedPrices } from "../shipped-prices.ts";
import { chooseTier } from "../tier.ts";
import { planArchitecture, styleOf, workloadKinds } from "./architecture.ts";
import { fineExposure } from "./exposure.ts";
import { choosePipeline } from "./pipeline.ts";
import { workloadsAsked } from "./workloads-asked.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const shipped = readShippedPrices();

function example(name: string): CharterDocument {
  const url = new URL(`../../../../examples/architectures/${name}/charter.yaml`, import.meta.url);
  return requireValid(parseCharter(readFileSync(url, "utf8"), name)).document;
}

const bank = example("financial-services");
const hospital = example("healthcare");
const factory = example("manufacturing");

type Changes = {
  readonly [K in "requirements" | "nonNegotiables" | "riskTolerance" | "workload" | "data"]?: object;
};

/** The same charter with some of its lines changed. */
function but(document: CharterDocument, changes: Changes): CharterDocument {
  const changed = Object.entries(changes).map(([name, value]) => [
    name,
    { ...document[name as keyof Changes], ...value },
  ]);
  return { ...document, ...Object.fromEntries(changed) };
}

function places(document: CharterDocument, book: PriceBook = shipped) {
  const { style, workloads } = planArchitecture(document, book);
  const asked = workloads.filter((one) => one.asked);
  return { style, ...Object.fromEntries(asked.map(({ workload, choice }) => [workload, choice.chosen])) };
}

function reasons(document: CharterDocument, workload: PlannedWorkload, place: string, book = shipped) {
  const found = planArchitecture(document, book).workloads.find((one) => one.workload === workload);
  return found?.choice.candidates
    .find(({ placement }) => placement === place)
    ?.eliminatedBy.map(({ pointer }) => pointer);
}

describe("the bank of the articles", () => {
  test("trains in the cloud and answers on its own machines", () => {
    expect(places(bank)).toEqual({ style: "hybrid", training: "cloud", inference: "on_prem" });
    expect(reasons(bank, "inference", "cloud")).toEqual(["/requirements/latency/p99"]);
  });

  test("does so for its latency, and with time and little load it is all cloud", () => {
    const latency = { p95: "90ms", p99: "200ms" };
    const slow = but(bank, { requirements: { latency }, workload: { averageThroughput: "5 rps" } });
    expect(places(slow)).toEqual({ style: "cloud", training: "cloud", inference: "cloud" });
  });

  test("with time and its volume, own machines pay", () => {
    const slow = but(bank, { requirements: { latency: { p95: "90ms", p99: "200ms" } } });
    expect(places(slow)["style"]).toBe("hybrid");
  });

  test("whose data may be on own machines alone trains there too", () => {
    expect(places(but(bank, { riskTolerance: { dataSovereignty: "strict" } }))["style"]).toBe("on_premises");
  });
});

describe("the hospitals of the articles", () => {
  test("run everything on their own machines", () => {
    const all = { training: "on_prem", inference: "on_prem", batch_inference: "on_prem" };
    expect(places(hospital)).toEqual({ style: "on_premises", ...all });
    expect(reasons(hospital, "training", "cloud")).toEqual(["/riskTolerance/dataSovereignty"]);
  });

  const flexible = but(hospital, { riskTolerance: { dataSovereignty: "flexible" } });
  test("would be in the cloud were sovereignty no constraint, with sellers that sign an agreement", () => {
    expect(places(flexible)["style"]).toBe("cloud");
  });

  test("and on their own machines where no seller does", () => {
    const bare = { ...shipped, services: [] };
    expect(places(flexible, bare)["style"]).toBe("on_premises");
    expect(reasons(flexible, "training", "cloud", bare)).toEqual(["/nonNegotiables/regulations"]);
  });

  test("say of an availability that nobody promises what the most is", () => {
    const asked = but(factory, {
      requirements: { availability: "99.999%" },
      workload: { disconnected: false },
      riskTolerance: { dataSovereignty: "flexible" },
    });
    const { candidates } = choosePlacement(asked, "inference", { book: shipped, resource: "cpu_core_hour" });
    expect(candidates.find(({ placement }) => placement === "cloud")?.eliminatedBy).toContainEqual({
      pointer: "/requirements/availability",
      reason:
        "no seller of cpu_core_hour in the price book has 99.999 % availability (the most that one promises is 99.99 %)",
    });
  });

  test("in the cloud are priced with sellers that sign alone", () => {
    const gpus = but(flexible, { workload: { modelSize: "20 GB", trainingGpus: 8 } });
    const used = (planCharter(gpus, shipped, { now }).production?.lines ?? []).flatMap(
      ({ price }) => price?.records ?? [],
    );
    expect(used).toContain("gpu-h100-azure-2026");
    expect(used).not.toContain("gpu-h100-lambda-2026");
    expect(used).not.toContain("gpu-h100-coreweave-2026");
  });
});

describe("the factory of the articles", () => {
  test("answers at the line, looks at the plant in its own data centre and trains in the cloud", () => {
    expect(places(factory)).toEqual({
      style: "hybrid_edge",
      training: "cloud",
      inference: "edge",
      batch_inference: "on_prem",
    });
  });

  const connected = { disconnected: false };
  test("needs no edge for its latency: with a network and little data it has none", () => {
    const quiet = but(factory, { workload: { ...connected, dailyDataVolume: "1 GB" } });
    expect(places(quiet)["style"]).not.toContain("edge");
    expect(reasons(quiet, "inference", "edge")).toEqual(["/workload"]);
  });

  test("may use the edge for its data alone, and then sends none to the cloud", () => {
    const much = but(factory, {
      workload: connected,
      requirements: { latency: { p95: "90ms", p99: "200ms" } },
    });
    expect(reasons(much, "inference", "edge")).toEqual([]);
    expect(reasons(much, "inference", "cloud")).toEqual(["/workload/dailyDataVolume"]);
  });
});

test.each([
  [["cloud"], "cloud"],
  [["cloud", "on_prem"], "hybrid"],
  [["local", "cloud"], "hybrid"],
  [["on_prem", "local"], "on_premises"],
  [["local"], "local"],
  [["edge"], "edge"],
  [["edge", "cloud", "on_prem"], "hybrid_edge"],
  [["cloud", undefined], "nowhere"],
  [[], "nowhere"],
] as const)("%j is called %s", (set, style) => expect(styleOf(set)).toBe(style));

describe("thresholds, each on both of its sides", () => {
  const inference = (document: CharterDocument) => choosePlacement(document, "inference").candidates;
  const isOpen = (document: CharterDocument, place: string) =>
    inference(document).find(({ placement }) => placement === place)?.eliminatedBy.length === 0;
  const open = but(bank, { workload: { disconnected: false } });
  test.each([
    [
      "p99 of 50 ms excludes the cloud",
      { requirements: { latency: { p95: "30ms", p99: "50ms" } } },
      "cloud",
      false,
    ],
    ["p99 of 51 ms does not", { requirements: { latency: { p95: "30ms", p99: "51ms" } } }, "cloud", true],
    ["1 TB a day opens the edge", { workload: { dailyDataVolume: "1 TB" } }, "edge", true],
    ["999 GB a day do not", { workload: { dailyDataVolume: "999 GB" } }, "edge", false],
    ["a broken network opens the edge", { workload: { disconnected: true } }, "edge", true],
  ] as const)("%s", (_, changes, place, expected) => {
    expect(isOpen(but(open, changes), place)).toBe(expected);
  });

  test.each([
    ["11.6 rps", "on_prem"],
    ["11.5 rps", "cloud"],
  ])("%s of load, a million a day between: %s", (averageThroughput, place) => {
    const slow = but(bank, {
      requirements: { latency: { p95: "90ms", p99: "200ms" } },
      workload: { averageThroughput },
    });
    expect(choosePlacement(slow, "inference").chosen).toBe(place);
  });

  const middle = { modelBytes: 5e8 };
  const slow = { p95: "400ms", p99: "1s" };
  test.each<[string, Measurements, object, string]>([
    ["1 GB and a byte", { modelBytes: 1e9 + 1 }, { latency: slow }, "gpu"],
    ["1 GB", { modelBytes: 1e9 }, { latency: slow }, "cpu"],
    ["100 MB with 99 ms", { modelBytes: 1e8 }, { latency: { p95: "99ms", p99: "1s" } }, "gpu"],
    [
      "100 MB less a byte with 99 ms",
      { modelBytes: 1e8 - 1 },
      { latency: { p95: "99ms", p99: "1s" } },
      "cpu",
    ],
    ["100 ms", middle, { latency: { p95: "100ms", p99: "1s" } }, "cpu"],
    [
      "1000 requests a second",
      middle,
      { latency: slow, throughput: { ceiling: "1000 rps", beyond: "shed" } },
      "gpu",
    ],
    [
      "999 requests a second",
      middle,
      { latency: slow, throughput: { ceiling: "999 rps", beyond: "shed" } },
      "cpu",
    ],
    ["50 ms measured on CPU", { ...middle, cpuLatencyMsP95: 50 }, { latency: slow }, "cpu"],
    ["50.1 ms measured on CPU", { ...middle, cpuLatencyMsP95: 50.1 }, { latency: slow }, "gpu"],
    [
      "a request a second",
      { ...middle, averageRequestsPerSecond: 1 },
      { latency: { p95: "99ms", p99: "1s" } },
      "gpu",
    ],
    [
      "less than that",
      { ...middle, averageRequestsPerSecond: 0.9 },
      { latency: { p95: "99ms", p99: "1s" } },
      "cpu",
    ],
  ])("the tier of %s", (_, measured, requirements, tier) => {
    const document = but(bank, { requirements });
    expect(chooseTier(document, assumptionsOf(document, measured), measured, "on_prem").tier).toBe(tier);
  });

  test.each([
    ["59min", "real_time", "streaming", true],
    ["1h", "interactive", "batch", true],
    ["24h", "batch", "batch", false],
    ["10s", "batch", "streaming", false],
  ] as const)("freshness of %s for %s: %s, served: %s", (featureFreshness, latencyClass, ingest, serving) => {
    const document = but(bank, { requirements: { featureFreshness }, nonNegotiables: { latencyClass } });
    expect(choosePipeline(document)).toMatchObject({ ingest, serving });
  });

  test("a model that looks nothing up has no pipeline", () => {
    const { featureFreshness: _, ...requirements } = bank.requirements;
    const document: CharterDocument = { ...but(bank, { data: { featureViews: [] } }), requirements };
    expect(choosePipeline(document)).toMatchObject({ ingest: "none", serving: false });
  });
});

describe("the workloads of a charter that states none", () => {
  const { kinds: _, ...workload } = bank.workload ?? {};
  const silent: CharterDocument = { ...bank, workload };
  test("follow from trainer, latency class and views", () => {
    expect(workloadsAsked(silent)).toEqual(["training", "inference", "retrieval"]);
    const batch = but(silent, { nonNegotiables: { latencyClass: "batch" }, data: { featureViews: [] } });
    expect(workloadsAsked({ ...batch, model: { task: "regression" } })).toEqual(["batch_inference"]);
  });

  test("retrieval lies where the answer is made, fine-tuning where training does", () => {
    for (const document of [bank, hospital, factory]) {
      const chosen = (workload: PlannedWorkload) => choosePlacement(document, workload).chosen;
      expect(chosen("retrieval")).toBe(chosen("inference"));
      expect(chosen("fine_tuning")).toBe(chosen("training"));
    }
  });
});

describe("exposure to fines", () => {
  const with_ = (regulations: readonly string[], exposure?: object) =>
    fineExposure(but(hospital, { nonNegotiables: { regulations, exposure } }), shipped).map(
      ({ amount }) => amount && formatMoney(amount),
    );
  test.each([
    [
      "10,000 patients: the article's half a billion, and the law's cap",
      ["HIPAA"],
      { records: 10_000 },
      ["500000000 USD", "1500000 USD"],
    ],
    ["ten patients: below the cap", ["HIPAA"], { records: 10 }, ["500000 USD", "500000 USD"]],
    ["no number of patients: no amount", ["HIPAA"], undefined, [undefined, undefined]],
    ["4 % of a billion", ["GDPR"], { yearlyRevenue: "1000000000 EUR/year" }, ["40000000 EUR"]],
    [
      "of little revenue: the fixed amount",
      ["GDPR"],
      { yearlyRevenue: "100000000 EUR/year" },
      ["20000000 EUR"],
    ],
    [
      "revenue in another currency: the fixed amount",
      ["GDPR"],
      { yearlyRevenue: "1000000000 USD/year" },
      ["20000000 EUR"],
    ],
    ["no regulation", [], { records: 10 }, []],
  ])("of %s", (_, regulations, exposure, amounts) => {
    expect(with_(regulations, exposure)).toEqual(amounts);
  });

  test("is printed beside what the controls cost", () => {
    const text = renderPlan(planJson(planCharter(hospital, shipped, { now })));
    expect(text).toContain("fines: HIPAA up to 500000000 USD (50000 x 10000 records");
    expect(text).toMatch(/against them: controls at \d+\.\d\d USD a month/);
  });
});

describe("any charter", () => {
  const change = fc.record({
    p99: fc.integer({ min: 31, max: 400 }),
    disconnected: fc.boolean(),
    gigabytes: fc.constantFrom(0, 999, 1000, 5000),
    strict: fc.boolean(),
    buildOrBuy: fc.constantFrom("build", "either", "buy"),
    owners: fc.constantFrom(undefined, ["self"], ["aws"]),
    regions: fc.constantFrom(["eu-*"], ["local"], ["local", "eu-*"]),
    availability: fc.constantFrom("99%", "99.9%", "99.999%"),
  });
  type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;
  const made = (one: Change) =>
    but(bank, {
      requirements: { latency: { p95: "30ms", p99: `${one.p99}ms` }, availability: one.availability },
      nonNegotiables: {
        residency: { regions: one.regions, ...(one.owners ? { owners: one.owners } : {}) },
      },
      riskTolerance: { dataSovereignty: one.strict ? "strict" : "flexible", buildOrBuy: one.buildOrBuy },
      workload: { disconnected: one.disconnected, dailyDataVolume: `${one.gigabytes} GB` },
    });

  test("is placed where nothing excludes it, or nowhere with a reason for each place", () => {
    fc.assert(
      fc.property(change, (one) => {
        for (const { choice } of planArchitecture(made(one), shipped).workloads) {
          const chosen = choice.candidates.find(({ placement }) => placement === choice.chosen);
          if (chosen) expect(chosen.eliminatedBy).toEqual([]);
          else
            for (const { eliminatedBy } of choice.candidates) expect(eliminatedBy.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("that becomes stricter never opens a place that was closed", () => {
    fc.assert(
      fc.property(change, fc.constantFrom(...workloadKinds), (one, workload) => {
        const closed = (document: CharterDocument) =>
          choosePlacement(document, workload)
            .candidates.filter(({ eliminatedBy }) => eliminatedBy.length > 0)
            .map(({ placement }) => placement);
        const before = closed(made({ ...one, strict: false, owners: undefined }));
        const after = closed(made({ ...one, strict: true, owners: undefined, p99: 31 }));
        for (const place of before) expect(after).toContain(place);
      }),
      { numRuns: 100 },
    );
  });
});
