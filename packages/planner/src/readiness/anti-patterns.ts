import { antiPatternNames } from "@portolan/adoption/contract";
import { termsOf } from "@portolan/charter/policy";
import { tierThresholds } from "../tier.ts";
import type { Evidence, ServedFact, UseCaseFacts } from "./evidence.ts";
import { freshMicros } from "./standing.ts";

type Name = (typeof antiPatternNames)[number];

/** `found`: there is evidence for it. `absent`: there is evidence against it. `open`: nothing runs that would tell. */
export interface RunningAntiPattern {
  readonly name: Name;
  readonly verdict: "found" | "open" | "absent";
  readonly evidence: readonly Evidence[];
  readonly answer: string;
}

interface Finding {
  readonly for: readonly Evidence[];
  readonly against: readonly Evidence[];
}

const answers: Readonly<Record<Name, string>> = {
  "notebook-as-api":
    "Train it here, so that its data, code and packages are on the record: portolan model train.",
  "manual-promotion":
    "Promote by gates and release step by step: portolan model promote, portolan release start.",
  "feature-divergence":
    "Let the gateway read the views that training read: portolan endpoint deploy --features.",
  "system-metrics-only": "Profile the version and report outcomes: portolan model profile, portolan outcome.",
  "gpu-over-provisioning":
    "Put a processor first where it is fast enough: portolan endpoint deploy, portolan model quantize.",
};

/** The second article's five operational anti-patterns, looked for in what runs in production. Pure. */
export function judgeRunning(facts: UseCaseFacts): RunningAntiPattern[] {
  const findings: Readonly<Record<Name, Finding>> = {
    "notebook-as-api": split(facts.served, ({ origin }) =>
      origin === undefined
        ? undefined
        : origin === "imported"
          ? { found: true, note: "it was imported: nobody can make it again from here" }
          : { found: false, note: "it was trained here" },
    ),
    "manual-promotion": split(facts.served, ({ isPromoted, cameByHand }) => {
      if (!isPromoted) return { found: true, note: "it serves without having been promoted by gates" };
      return cameByHand
        ? { found: true, note: "it took another version's place without a release" }
        : { found: false, note: "promoted by gates, and put there by a release or as the first" };
    }),
    "feature-divergence": split(facts.served, ({ learnedFromViews, readsViews }) => {
      if (!learnedFromViews) return undefined;
      return readsViews
        ? { found: false, note: "the gateway reads the views" }
        : { found: true, note: "it learned from feature views, and callers compute what it is asked with" };
    }),
    "system-metrics-only": systemMetricsOnly(facts),
    "gpu-over-provisioning": split(facts.served, (served) => gpuInFront(facts, served)),
  };
  return antiPatternNames.map((name) => {
    const { for: proof, against } = findings[name];
    const verdict = proof.length > 0 ? "found" : against.length > 0 ? "absent" : "open";
    return { name, verdict, evidence: verdict === "found" ? proof : against, answer: answers[name] };
  });
}

function split(
  served: readonly ServedFact[],
  judge: (served: ServedFact) => { readonly found: boolean; readonly note: string } | undefined,
): Finding {
  const judged = served.flatMap((one) => {
    const said = judge(one);
    return said ? [{ found: said.found, evidence: evidenceOf(one, said.note) }] : [];
  });
  const of = (found: boolean) => judged.filter((one) => one.found === found).map(({ evidence }) => evidence);
  return { for: of(true), against: of(false) };
}

function evidenceOf({ endpoint, model, version, deployedAt }: ServedFact, note: string): Evidence {
  return {
    id: `${endpoint}: ${model} ${version}`,
    at: deployedAt,
    environment: "production",
    note,
    link: `/v1/models/${model}/versions/${version}`,
  };
}

/** Requests come, and neither drift nor outcomes are looked at. One of the two speaks against it. */
function systemMetricsOnly({ found, now, served }: UseCaseFacts): Finding {
  const against = [...(found.drift_window ?? []), ...(found.outcomes ?? [])].filter(
    ({ environment, at }) => environment === "production" && at >= now - freshMicros,
  );
  const busy = served.filter(({ requests }) => requests > 0);
  return {
    for:
      against.length > 0
        ? []
        : busy.map((one) =>
            evidenceOf(
              one,
              `${one.requests} requests in a month, and neither drift nor outcomes are counted`,
            ),
          ),
    against: busy.length > 0 ? against : [],
  };
}

/** A graphics processor answers first though a processor core keeps the charter's p95, or nobody measured one. */
function gpuInFront({ charter }: UseCaseFacts, { isGpuFirst, cpuP95Micros }: ServedFact) {
  if (!isGpuFirst) return { found: false, note: "processors answer" };
  if (cpuP95Micros === undefined)
    return { found: true, note: "a GPU is first, and no processor was measured" };
  const bound = Math.min(
    tierThresholds.gpuAboveCpuLatencyMs,
    charter ? termsOf(charter.document).latencyMsP95 : tierThresholds.gpuAboveCpuLatencyMs,
  );
  const ms = cpuP95Micros / 1000;
  return ms <= bound
    ? { found: true, note: `a GPU is first, and one core takes ${ms} ms (p95), within ${bound} ms` }
    : { found: false, note: `one core takes ${ms} ms (p95), more than ${bound} ms` };
}
