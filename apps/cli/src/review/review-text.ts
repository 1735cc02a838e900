import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type {
  Concluded,
  LabelValue,
  ReviewCase,
  ReviewItem,
  ReviewList,
  ReviewStats,
  Share,
} from "@portolan/oversight/contract";

/** For people: a line per review. */
export function listText({ reviews, open, overdue }: ReviewList): string {
  const lines = reviews.map(
    (review) =>
      `${review.id}  ${review.endpoint} (${review.environment})  ${review.reasons.join(", ")}  ${dueText(review)}  ${review.concluded} of ${review.people}`,
  );
  return [...lines, `${open} open, ${overdue} overdue`].join("\n");
}

/** What a person needs who decides it; the model's answer where it may be shown. */
export function caseText({
  review,
  inputs,
  features,
  list,
  text,
  withheld,
  own,
  answer,
  leaseUntil,
}: ReviewCase): string {
  const values = (title: string, list: ReviewCase["inputs"]) =>
    list.length === 0 ? [] : [`${title}:`, ...list.map(({ name, value }) => `  ${name} = ${String(value)}`)];
  const lines = [
    `${review.id}: ${review.endpoint} in ${review.environment}, ${review.model}/${review.version}`,
    `why: ${review.reasons.join(", ")}; ${dueText(review)}; yours until ${instant(leaseUntil)}`,
    ...values("inputs", inputs),
    ...values("features", features),
    ...(list ?? []).map(
      (row, at) => `row ${at + 1}: ${row.map(({ name, value }) => `${name} = ${String(value)}`).join(", ")}`,
    ),
    ...(review.classes ? [`classes: ${review.classes.join(", ")}`] : []),
    ...(text === undefined ? [] : ["request:", text]),
    ...(withheld === undefined ? [] : [`the request is not shown: ${withheld}`]),
  ];
  if (!answer || own === undefined)
    return [...lines, `decide: portolan review decide ${review.id} ${wordOf(review)}`].join("\n");
  return [
    ...lines,
    `you decided: ${labelText(own)}`,
    `the model said: ${saidText(answer)}`,
    ...values("outputs", answer.outputs),
    ...(answer.text === undefined ? [] : ["answer:", answer.text]),
    `keep it or take another: portolan review conclude ${review.id} [--value <label>] [--reason <code>]`,
  ].join("\n");
}

/** How a decision of its task is written. */
function wordOf({ task, rows }: ReviewItem): string {
  return task === "ranking"
    ? `'[<relevance>, …]'${rows === undefined ? "" : ` (${rows} of them)`}`
    : "<value>";
}

function labelText(value: LabelValue): string {
  return typeof value === "object" ? `[${value.join(", ")}]` : String(value);
}

function saidText({ value, scores }: NonNullable<ReviewCase["answer"]>): string {
  if (value !== null) return labelText(value);
  return scores ? `scores [${scores.join(", ")}]` : "nothing that is a label";
}

export function concludedText({ review, value, overrides, label }: Concluded): string {
  const kind = overrides === null ? "" : overrides ? ", not what the model said" : ", as the model said";
  const rest =
    review.state !== "open"
      ? label === null
        ? "closed without a label: people could not agree"
        : `closed; label ${labelText(label)}`
      : `${review.concluded} of ${review.people} people have decided`;
  return `${review.id}: ${labelText(value)}${kind}; ${rest}`;
}

export function statsText(stats: ReviewStats): string {
  const { open, overdue, closed, closedLate, betweenPeople } = stats;
  const kappa =
    betweenPeople.kappa === null
      ? "not told"
      : `${betweenPeople.kappa.toFixed(2)} (${(betweenPeople.low ?? 0).toFixed(2)} to ${(betweenPeople.high ?? 0).toFixed(2)})`;
  const reasons = Object.entries(stats.reasons).map(([reason, count]) => `${reason} ${count}`);
  return [
    `reviews: ${open} open (${overdue} overdue), ${closed} closed`,
    `closed late: ${shareText(closedLate)}`,
    `first decisions that agree with the model: ${shareText(stats.agreesWithModel)}`,
    `overrides: ${shareText(stats.overrides)}${reasons.length === 0 ? "" : `: ${reasons.join(", ")}`}`,
    `of those who decided otherwise, took over the model's answer: ${shareText(stats.changedToModel)}`,
    `two people who agree: ${shareText(betweenPeople.agree)}; Cohen's kappa ${kappa}`,
    ...(stats.truncated ? ["there are more reviews in this stretch; the newest are counted"] : []),
  ].join("\n");
}

function shareText({ count, of, share, low, high }: Share): string {
  if (share === null || low === null || high === null) return "none yet";
  const percent = (part: number): string => `${(part * 100).toFixed(1)} %`;
  return `${percent(share)} (${count} of ${of}; ${percent(low)} to ${percent(high)})`;
}

function dueText({ dueAt, isOverdue }: ReviewItem): string {
  return `${isOverdue ? "overdue since" : "due"} ${instant(dueAt)}`;
}

function instant(at: number): string {
  return formatInstant(asEpochMicros(at));
}
