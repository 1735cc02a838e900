import { setImmediate as otherWork } from "node:timers/promises";
import {
  asEpochMicros,
  type CallContext,
  formatInstant,
  type Id,
  type Logger,
  messageOf,
  type Transaction,
} from "@portolan/kernel";
import type { RetrainingCause, RetrainingTerms } from "./contract.ts";
import { callFor, controllerId } from "./controller.ts";
import { findHold } from "./hold-store.ts";
import { type Held, heldBy, settleHold } from "./hold-trigger.ts";
import { decideRetraining, type Trigger } from "./policy/decide-retraining.ts";
import {
  type AccuracyStanding,
  type AccuracyWindow,
  judgeAccuracy,
  judgeDrift,
} from "./policy/hysteresis.ts";
import { closeIncident, type Incident, listIncidents, openIncident } from "./policy-store.ts";
import type { Champion, Recipes, Signals } from "./ports.ts";
import type { RetrainingDeps } from "./retraining-deps.ts";
import { termsInForce } from "./set-policy.ts";
import { begin, permitFor } from "./start-retraining.ts";
import { findOpenId, historyOf } from "./store.ts";

export interface WatchDeps extends RetrainingDeps {
  readonly signals: Signals;
  readonly recipes: Recipes;
  readonly log: Logger;
  readonly organisations: () => Promise<readonly Id<"organisation">[]>;
}

/** Looks at every endpoint in production once, and begins the retrainings that are due. One that cannot be judged is no reason to leave the others. */
export async function watchEndpoints(deps: WatchDeps): Promise<void> {
  for (const organisationId of await deps.organisations()) {
    const call = callFor(organisationId, deps.clock.now());
    for (const champion of await deps.endpoints.list(call)) {
      // Elsewhere people try things: there only they begin one.
      if (champion.environment !== "production") continue;
      await watch(deps, call, champion).catch((error: unknown) =>
        deps.log.error(
          { organisationId, endpoint: champion.endpoint, error: messageOf(error) },
          "retraining.watch_failed",
        ),
      );
      await otherWork();
    }
  }
}

async function watch(deps: WatchDeps, call: CallContext, champion: Champion): Promise<void> {
  await settleHold(deps.work, call, champion, await look(deps, call, champion));
}

/** Begins a retraining where one is due and there is room for it. @returns what keeps one back that is due */
async function look(deps: WatchDeps, call: CallContext, champion: Champion): Promise<Held | undefined> {
  const terms = await termsInForce(deps, call, champion);
  if (!startsByItself(terms)) return undefined;
  const found = await deps.recipes.find(call, champion.model, champion.version);
  // What was imported is trained elsewhere: nothing here can be done again.
  if (found.kind === "missing") return undefined;
  const { accuracy, drift } = await judge(deps, call, champion, terms);
  const concept = terms.onConceptDrift
    ? await deps.signals.concept(call, champion)
    : { hasDrifted: false, evidence: {} };
  const { organisationId } = call.actor;
  const now = deps.clock.now();
  const since = now - Math.max(terms.periodMs, terms.coolDownMs, terms.everyMs ?? 0) * 1000;
  const history = await deps.work.read(call, async (sql) => ({
    ...(await historyOf(sql, organisationId, champion.useCaseId, since)),
    running: await findOpenId(sql, organisationId, champion.useCaseId),
  }));
  const standing = {
    accuracy: accuracy.standing,
    isDrifting: drift.isOpen,
    hasConceptDrift: concept.hasDrifted,
    championSince: found.recipe.registeredAt,
    ...history,
  };
  const decision = decideRetraining(terms, standing, now);
  if (decision.kind === "nothing") return undefined;
  if (decision.kind === "held") return heldBy(decision.trigger, { ...decision, by: [decision.by] });
  const permit = await permitFor(deps, call, champion, terms);
  if (permit.kind === "no") {
    deps.log.info({ endpoint: champion.endpoint, because: permit.because }, "retraining.not_permitted");
    return heldBy(decision.trigger, permit);
  }
  const waited = await deps.work.read(call, (sql) => findHold(sql, organisationId, champion));
  const evidence = {
    ...accuracy.evidence,
    ...drift.evidence,
    ...concept.evidence,
    ...permit.evidence,
    ...(waited ? { heldSince: formatInstant(asEpochMicros(waited.since)) } : {}),
  };
  const cause = causeOf(decision.trigger, evidence, terms);
  await deps.work.write(call, (tx) => begin(tx, { champion, terms, cause, requestedBy: controllerId }));
  return undefined;
}

