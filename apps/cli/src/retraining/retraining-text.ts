import { asEpochMicros, formatInstant } from "@portolan/kernel";
import {
  openStates,
  type Retraining,
  type RetrainingPolicyView,
  type RetrainingTerms,
} from "@portolan/retraining/contract";
import { table } from "../output.ts";

/** How much of its road a retraining has behind it, 0 to 1. */
export function progressOf({ isOpen, state }: Retraining): number {
  const at = openStates.findIndex((one) => one === state);
  return isOpen && at >= 0 ? at / openStates.length : 1;
}

export function stateText(state: Retraining["state"]): string {
  return state.replaceAll("_", " ");
}

export function instant(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}

/** A retraining in sentences, and the moves that it made. */
export function describeRetraining(retraining: Retraining): string {
  const { id, endpoint, environment, model, championVersion, state, cause, made, moves } = retraining;
  const version = made.version === undefined ? "" : `, version ${made.version} came out`;
  const next = state === "waiting_for_approval" ? [`  approve it: portolan retrain approve ${id}`] : [];
  const release = made.releaseId;
  return [
    `${environment}/${endpoint}: ${model}/${championVersion} is trained again${version}; ${stateText(state)} (${id})`,
    ...retraining.reasons.map((reason) => `  ${reason}`),
    ...(retraining.problem === null ? [] : [`  its step failed and is tried again: ${retraining.problem}`]),
    ...next,
    ...(release !== undefined && state === "releasing"
      ? [`  its release: portolan release status ${endpoint}`]
      : []),
    `  started for ${cause.trigger.replaceAll("_", " ")} by ${retraining.requestedBy}: ${cause.reason}`,
    "",
    table(
      ["when", "state", "note"],
      moves.map((move) => [instant(move.at), stateText(move.state), move.note]),
    ),
  ].join("\n");
}

/** One line per retraining. */
export function retrainingTable(retrainings: readonly Retraining[]): string {
  if (retrainings.length === 0) return "no retrainings";
  return table(
    ["id", "endpoint", "started", "for", "state", "version", "why it stands there"],
    retrainings.map((one) => [
      one.id,
      `${one.environment}/${one.endpoint}`,
      instant(one.startedAt),
      one.cause.trigger.replaceAll("_", " "),
      stateText(one.state),
      one.made.version === undefined ? "" : String(one.made.version),
      one.reasons[0] ?? "",
    ]),
  );
}

/** What is in force at an endpoint, by whose word, and what is wrong with its model. */
export function describePolicy({
  endpoint,
  environment,
  inForce,
  incidents,
  hold,
  ...stated
}: RetrainingPolicyView): string {
  const by = stated.setBy === null ? "no policy is stated" : `policy stated by ${stated.setBy}`;
  const open = incidents.map(
    ({ kind, model, version, openedAt, evidence }) =>
      `  open since ${instant(openedAt)}: ${kind} of ${model}/${version}, ${evidenceText(evidence)}`,
  );
  return [
    `${environment}/${endpoint}: ${by}`,
    ...termsLines(inForce).map(([name, value]) => `  ${name}: ${value}`),
    ...(open.length === 0 ? ["  no open incident"] : open),
    ...(hold
      ? [
          `  one is due for ${hold.trigger.replaceAll("_", " ")}, and waits since ${instant(hold.since)}: ${hold.because}`,
        ]
      : []),
  ].join("\n");
}

const hourMs = 3_600_000;

/** What a retraining is held to, line by line. */
export function termsLines(terms: RetrainingTerms): [name: string, value: string][] {
  const { source, everyMs, onDrift, onConceptDrift, accuracy, approval, windows, trainingMs } = terms;
  const drift = {
    never: "starts nothing",
    with_harm: "starts one when the accuracy is likely beyond its level too",
    alone: "starts one by itself, as the charter says",
  } as const;
  return [
    ["what starts one is said by", source === "none" ? "nobody: only people start one" : `the ${source}`],
    ...(terms.isPaused ? [["paused", "nothing starts by itself"] as [string, string]] : []),
    ["schedule", everyMs === undefined ? "none" : `every ${everyMs / hourMs} hours`],
    ["accuracy", accuracyText(accuracy)],
    ["concept drift", onConceptDrift ? "starts one" : "starts nothing"],
    ["drift", drift[onDrift]],
    ["patience", `${windows.least} of ${windows.of} windows must say the same`],
    ["cool-down", `${terms.coolDownMs / hourMs} hours after the last one ended`],
    ["at most", `${terms.mostRuns} within ${terms.periodMs / hourMs / 24} days`],
    [
      "budget",
      [
        ...(terms.budgetMs === undefined
          ? []
          : [`${terms.budgetMs / hourMs} hours of training runs in that time`]),
        ...(terms.budgetPerMonth === undefined ? [] : [`${terms.budgetPerMonth} for training runs`]),
      ].join("; ") || "none is stated",
    ],
    [
      "learns from",
      trainingMs === undefined ? "as long a stretch as the champion did" : `${trainingMs / hourMs / 24} days`,
    ],
    ["is judged by", `the newest ${100 * terms.heldOutShare} % of the rows`],
    [
      "approval",
      approval === "none" ? "none" : "a team lead's, before it reaches the endpoint's environment",
    ],
  ];
}

function accuracyText(accuracy: RetrainingTerms["accuracy"]): string {
  if (!accuracy) return "no charter is in force";
  const { metric, kind, open, close, isTrigger } = accuracy;
  const [side, back] = kind === "floor" ? ["below", "above"] : ["above", "below"];
  const starts = isTrigger ? "starts one" : "starts none by itself";
  return `${metric} ${side} ${open} ${starts}; over once it is ${back} ${close}`;
}

export function evidenceText(evidence: Readonly<Record<string, string | number>>): string {
  return Object.entries(evidence)
    .map(([name, value]) => `${name} ${typeof value === "number" ? Number(value.toPrecision(4)) : value}`)
    .join(", ");
}
