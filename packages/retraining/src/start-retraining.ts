import { type CallContext, newId, type Transaction } from "@portolan/kernel";
import type { Retraining, RetrainingCause, RetrainingRequest, RetrainingTerms } from "./contract.ts";
import { callFor, placeOf } from "./controller.ts";
import { endHold } from "./hold-store.ts";
import { beyondRuns } from "./policy/decide-retraining.ts";
import { startOfMonth } from "./policy/spending.ts";
import type { Champion, Permit } from "./ports.ts";
import { viewOf } from "./read-retrainings.ts";
import { type RetrainingDeps, refused, requireEndpoint } from "./retraining-deps.ts";
import { termsInForce } from "./set-policy.ts";
import { findOpenId, findRetraining, historyOf, insertRetraining, type StoredRetraining } from "./store.ts";

/**
 * Has an endpoint's model trained again because somebody wants it. It need not wait for the cool-down; runs that are allowed and permits hold for it
 * too. Whoever asks must be allowed to, for what comes out may be promoted and released without them.
 *
 * @throws PortolanError `retraining.already_running`, `retraining.not_permitted`, and what `Authorizer.require` throws
 */
export async function startRetraining(
  deps: RetrainingDeps,
  call: CallContext,
  endpoint: string,
  { environment, reason }: RetrainingRequest,
): Promise<Retraining> {
  const champion = await requireEndpoint(deps, call, { endpoint, environment }, "retraining:start");
  const terms = await termsInForce(deps, call, champion);
  const permit = await permitFor(deps, call, champion, terms);
  if (permit.kind === "no")
    throw refused(
      "retraining.not_permitted",
      `Not now: ${permit.because}.`,
      "Wait, or have the policy changed.",
    );
  const cause: RetrainingCause = { trigger: "manual", reason, evidence: permit.evidence };
  const requestedBy = call.onBehalfOf ?? call.actor.id;
  const started = await deps.work.write(call, (tx) => begin(tx, { champion, terms, cause, requestedBy }));
  if (typeof started === "string")
    throw refused(
      "retraining.already_running",
      `${started} of the same use case is under way.`,
      `Wait for it, or end it: portolan retrain cancel ${started}`,
    );
  return viewOf(started);
}

/** Whether any retraining may begin, whoever wants it. */
export async function permitFor(
  { work, permits, clock }: Pick<RetrainingDeps, "work" | "permits" | "clock">,
  call: CallContext,
  champion: Champion,
  terms: RetrainingTerms,
): Promise<Permit> {
  const now = clock.now();
  const { organisationId } = call.actor;
  const since = now - terms.periodMs * 1000;
  const { starts } = await work.read(call, (sql) =>
    historyOf(sql, organisationId, champion.useCaseId, since),
  );
  const because = beyondRuns(terms, starts, now);
  if (because !== undefined) return { kind: "no", because, by: ["starts"] };
  const { budgetMs: ms, budgetPerMonth: perMonth } = terms;
  // As the controller that takes the steps: what runs are made from need not be for the asker to read.
  return permits.mayRun(callFor(organisationId, now), champion, {
    ...(ms === undefined ? {} : { time: { ms, since } }),
    ...(perMonth === undefined ? {} : { money: { perMonth, since: startOfMonth(now) } }),
  });
}

export interface Beginning {
  readonly champion: Champion;
  readonly terms: RetrainingTerms;
  readonly cause: RetrainingCause;
  readonly requestedBy: string;
}

/** The row and its ledger row. @returns the id of the one that is under way, where there is one */
export async function begin(tx: Transaction, beginning: Beginning): Promise<StoredRetraining | string> {
  const { organisationId } = tx.call.actor;
  const open = await findOpenId(tx.sql, organisationId, beginning.champion.useCaseId);
  if (open !== undefined) return open;
  await endHold(tx, beginning.champion);
  const id = newId("retraining", tx.now);
  await insertRetraining(tx, { ...beginning, id });
  const stored = await findRetraining(tx.sql, organisationId, id);
  if (!stored) throw new Error(`the retraining ${id} is not stored`);
  const { trigger, reason, evidence } = beginning.cause;
  await tx.record({
    event: "retraining.run.started",
    subject: id,
    detail: { ...placeOf(stored), trigger, reason: reason.slice(0, 500), evidence },
  });
  return stored;
}
