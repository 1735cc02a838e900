import { asEpochMicros, compareMoney, formatInstant, formatMoney, money, zeroMoney } from "@portolan/kernel";
import type { Cost } from "@portolan/planner/contract";
import { assert, constantFrom, double, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import type { AdviceFacts, AdvicePrices, EndpointFacts } from "./facts.ts";
import { adviceId, judge } from "./judge.ts";
import { parseMoneyText, savedMonthly, savedSince } from "./saved.ts";
import { less } from "./savings.ts";

const day = 86_400_000_000;
const now = 1_800_000_000_000_000;
const usd = (low: string, expected: string, high: string): Cost => ({
  low: money(low, "USD"),
  expected: money(expected, "USD"),
  high: money(high, "USD"),
});
const prices: AdvicePrices = {
  cpuCoreHour: usd("0.01", "0.03", "0.05"),
  memoryGibHour: usd("0.001", "0.004", "0.008"),
  storageGbMonth: usd("0.01", "0.02", "0.04"),
  gpuHour: usd("2", "3.85", "5"),
};
const place = { environment: "production", useCaseId: "uc_1" } as const;
const nothing: AdviceFacts = {
  now,
  endpoints: [],
  batches: [],
  duplicates: [],
  unbounded: [],
  logs: [],
  cards: [],
};
const endpoint: EndpointFacts = {
  ...place,
  name: "churn",
  useCase: "churn",
  model: "churn-model",
  version: 3,
  deployedAt: now - 40 * day,
  workers: { least: 4, most: 8 },
  gateways: 2,
  load: { days: 30, requests: 3_000_000, busiestWorkers: 1.1 },
  measured: { cpuMicros: 3_600, p95Micros: 4_000, fileBytes: 8 * 2 ** 20, loadedBytes: 2 ** 30 },
  terms: { latencyMsP99: 50, availability: 0.999 },
  isEnding: false,
};
const advised = (facts: Partial<AdviceFacts>, priced: AdvicePrices = prices) =>
  judge({ facts: { ...nothing, ...facts }, prices: priced }).advice.map(
    ({ recommendation }) => recommendation,
  );
const kinds = (facts: Partial<AdviceFacts>) => advised(facts).map(({ kind }) => kind);

describe("graphics cards", () => {
  /** The article's idle experiments: 35 % of 8,640 hours, here by themselves. */
  const cards = { ...place, useCase: "", team: "lab", heldHours: 3024, busyHours: 30.24, days: 30, pods: [] };

  test("that are held and do next to nothing cost their hours, less the busy ones", () => {
    const [found] = advised({ cards: [cards] });
    expect(found).toMatchObject({ kind: "idle_cards", subject: { kind: "cards", name: "lab" } });
    expect(found?.costsNow?.expected).toBe("11642.4 USD");
    // 99 % of 3,024 × 3.85.
    expect(found?.saves?.expected).toBe("11525.976 USD");
    expect(found?.what).toContain("1.0 % of the hours");
    const month = formatInstant(asEpochMicros(now)).slice(0, 7);
    expect(found?.command).toBe(`portolan usage show --period ${month} --by model --resource gpu_hours`);
  });

  test("are given back by ending the pods that hold them, if these are still there", () => {
    const pod = (name: string, rest: object = {}) => ({
      namespace: "team-lab",
      pod: name,
      heldHours: 100,
      busyHours: 1,
      lastAt: now - day,
      ...rest,
    });
    const pods = [
      pod("notebook-0"),
      pod("works", { busyHours: 5 }),
      pod("gone", { lastAt: now - 3 * day }),
      pod("notebook-1"),
      pod("elsewhere", { namespace: "other" }),
    ];
    const [found] = advised({ cards: [{ ...cards, pods }] });
    expect(found?.command).toBe("kubectl --namespace team-lab delete pod notebook-0 notebook-1");
    expect(found?.evidence.map(({ what }) => what)).toEqual(
      expect.arrayContaining(["pod notebook-0 in team-lab", "pod elsewhere in other"]),
    );
    expect(JSON.stringify(found)).not.toMatch(/works|gone/);
  });

  test.each([
    ["busy for a twentieth of it", { busyHours: 3024 * 0.05 }],
    ["held for less than a day", { heldHours: 23.9, busyHours: 0 }],
    ["not held at all", { heldHours: 0, busyHours: 0 }],
  ])("%s are left alone", (_, changed) => {
    expect(kinds({ cards: [{ ...cards, ...changed }] })).toEqual([]);
  });

  test("without a price of cards nothing is made up", () => {
    const { gpuHour: _, ...others } = prices;
    expect(advised({ cards: [cards] }, others)[0]?.noSaving).toBe(
      "the price book has no price of a card's hour",
    );
  });
});

describe("endpoints", () => {
  test("one that nobody asks costs its workers and their copies of the model, and names the command", () => {
    const [found] = advised({
      endpoints: [{ ...endpoint, load: { days: 30, requests: 0, busiestWorkers: 0 } }],
    });
    expect(found?.kind).toBe("dormant_endpoint");
    // Eight workers: 8 × 730 h × 0.03 of processors, 8 GiB × 730 h × 0.004 of memory.
    expect(found?.saves).toEqual({ low: "64.24 USD", expected: "198.56 USD", high: "338.72 USD" });
    expect(found?.costsNow).toEqual(found?.saves);
    expect(found?.command).toBe(
      `portolan endpoint sunset churn --on ${formatInstant(asEpochMicros(now + 30 * day)).slice(0, 10)} --reason "nobody has asked it for 30 days"`,
    );
  });

  test.each([
    ["too few days of counts", { load: { days: 13, requests: 0, busiestWorkers: 0 } }],
    [
      "deployed a while ago",
      { deployedAt: now - 13 * day, load: { days: 14, requests: 0, busiestWorkers: 0 } },
    ],
    ["its end is announced", { isEnding: true, load: { days: 30, requests: 0, busiestWorkers: 0 } }],
    [
      "its workers leave by themselves",
      { workers: { least: 0, most: 4 }, load: { days: 30, requests: 0, busiestWorkers: 0 } },
    ],
  ])("nothing is said of one that is asked by nobody, where %s", (_, changed) => {
    expect(kinds({ endpoints: [{ ...endpoint, ...changed }] })).toEqual([]);
  });

  test("workers beyond what the busiest minute needs are named, spare one included", () => {
    const [found] = advised({ endpoints: [endpoint] });
    // 1.1 busy at 60 % are 2, one more for 99.9 %, over two gateways: 2 of 4.
    expect(found?.what).toBe(
      "churn keeps 4 workers in each gateway, where 2 are enough for the busiest minute.",
    );
    expect(found?.saves?.expected).toBe("99.28 USD");
    expect(found?.command).toBe(
      "portolan endpoint deploy churn churn-model 3 --use-case churn --keep --workers 2..8",
    );
    expect(kinds({ endpoints: [{ ...endpoint, load: { ...endpoint.load, busiestWorkers: 4.3 } }] })).toEqual(
      [],
    );
    expect(kinds({ endpoints: [{ ...endpoint, load: { ...endpoint.load, days: 6 } }] })).toEqual([]);
  });

  test("a graphics processor is left where a CPU answers in half the time and for less", () => {
    const gpu = { model: "churn-gpu", version: 1, costPerThousand: "0.02 USD" };
    const small = { ...endpoint, workers: { least: 1, most: 1 }, gpu };
    const [found] = advised({ endpoints: [small] });
    expect(found?.kind).toBe("gpu_fits_cpu");
    // 3,000,000 requests at 0.02 a thousand are 60; on CPUs 3 core hours: 0.03, 0.09, 0.15.
    expect(found?.saves).toEqual({ low: "59.85 USD", expected: "59.91 USD", high: "59.97 USD" });
    expect(found?.command).toBe(
      "portolan endpoint deploy churn churn-model 3 --use-case churn --keep --backend none",
    );
    const slow = {
      ...small,
      measured: { cpuMicros: 3_600, p95Micros: 25_001, fileBytes: 1, loadedBytes: 1 },
    };
    expect(kinds({ endpoints: [slow] })).toEqual([]);
    expect(kinds({ endpoints: [{ ...small, gpu: { ...gpu, costPerThousand: "0.00001 USD" } }] })).toEqual([]);
    const [unstated] = advised({ endpoints: [{ ...small, gpu: { model: "churn-gpu", version: 1 } }] });
    expect(unstated).toMatchObject({
      noSaving: "the deployment does not state what the graphics processor costs",
    });
    expect(unstated?.saves).toBeUndefined();
  });

  test("what a deployment costs that has just begun is reckoned by what its endpoint was asked before", () => {
    const gpu = { model: "churn-gpu", version: 1, costPerThousand: "0.02 USD" };
    const begun = { load: { days: 0, requests: 0, busiestWorkers: 0 }, monthlyRequests: 3_000_000 };
    const costOf = (one: EndpointFacts): string | undefined => {
      const { costs } = judge({ facts: { ...nothing, endpoints: [one] }, prices });
      const { name, environment, useCaseId } = { ...endpoint, useCaseId: "uc_1" };
      const subject = { kind: "endpoint", name, environment, useCaseId } as const;
      const cost = costs.get(adviceId("gpu_fits_cpu", subject));
      return cost && formatMoney(cost.expected);
    };
    expect(costOf({ ...endpoint, gpu })).toBe("60 USD");
    // Moved to processors it costs their time from the first moment on: three core hours, not nothing.
    expect(costOf({ ...endpoint, ...begun })).toBe("0.09 USD");
    expect(costOf({ ...endpoint, ...begun, gpu })).toBe("60 USD");
  });

  test("a network of float32 is quantised; one that is, or is small, is left", () => {
    const one = { ...endpoint, workers: { least: 1, most: 1 }, network: { isQuantised: false } };
    const [found] = advised({ endpoints: [one] });
    expect(found?.kind).toBe("unquantised_model");
    // 3 core hours at 0.03 are 0.09, of which half; 2 GiB at 0.004 for 730 h are 5.84, of which 70 %.
    expect(found?.saves?.expected).toBe("4.133 USD");
    expect(found?.command).toBe("portolan model quantize churn-model 3 --method dynamic-int8");
    const [made] = advised({ endpoints: [{ ...one, network: { isQuantised: false, smallerVersion: 4 } }] });
    expect(made?.command).toBe("portolan release start churn churn-model 4");
    expect(kinds({ endpoints: [{ ...one, network: { isQuantised: true } }] })).toEqual([]);
    expect(
      kinds({
        endpoints: [{ ...one, measured: { cpuMicros: 1, p95Micros: 1, fileBytes: 2 ** 20, loadedBytes: 1 } }],
      }),
    ).toEqual([]);
  });
});

describe("batches, data and logs", () => {
  const batch = {
    ...place,
    target: "churn",
    runs: 10,
    windowed: 2,
    cpuMicros: 4 * 3.6e9,
    cpuMicrosInPeak: 2 * 3.6e9,
    peakHours: [8, 9, 10, 11, 12, 13, 14, 15],
    last: { dataset: "customers@latest", out: "churn-scores", purpose: "retention", keys: ["customer id"] },
  };

  test("batches in the busiest hours are sent to hours that meet none of them", () => {
    const [found] = advised({ batches: [batch] });
    expect(found?.command).toBe(
      "portolan score churn --dataset customers@latest --out churn-scores --purpose retention --keys 'customer id' --window 20:00-04:00 --detach",
    );
    expect(found?.saves).toEqual({ low: "0 USD", expected: "0.018 USD", high: "0.06 USD" });
    expect(kinds({ batches: [{ ...batch, windowed: 10 }] })).toEqual([]);
    expect(kinds({ batches: [{ ...batch, cpuMicrosInPeak: 3.5e9 }] })).toEqual([]);
    const night = { ...batch, peakHours: [20, 21, 22, 23, 0, 1, 2, 3] };
    expect(advised({ batches: [night] })[0]?.command).toContain("04:00-12:00");
  });

  test("copies of one source cost all but the first, and go under all of their names", () => {
    const copies = [1, 2, 3].map((i) => ({
      id: `ds_${i}`,
      also: i < 3 ? [] : ["ds_0"],
      contract: i < 3 ? "flights" : "delays",
      bytes: i * 1e9,
    }));
    const [found] = advised({ duplicates: [{ ...place, copies, sourceDigest: "sha256:0" }] });
    expect(found?.what).toBe("The same source is kept 3 times, under delays and flights.");
    expect(found?.saves?.expected).toBe("0.1 USD");
    expect(found?.command).toBe('portolan data expire ds_2 ds_3 ds_0 --reason "the same source as ds_1"');
    expect(found?.costsNow?.expected).toBe("0.12 USD");
  });

  test("data without a retention saves what is older than a year, and says where nothing is", () => {
    const data = { ...place, contract: "flights", snapshots: 100, bytes: 100e9, days: 730 };
    expect(advised({ unbounded: [data] })[0]?.saves?.expected).toBe("1 USD");
    expect(advised({ unbounded: [{ ...data, days: 100 }] })[0]?.noSaving).toContain("365 days yet");
  });

  test("a log that is kept longer than anything asks for saves the rest; a regulation's time is kept", () => {
    const log = { ...place, useCase: "churn", bytes: 1e9, records: 10_000_000, days: 10, retentionDays: 730 };
    // 73 GB when it is full, of which a half.
    expect(advised({ logs: [log] })[0]?.saves?.expected).toBe("0.73 USD");
    expect(kinds({ logs: [{ ...log, requiredDays: 2555, retentionDays: 2555 }] })).toEqual([]);
    const [wide] = advised({ logs: [{ ...log, retentionDays: 90, records: 100_000 }] });
    expect(wide?.what).toBe("A record of churn takes 10000 bytes.");
  });
});

test("the greatest saving is first, in whatever order the facts come", () => {
  const quiet = { ...endpoint, name: "quiet", load: { days: 30, requests: 0, busiestWorkers: 0 } };
  const facts = { endpoints: [endpoint, quiet] };
  const found = advised(facts);
  expect(found.map(({ subject }) => subject.name)).toEqual(["quiet", "churn"]);
  expect(advised({ endpoints: [quiet, endpoint] })).toEqual(found);
});

test("what has no price has no saving, and says so", () => {
  const [found] = advised({ endpoints: [endpoint] }, {});
  expect(found).toMatchObject({ noSaving: "the price book has no price of a core and of memory" });
  expect(found?.saves).toBeUndefined();
  expect(found?.costsNow).toBeUndefined();
});

test("a saving is a range in order, never below nothing and never above what the thing costs", () => {
  const facts = record({
    least: integer({ min: 0, max: 64 }),
    gateways: integer({ min: 1, max: 9 }),
    requests: integer({ min: 0, max: 1e9 }),
    days: integer({ min: 0, max: 30 }),
    busiestWorkers: double({ min: 0, max: 100, noNaN: true }),
    cpuMicros: integer({ min: 0, max: 1e7 }),
    bytes: integer({ min: 0, max: 2 ** 33 }),
    gpu: constantFrom(undefined, "0.000000001 USD", "0.5 USD", "999999999 USD"),
  });
  let saved = 0;
  assert(
    property(facts, ({ least, gateways, requests, days, busiestWorkers, cpuMicros, bytes, gpu }) => {
      const one: EndpointFacts = {
        ...endpoint,
        workers: { least, most: Math.max(1, least) },
        gateways,
        load: { days, requests, busiestWorkers },
        measured: { cpuMicros, p95Micros: cpuMicros, fileBytes: bytes, loadedBytes: bytes },
        network: { isQuantised: false },
        ...(gpu === undefined ? {} : { gpu: { model: "g", version: 1, costPerThousand: gpu } }),
      };
      for (const { saves, costsNow } of judge({ facts: { ...nothing, endpoints: [one] }, prices }).advice) {
        if (!saves || !costsNow) continue;
        saved++;
        expect(compareMoney(saves.low, zeroMoney("USD"))).toBeGreaterThanOrEqual(0);
        expect(compareMoney(saves.low, saves.expected)).toBeLessThanOrEqual(0);
        expect(compareMoney(saves.expected, saves.high)).toBeLessThanOrEqual(0);
        expect(compareMoney(saves.expected, costsNow.expected)).toBeLessThanOrEqual(0);
      }
    }),
  );
  expect(saved).toBeGreaterThan(20);
});

test("what is left of a cost is nothing at least, and its least case is the worst of both", () => {
  const texts = (cost: Cost | undefined) => cost && [cost.low, cost.expected, cost.high].map(formatMoney);
  expect(texts(less(usd("1", "2", "3"), usd("0.5", "1", "1.5")))).toEqual(["0 USD", "1 USD", "2.5 USD"]);
  expect(texts(less(usd("1", "1", "1"), usd("2", "2", "2")))).toEqual(["0 USD", "0 USD", "0 USD"]);
});

test("what was followed has saved what the thing cost before less what it costs now, and no less than nothing", () => {
  const before = parseMoneyText("12.5 USD");
  const monthly = savedMonthly(before, parseMoneyText("2.5 USD"));
  expect(monthly && formatMoney(monthly)).toBe("10 USD");
  expect(monthly && formatMoney(savedSince(monthly, 3 * day))).toBe("1 USD");
  expect(savedMonthly(before, parseMoneyText("20 USD"))).toEqual(zeroMoney("USD"));
  expect(savedMonthly(before, parseMoneyText(null))).toBeUndefined();
  expect(savedMonthly(before, parseMoneyText("1 EUR"))).toBeUndefined();
});
