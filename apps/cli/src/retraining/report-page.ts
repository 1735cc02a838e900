import type { Retraining, RetrainingReport } from "@portolan/retraining/contract";
import { digits, evidencePage, facts, list, section, table } from "../evidence-page.ts";
import { instant, stateText, termsLines } from "./retraining-text.ts";

/** All evidence of a retraining on one page. The same report gives the same page. Pure. */
export function reportPage(report: RetrainingReport): string {
  const { retraining } = report;
  const { endpoint, environment, model, championVersion, state } = retraining;
  const title = `Retraining of ${model}/${championVersion} at ${environment}/${endpoint}: ${stateText(state)}`;
  return evidencePage(title, [
    section("What became of it", endPart(retraining)),
    section("Why it began", causePart(retraining)),
    section("What it is held to", facts(termsLines(retraining.terms))),
    section("Data", dataPart(report)),
    section("Training", runPart(report)),
    section("Version and signature", versionPart(report)),
    section("Evaluation and gates", evaluationPart(report)),
    section("Beside the champion", comparisonPart(report)),
    section("Approval", approvalPart(retraining)),
    section("Release", releasePart(report)),
    section("Every move", movesPart(retraining)),
  ]);
}

function endPart({ id, state, reasons, made, startedAt, endedAt, endedBy }: Retraining): string {
  return `${facts([
    ["Retraining", id],
    ["State", stateText(state)],
    ["New version", made.version],
    ["Started", instant(startedAt)],
    ["Ended", endedAt === null ? "not yet" : `${instant(endedAt)} by ${endedBy ?? ""}`],
  ])}${list(reasons, "No reason is on record.")}`;
}

function causePart({ cause, requestedBy }: Retraining): string {
  const evidence = Object.entries(cause.evidence).map(([name, value]) => [name, String(value)]);
  return `${facts([
    ["Trigger", cause.trigger.replaceAll("_", " ")],
    ["Reason", cause.reason],
    ["Asked for by", requestedBy],
  ])}${evidence.length === 0 ? "" : table("Evidence", ["What", "Value"], evidence)}`;
}

function dataPart({ trainingSet, heldOutSet }: RetrainingReport): string {
  const sets = [
    ["Learned from", trainingSet],
    ["Judged by", heldOutSet],
  ] as const;
  const rows = sets.flatMap(([name, set]) => {
    if (!set?.manifest) return [];
    const { object, dataset, datasetId, from, to, rowsAfter, definition } = set.manifest;
    const stretch = `${instant(from)} to before ${instant(to)}`;
    return [[name, set.id, stretch, String(rowsAfter), object, `${datasetId} (${dataset})`, definition]];
  });
  if (rows.length === 0) return "<p>No set was built.</p>";
  return table("Sets", ["", "Set", "Events", "Rows", "Digest", "Validated snapshot", "Definition"], rows);
}

function runPart({ run, champion, cost }: RetrainingReport): string {
  if (!run) return "<p>No training run was started.</p>";
  const { id, state, request, result, failure, queue } = run;
  const about = facts([
    ["Run", id],
    ["State", state],
    ["Quota", queue?.says],
    ["Asks for", queue?.request.join(", ")],
    ["Failure", failure],
    ["As the champion's run", champion?.lineage.trainingRunId],
    ["Program", request.code],
    ["Seed", request.seed],
    ["Python", result?.python],
    ["Isolation", result?.isolation],
    ["Lock", result?.environmentLock],
    ["Log", result?.log],
    ["Cost", cost ? costText(cost) : "the price book has no price for it"],
  ]);
  const metrics = Object.entries(result?.metrics ?? {}).map(([name, value]) => [name, digits(value)]);
  return `${about}${metrics.length === 0 ? "" : table("The trainer's own metrics", ["Metric", "Value"], metrics)}`;
}

function costText({ amount, coreHour, cores, workedMicros }: NonNullable<RetrainingReport["cost"]>): string {
  return `${amount}: ${digits(workedMicros / 1_000_000)} s at work on ${cores} cores at ${coreHour} for an hour of one`;
}

function versionPart({ version }: RetrainingReport): string {
  if (!version) return "<p>No version was registered.</p>";
  const { id, model, version: number, artifact, bundle, signingKeyId, signedAt, stages } = version;
  return facts([
    ["Version", `${model}/${number} (${id})`],
    ["Model", artifact],
    ["Signature bundle", bundle],
    ["Signing key", signingKeyId],
    ["Signed at", instant(signedAt)],
    ["Promoted in", stages.join(", ") || "nowhere"],
  ]);
}

