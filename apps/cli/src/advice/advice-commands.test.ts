import { type AdviceFacts, type EndpointFacts, judge } from "@portolan/advice/policy";
import { money } from "@portolan/kernel";
import { expect, test } from "vitest";
import { faultsOf } from "../../test/command-line-faults.ts";

const day = 86_400_000_000;
const now = 1_800_000_000_000_000;
const price = { low: money("1", "USD"), expected: money("1", "USD"), high: money("1", "USD") };
const prices = { cpuCoreHour: price, memoryGibHour: price, storageGbMonth: price, gpuHour: price };
const place = { environment: "dev", useCaseId: "uc_1" } as const;
const endpoint: EndpointFacts = {
  ...place,
  name: "churn",
  useCase: "churn",
  model: "churn-model",
  version: 3,
  deployedAt: now - 40 * day,
  workers: { least: 1, most: 1 },
  gateways: 1,
  load: { days: 30, requests: 1_000_000, busiestWorkers: 0.1 },
  measured: { cpuMicros: 3600, p95Micros: 4000, fileBytes: 8 * 2 ** 20, loadedBytes: 2 ** 30 },
  terms: { latencyMsP99: 50, availability: 0.9 },
  isEnding: false,
};
const facts: AdviceFacts = {
  now,
  endpoints: [
    { ...endpoint, name: "dormant", load: { days: 30, requests: 0, busiestWorkers: 0 } },
    { ...endpoint, name: "large", workers: { least: 4, most: 8 } },
    { ...endpoint, name: "gpu", gpu: { model: "g", version: 1, costPerThousand: "9 USD" } },
    { ...endpoint, name: "network", network: { isQuantised: false } },
    { ...endpoint, name: "smaller", network: { isQuantised: false, smallerVersion: 4 } },
  ],
  batches: [
    {
      ...place,
      target: "churn",
      runs: 2,
      windowed: 0,
      cpuMicros: 4e9,
      cpuMicrosInPeak: 4e9,
      peakHours: [9],
      last: {
        dataset: "customers@latest",
        out: "scores",
        purpose: "a purpose",
        keys: ["id"],
        columns: ["a", "b's"],
      },
    },
  ],
  duplicates: [
    {
      ...place,
      sourceDigest: "sha256:0",
      copies: [1, 2, 3].map((at) => ({ id: `ds_${at}`, also: [], contract: "c", bytes: 1e9 })),
    },
  ],
  unbounded: [{ ...place, contract: "c", snapshots: 2, bytes: 1e9, days: 400 }],
  logs: [{ ...place, useCase: "churn", bytes: 1e9, records: 1000, days: 30, retentionDays: 900 }],
  cards: [
    { ...place, useCase: "", team: "lab", heldHours: 100, busyHours: 1, days: 30, pods: [] },
    {
      ...place,
      useCase: "u",
      team: "lab",
      heldHours: 100,
      busyHours: 1,
      days: 30,
      pods: [{ namespace: "n", pod: "p", heldHours: 100, busyHours: 1, lastAt: now }],
    },
  ],
};

test("each kind of advice names a command that this program takes as it stands, or the cluster's own", async () => {
  const { advice } = judge({ facts, prices });
  expect(new Set(advice.map(({ recommendation: { kind } }) => kind)).size).toBe(9);
  for (const { recommendation } of advice) {
    const { command, changes, kind } = recommendation;
    if (command.startsWith("kubectl ")) {
      expect(command).toBe("kubectl --namespace n delete pod p");
      continue;
    }
    expect([kind, command, await faultsOf(command)]).toEqual([kind, command, []]);
    const [, beside] = /no cost: (portolan .*)$/.exec(changes) ?? [];
    if (kind === "dormant_endpoint") expect(await faultsOf(beside ?? "")).toEqual([]);
  }
});