function startsByItself({ everyMs, onDrift, onConceptDrift, accuracy }: RetrainingTerms): boolean {
  return (
    everyMs !== undefined || onDrift !== "never" || onConceptDrift === true || accuracy?.isTrigger === true
  );
}

const reasons: Readonly<Record<Trigger, string>> = {
  accuracy: "the accuracy in production is beyond its level",
  concept_drift: "outcomes show its predictions to be wrong more often than they were",
  drift: "there is drift, for which alone the charter wants it",
  drift_with_harm: "there is drift, and the accuracy in production is likely beyond its level",
  schedule: "it is time",
};

function causeOf(
  trigger: Trigger,
  evidence: RetrainingCause["evidence"],
  { everyMs }: RetrainingTerms,
): RetrainingCause {
  const every = trigger === "schedule" && everyMs !== undefined ? { everyHours: everyMs / 3_600_000 } : {};
  return { trigger, reason: reasons[trigger], evidence: { ...evidence, ...every } };
}

interface Judged {
  readonly accuracy: { readonly standing: AccuracyStanding; readonly evidence: Incident["evidence"] };
  readonly drift: { readonly isOpen: boolean; readonly evidence: Incident["evidence"] };
}

/** What is wrong with the champion, kept from one look to the next: between two levels it stays as it was. */
async function judge(
  deps: WatchDeps,
  call: CallContext,
  champion: Champion,
  terms: RetrainingTerms,
): Promise<Judged> {
  const { organisationId } = call.actor;
  const incidents = await deps.work.read(call, (sql) => listIncidents(sql, organisationId, champion));
  // What was found of another version is nothing that is known of this one.
  const own = incidents.filter(
    ({ model, version }) => model === champion.model && version === champion.version,
  );
  const isOpen = (kind: Incident["kind"]): boolean => own.some((one) => one.kind === kind);
  const accuracy = await judgeLabels(deps, call, champion, terms, isOpen("accuracy"));
  const drift = await judgeCounts(deps, call, champion, terms, isOpen("drift"));
  const after = { accuracy: accuracy.standing.isOpen, drift: drift.isOpen };
  const changed = (["accuracy", "drift"] as const).filter(
    (kind) =>
      after[kind] !== isOpen(kind) || incidents.some((one) => one.kind === kind && !own.includes(one)),
  );
  if (changed.length > 0)
    await deps.work.write(call, async (tx) => {
      for (const kind of changed) {
        const evidence = kind === "accuracy" ? accuracy.evidence : drift.evidence;
        await settle(tx, champion, kind, { isOpen: after[kind], evidence });
      }
    });
  return { accuracy, drift };
}

async function judgeLabels(
  { signals }: WatchDeps,
  call: CallContext,
  champion: Champion,
  { accuracy, onDrift, windows: patience }: RetrainingTerms,
  wasOpen: boolean,
): Promise<Judged["accuracy"]> {
  if (!accuracy || !(accuracy.isTrigger || onDrift === "with_harm"))
    return { standing: { isOpen: false, isWeak: false }, evidence: {} };
  const windows = await signals.accuracy(call, champion, accuracy.metric);
  const standing = judgeAccuracy(wasOpen, windows, accuracy, patience);
  return { standing, evidence: evidenceOf(windows, accuracy) };
}

function evidenceOf(
  windows: readonly AccuracyWindow[],
  { metric, kind, open }: NonNullable<RetrainingTerms["accuracy"]>,
): Incident["evidence"] {
  const newest = windows.at(-1);
  if (!newest) return {};
  const { value, low, high, labels, start } = newest;
  const windowStart = formatInstant(asEpochMicros(start));
  return { metric, [kind]: open, value, low, high, labels, windowStart };
}

async function judgeCounts(
  { signals }: WatchDeps,
  call: CallContext,
  champion: Champion,
  { onDrift }: RetrainingTerms,
  wasOpen: boolean,
): Promise<Judged["drift"]> {
  if (onDrift === "never") return { isOpen: false, evidence: {} };
  const { finding, evidence } = await signals.drift(call, champion);
  return { isOpen: judgeDrift(wasOpen, finding), evidence };
}

async function settle(
  tx: Transaction,
  champion: Champion,
  kind: Incident["kind"],
  found: { readonly isOpen: boolean; readonly evidence: Incident["evidence"] },
): Promise<void> {
  const { endpoint, environment, model, version } = champion;
  const { isOpen, evidence } = found;
  await closeIncident(tx, champion, kind);
  if (isOpen) await openIncident(tx, champion, kind, evidence);
  await tx.record({
    event: isOpen ? "retraining.incident.opened" : "retraining.incident.closed",
    subject: `${environment}/${endpoint}`,
    detail: { kind, version: `${model}/${version}`, evidence },
  });
}
