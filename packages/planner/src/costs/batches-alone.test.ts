import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate } from "@portolan/charter/templates";
import { parseInstant } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { scoresInBatchesAlone } from "../placement/workloads-asked.ts";
import { planCharter } from "../plan-charter.ts";
import { planJson } from "../plan-json.ts";
import { renderPlan } from "../render-plan.ts";
import { readShippedPrices } from "../shipped-prices.ts";
import { parseAssumptions } from "./changed-assumptions.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const shipped = readShippedPrices();
const templateOf = (name: "churn" | "flight-delays") =>
  requireValid(parseCharter(readTemplate(name))).document;
const churn = templateOf("churn");
const planOf = (document: CharterDocument, ...assume: string[]) =>
  planJson(planCharter(document, shipped, { now, changed: parseAssumptions(assume) }));

describe("a use case that scores in batches alone", () => {
  test("is one whose work says so, or for whose answers nobody waits", () => {
    const kinds = (
      ...of: NonNullable<NonNullable<CharterDocument["workload"]>["kinds"]>
    ): CharterDocument => ({
      ...churn,
      workload: { ...churn.workload, kinds: of },
    });
    expect(scoresInBatchesAlone(churn)).toBe(true);
    expect(scoresInBatchesAlone(kinds("training", "batch_inference"))).toBe(true);
    expect(scoresInBatchesAlone(kinds("batch_inference", "low_latency_inference"))).toBe(false);
    expect(scoresInBatchesAlone(kinds("retrieval"))).toBe(false);
    expect(scoresInBatchesAlone(templateOf("flight-delays"))).toBe(false);
  });

  test("has no replica, and what comes between two runs is scored in one", () => {
    const plan = planOf(
      churn,
      "average-requests-per-second=2",
      "batch-runs-per-month=10",
      "batch-ms-per-row=2",
    );
    expect(plan).not.toHaveProperty("redundancy");
    expect(plan).not.toHaveProperty("starts");
    expect(plan.noReplicas).toContain("nobody waits");
    const lines = plan.production?.lines ?? [];
    expect(lines.some(({ category }) => category === "inference")).toBe(false);
    const cores = lines.find(({ category }) => category === "batch_inference");
    // 2 a second, 730 h x 3,600 s, 2 ms each: 2.92 core hours, whatever the number of runs, and a little more on spot machines.
    expect(cores?.quantity.expected).toBeGreaterThan(2.92);
    expect(cores?.quantity.expected).toBeLessThan(2.92 * 1.1);
    expect(plan.assumptions.find(({ key }) => key === "batch-rows-per-run")).toMatchObject({
      value: { expected: (2 * 730 * 3600) / 10 },
      origin: "assumed",
      note: expect.stringContaining("from one run to the next"),
    });
    const text = renderPlan(plan);
    expect(text).toContain("replicas   none: nobody waits for an answer");
    expect(text).toContain("batch inference cloud: ");
    for (const absent of ["redundancy ", "[redundant-replicas]", "[cold-start-seconds]", "[card-batch-ms]"])
      expect(text).not.toContain(absent);
  });

  test("has the rows that somebody states, and replicas once somebody waits", () => {
    expect(
      planOf(churn, "batch-rows-per-run=5e6").assumptions.find(({ key }) => key === "batch-rows-per-run"),
    ).toMatchObject({ origin: "stated", value: { expected: 5e6 } });
    const waiting: CharterDocument = {
      ...churn,
      nonNegotiables: { ...churn.nonNegotiables, latencyClass: "interactive" },
    };
    expect(planOf(waiting).redundancy?.replicas.expected).toBe(2);
    expect(planOf(waiting)).not.toHaveProperty("noReplicas");
  });

  test("buys no card to answer with, pools none, and no lever runs replicas better", () => {
    const plan = planOf(churn, "model-bytes=20e9");
    expect(plan).not.toHaveProperty("cards");
    expect(plan.tier?.tier).toBe("gpu");
    expect(plan.production?.lines.find(({ category }) => category === "batch_inference")?.what).toContain(
      "card",
    );
    expect(plan.ways?.purchases.map(({ what }) => what)).not.toContain("serving");
    for (const name of ["cpu_inference", "mig_pooling", "right_sizing", "autoscaling", "reserved_steady"])
      expect(plan.levers?.levers.find((lever) => lever.name === name)?.applies, name).toBe(false);
  });
});
