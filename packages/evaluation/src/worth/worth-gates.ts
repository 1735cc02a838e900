import type { BudgetTerms, KpiTerms } from "@portolan/charter/contract";
import { canonicalJson } from "@portolan/kernel";
import type { GateResult } from "../evidence-shapes.ts";
import type { KpiValue, MeasuredCompute } from "./contract.ts";

/** Name of the gate that bounds the model's own time and what load a machine takes. */
export const latencyGate = "latency-budget";
/** Name of the gate that bounds file and memory. */
export const sizeGate = "size-budget";
/** Name of the gate that holds the business's figures against their bounds. */
export const kpiGate = "kpis";

/** Gates that these terms ask for, by name. Pure. */
export function budgetGates({ latency, modelBytes, memoryBytes }: BudgetTerms): string[] {
  const hasSize = modelBytes !== undefined || memoryBytes !== undefined;
  return [...(latency ? [latencyGate] : []), ...(hasSize ? [sizeGate] : [])];
}

/**
 * What a version was measured to take of a machine, by the charter's budget (docs/spec/promotion-gates.md, G13). Pure. A version that was not measured
 * fails: it may still be waiting for its turn, or run elsewhere.
 */
export function judgeBudget(
  measured: MeasuredCompute | undefined,
  terms: BudgetTerms | undefined,
): GateResult[] {
  if (!terms) return [];
  if (!measured)
    return budgetGates(terms).map((gate) => ({
      gate,
      passed: false,
      observed: "the version was not measured when it was evaluated: evaluate again once it has a profile",
      required: "what the charter's budget for the model says",
    }));
  return [...judgeLatency(measured, terms), ...judgeSize(measured, terms)];
}

function judgeLatency(
  { p95Micros, cpuMicros, cores, cpu, runs, loadAverage }: MeasuredCompute,
  { latency }: BudgetTerms,
): GateResult[] {
  if (!latency) return [];
  const { p95Ms, requestsPerSecond, machines } = latency;
  const capacity = (machines * cores * 1e6) / Math.max(1, cpuMicros);
  return [
    {
      gate: latencyGate,
      passed: p95Micros / 1000 <= p95Ms && capacity >= requestsPerSecond,
      observed: `p95 ${shown(p95Micros / 1000)} ms of ${runs} runs of one row; ${Math.floor(capacity)} requests a second by ${machines} × ${cores} cores (${cpu}, load ${loadAverage})`,
      required: `p95 <= ${shown(p95Ms)} ms of the model alone, >= ${shown(requestsPerSecond)} requests a second`,
    },
  ];
}

function judgeSize({ modelBytes, peakBytes }: MeasuredCompute, terms: BudgetTerms): GateResult[] {
  const bounds = [
    { name: "file", found: modelBytes, bound: terms.modelBytes },
    { name: "memory", found: peakBytes, bound: terms.memoryBytes },
  ].flatMap(({ name, found, bound }) => (bound === undefined ? [] : [{ name, found, bound }]));
  if (bounds.length === 0) return [];
  return [
    {
      gate: sizeGate,
      passed: bounds.every(({ found, bound }) => found <= bound),
      observed: bounds.map(({ name, found }) => `${name} ${found} bytes`).join(", "),
      required: bounds.map(({ name, bound }) => `${name} <= ${bound} bytes`).join(", "),
    },
  ];
}

/** The business's figures by their bounds (docs/spec/promotion-gates.md, G14). Pure. A figure that was made by another expression fails. */
export function judgeKpis(
  measured: readonly KpiValue[] | undefined,
  terms: readonly KpiTerms[] | undefined,
): GateResult[] {
  if (!terms) return [];
  const judged = terms.map((kpi) =>
    judgeKpi(
      measured?.find(({ name }) => name === kpi.name),
      kpi,
    ),
  );
  return [
    {
      gate: kpiGate,
      passed: judged.every(({ passed }) => passed),
      observed: judged.map(({ observed }) => observed).join("; "),
      required: terms
        .map(
          ({ name, kind, bound, heldBy }) =>
            `${name} ${kind === "floor" ? ">=" : "<="} ${bound}${heldBy === "interval" ? " at the interval's worse end" : ""}`,
        )
        .join(", "),
    },
  ];
}

function judgeKpi(
  found: KpiValue | undefined,
  { name, columns, sums, value: formula, kind, bound, heldBy }: KpiTerms,
): { readonly passed: boolean; readonly observed: string } {
  const failed = (why: string) => ({ passed: false, observed: `${name}: ${why}` });
  if (!found) return failed("not measured: evaluate again under this charter");
  const asked = { columns: { ...columns }, sums: { ...sums }, value: formula };
  if (canonicalJson(found.definition) !== canonicalJson(asked))
    return failed("measured by other expressions: evaluate again under this charter");
  const { value, interval, problem } = found;
  if (value === undefined) return failed(problem ?? "no value");
  const isKept = (one: number): boolean => (kind === "floor" ? one >= bound : one <= bound);
  if (heldBy === "value") return { passed: isKept(value), observed: `${name} ${shown(value)}` };
  if (!interval) return failed(`${shown(value)} without an interval: ${problem ?? "evaluate again"}`);
  const { low, high } = interval;
  if (low === high) return failed(`${shown(value)}, and a bootstrap that has no width`);
  return {
    passed: isKept(kind === "floor" ? low : high),
    observed: `${name} ${shown(value)} [${shown(low)}, ${shown(high)}]`,
  };
}

function shown(value: number): string {
  return String(Number(value.toPrecision(5)));
}
