import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { Release, ReleaseStep } from "@portolan/rollout/contract";
import { table } from "../output.ts";

export function isOpen({ state }: Release): boolean {
  return state === "running" || state === "paused";
}

/** How much of its plan a release has behind it, 0 to 1. */
export function progressOf({ state, step, plan }: Release): number {
  return state === "promoted" ? 1 : Math.max(0, step) / plan.steps.length;
}

/** A release in sentences and two tables: its steps, and its guards. */
export function describeRelease(release: Release): string {
  const { endpoint, environment, candidate, champion, state, plan, step, evidence, guards } = release;
  const name = ({ model, version }: Release["champion"]): string => `${model}/${version}`;
  const head = `${environment}/${endpoint}: ${name(candidate)} beside ${name(champion)}, ${state.replace("_", " ")} (${release.id})`;
  const why = release.reasons.map((reason) => `  ${reason}`);
  const steps = plan.steps.map((one, at) => {
    const counted = evidence.find((counts) => counts.step === at);
    const mark = at < step || state === "promoted" ? "done" : at === step && isOpen(release) ? "now" : "";
    return [stepText(one), mark, countText(counted?.candidate), countText(counted?.control)];
  });
  const judged = guards.map(({ guard, candidate: own, control, logEvidence, logBound, isNoWorse }) => [
    guard,
    rangeText(own),
    rangeText(control),
    `${Math.round((100 * Math.max(0, logEvidence)) / logBound)} %`,
    isNoWorse ? "yes" : "not shown",
  ]);
  return [
    head,
    ...why,
    ...(release.problem === null ? [] : [`  the endpoint could not be deployed: ${release.problem}`]),
    ...(release.isSettled ? [] : ["  the endpoint is being deployed"]),
    ...approvalText(release),
    `  asked for by ${release.requestedBy} at ${formatInstant(asEpochMicros(release.startedAt))}`,
    "",
    table(["step", "", "candidate: requests, errors, slow, fallbacks", "champion"], steps),
    "",
    table(["guard", "candidate's rate", "champion's rate", "evidence of harm", "no worse"], judged),
  ].join("\n");
}

function approvalText({ approvals: { needed, given } }: Release): string[] {
  if (needed === 0) return [];
  const by = given.length === 0 ? "" : ` by ${given.map((one) => one.by).join(", ")}`;
  return [`  ${given.length} of ${needed} approvals${by}`];
}

function stepText(step: ReleaseStep): string {
  switch (step.kind) {
    case "shadow":
      return `shadow of ${100 * step.sample} %`;
    case "internal":
      return `${step.by} ${step.values.join(", ")}`;
    case "canary":
      return `canary of ${step.percent} %`;
  }
}

function countText(counts: Release["evidence"][number]["candidate"] | undefined): string {
  if (!counts) return "";
  const posted = Object.entries(counts.posted ?? {}).map(([event, count]) => `${count} ${event}`);
  return [counts.requests, counts.errors, counts.slow, counts.fallbacks, ...posted].join(", ");
}

function rangeText({ low, high }: { readonly low: number; readonly high: number }): string {
  return `${(100 * low).toFixed(2)} to ${(100 * high).toFixed(2)} %`;
}