function evaluationPart({ evaluation }: RetrainingReport): string {
  if (!evaluation) return "<p>It was not evaluated.</p>";
  const { id, dataset, heldOut, metrics, gates } = evaluation;
  const intervals = { ...metrics.intervals, roc_auc: metrics.rocAucInterval };
  const rows = Object.entries(metrics.values).map(([name, value]) => {
    const interval = Object.entries(intervals).find(([known]) => known === name)?.[1];
    return [
      name,
      digits(value),
      interval ? `${digits(interval.low)} to ${digits(interval.high)}` : "not computed",
    ];
  });
  const judged = gates.map(({ gate, passed, observed, required }) => [
    gate,
    passed ? "passed" : "failed",
    observed,
    required,
  ]);
  return `${facts([
    ["Evaluation", id],
    [
      "Rows",
      `${metrics.rows}${metrics.positives === undefined ? "" : `, ${metrics.positives} positive`} (${dataset})`,
    ],
    ["Held out", `${heldOut.shown ? "yes" : "not shown"}: ${heldOut.because}`],
  ])}${table("Metrics, with 95 % intervals", ["Metric", "Value", "Interval"], rows)}${
    judged.length === 0
      ? "<p>No gate was judged.</p>"
      : table("Gates", ["Gate", "Verdict", "Observed", "Required"], judged)
  }`;
}

function comparisonPart({ comparison }: RetrainingReport): string {
  if (!comparison) return "<p>It was not compared.</p>";
  const { id, isBetter, rows, positives, setsTried, values, rule } = comparison;
  const cells = values.map(
    ({ metric, champion, challenger, advantage, question, adjustedP, test, isShown }) => [
      metric,
      digits(champion),
      digits(challenger),
      `${digits(advantage.value)} (${digits(advantage.interval.low)} to ${digits(advantage.interval.high)})`,
      question.replace("_", " "),
      `${digits(adjustedP)} (${test})`,
      isShown ? "shown" : "not shown",
    ],
  );
  return `${facts([
    ["Comparison", id],
    ["Verdict", isBetter ? "everything that is asked is shown" : "not everything that is asked is shown"],
    ["Rows", `${rows}, ${positives} positive`],
    ["One-sided level", rule.level],
    ["Sets of rows tried", setsTried],
  ])}${table("On the same rows", ["Metric", "Champion", "New version", "Advantage", "Asked", "p", "Verdict"], cells)}`;
}

function approvalPart({ terms, approvedBy, approvedAt }: Retraining): string {
  if (approvedBy !== null)
    return `<p>Approved. ${approvedAt === null ? "" : instant(approvedAt)}</p>${facts([["By", approvedBy]])}`;
  return terms.approval === "none" ? "<p>None is asked.</p>" : "<p>Not given.</p>";
}

function releasePart({ release }: RetrainingReport): string {
  if (!release) return "<p>It was not released.</p>";
  const { id, state, reasons, approvals, evidence, guards, plan } = release;
  const steps = evidence.map(({ step, candidate, control }) => [
    stepName(plan.steps[step]),
    `${candidate.requests}, ${candidate.errors}, ${candidate.slow}, ${candidate.fallbacks}`,
    `${control.requests}, ${control.errors}, ${control.slow}, ${control.fallbacks}`,
  ]);
  const judged = guards.map(({ guard, logEvidence, logBound, isNoWorse }) => [
    guard,
    digits(Math.exp(logEvidence)),
    digits(Math.exp(logBound)),
    isNoWorse ? "shown" : "not shown",
  ]);
  const counted = "requests, errors, slow, fallbacks";
  return `${facts([
    ["Release", id],
    ["State", state.replace("_", " ")],
    [
      "Approvals",
      `${approvals.given.length} of ${approvals.needed}: ${approvals.given.map(({ by }) => by).join(", ")}`,
    ],
  ])}${list(reasons, "No reason is on record.")}${table("Steps", ["Step", `New version: ${counted}`, `Champion: ${counted}`], steps)}${table("Guards", ["Guard", "e-value of harm", "Rolled back from", "No worse"], judged)}`;
}

type Step = NonNullable<RetrainingReport["release"]>["plan"]["steps"][number];

function stepName(step: Step | undefined): string {
  switch (step?.kind) {
    case undefined:
      return "before the first";
    case "shadow":
      return `shadow of ${100 * step.sample} %`;
    case "internal":
      return `${step.by} ${step.values.join(", ")}`;
    case "canary":
      return `canary of ${step.percent} %`;
  }
}

function movesPart({ moves }: Retraining): string {
  return table(
    "Moves",
    ["When", "State", "Note"],
    moves.map(({ at, state, note }) => [instant(at), stateText(state), note]),
  );
}
