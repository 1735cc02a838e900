import { parseBytes, parseDurationMs } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { type Fact, fact } from "./fact.ts";
import type { Finding } from "./schema-findings.ts";
import { closed } from "./schema-parts.ts";
import { ByteSizeText, PercentText, parsePercent } from "./unit-texts.ts";

export const ModelBudget = Type.Object(
  {
    latencyShare: Type.Optional(
      PercentText(
        "Part of the p95 of requirements.latency that the model alone may take, one row a run, as it was measured when it was registered. With it the throughput ceiling must be within the machines' processors too.",
      ),
    ),
    machines: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 10_000,
        description:
          "Machines, like the one that it was measured on, that the throughput ceiling may take. Absent: 1. Needs latencyShare.",
      }),
    ),
    size: Type.Optional(ByteSizeText("Largest model file.")),
    memory: Type.Optional(
      ByteSizeText("Most resident memory of a process with the runtime and the model in it."),
    ),
  },
  {
    ...closed,
    minProperties: 1,
    description: "What a version may take of a machine; a release beyond it is refused.",
  },
);

/** What a version may take of a machine. */
export interface BudgetTerms {
  /** Absent: time and processors are not judged. */
  readonly latency?: {
    /** Of the model alone, one row a run. */
    readonly p95Ms: number;
    readonly requestsPerSecond: number;
    readonly machines: number;
  };
  /** Of the model file. */
  readonly modelBytes?: number;
  /** Of a process with the runtime in it. */
  readonly memoryBytes?: number;
}

/** @param promise what the charter promises of whole answers. Pure. */
export function budgetTerms(
  { latencyShare, machines, size, memory }: Static<typeof ModelBudget>,
  promise: { readonly p95: string; readonly requestsPerSecond: number },
): BudgetTerms {
  const { requestsPerSecond } = promise;
  const share = latencyShare === undefined ? undefined : parsePercent(latencyShare);
  const p95Ms =
    share === undefined ? undefined : Number((parseDurationMs(promise.p95) * share).toPrecision(12));
  return {
    ...(p95Ms === undefined ? {} : { latency: { p95Ms, requestsPerSecond, machines: machines ?? 1 } }),
    ...(size === undefined ? {} : { modelBytes: parseBytes(size) }),
    ...(memory === undefined ? {} : { memoryBytes: parseBytes(memory) }),
  };
}

const at = "/requirements/modelBudget";

/** For people. Pure. */
export function budgetFacts(
  { size, memory }: Static<typeof ModelBudget>,
  { latency, modelBytes, memoryBytes }: BudgetTerms,
): Fact[] {
  const sizes = [
    ...(size === undefined ? [] : [`is larger than ${size}`]),
    ...(memory === undefined ? [] : [`takes more than ${memory} of memory`]),
  ];
  const bytes = {
    ...(modelBytes === undefined ? {} : { modelBytes }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  };
  return [
    ...(latency
      ? [
          fact(
            "latency_gate",
            "gate",
            [`${at}/latencyShare`, "/requirements/latency/p95", "/requirements/throughput/ceiling"],
            `A version that alone takes more than ${latency.p95Ms} ms at p95, or of which ${latency.machines} ${latency.machines === 1 ? "machine answers" : "machines answer"} fewer than ${latency.requestsPerSecond} requests a second one by one, is not released.`,
            { ...latency },
          ),
        ]
      : []),
    ...(sizes.length > 0
      ? [fact("size_gate", "gate", at, `A version that ${sizes.join(" or ")} is not released.`, bytes)]
      : []),
  ];
}

/** What the schema cannot say. Pure. */
export function budgetFindings(budget: Static<typeof ModelBudget> | undefined): Finding[] {
  const findings: Finding[] = [];
  if (!budget) return findings;
  if (budget.machines !== undefined && budget.latencyShare === undefined)
    findings.push({
      pointer: `${at}/machines`,
      detail: "without latencyShare nothing is held against these machines",
      mend: "Add latencyShare, e.g. 50%, or remove machines.",
    });
  const share = budget.latencyShare === undefined ? 1 : parsePercent(budget.latencyShare);
  if (share <= 0 || share > 1)
    findings.push({
      pointer: `${at}/latencyShare`,
      detail: "the model's part of the answer's time is no part of it",
      mend: "Write more than 0% and at most 100%.",
    });
  return findings;
}
