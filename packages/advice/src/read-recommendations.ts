import {
  type Authorizer,
  addMoney,
  type CallContext,
  type Clock,
  formatMoney,
  PortolanError,
  type ResourceRef,
  requireSeen,
  type UnitOfWork,
} from "@portolan/kernel";
import type { Cost } from "@portolan/planner/contract";
import type { FollowedRecommendation, Recommendation, RecommendationList } from "./contract.ts";
import type { AdviceErrorCode } from "./errors.ts";
import { type Advised, judge } from "./judge.ts";
import type { AdviceSources } from "./ports.ts";
import { parseMoneyText, savedMonthly, savedSince } from "./saved.ts";
import { costTexts, sum } from "./savings.ts";
import { type AdviceRow, findAdvice, listAdvice, saveDismissed, saveFound } from "./store.ts";

export interface AdviceDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly sources: AdviceSources;
}

type Action = "advice:read" | "advice:dismiss";

/** What could cost less now, and what became of earlier advice; about things alone that the caller may read. */
export async function readRecommendations(
  { work, authorizer, clock, sources }: AdviceDeps,
  call: CallContext,
): Promise<RecommendationList> {
  const now = clock.now();
  const { advice } = judge({ facts: await sources.facts(call), prices: sources.prices(now) });
  const rows = await work.read(call, (sql) => listAdvice(sql, call.actor.organisationId));
  const kept = new Map(rows.map((row) => [row.id, row]));
  const maySee = async ({ subject }: Recommendation): Promise<boolean> =>
    (await authorizer.decide(call, "advice:read", resourceOf(call, subject))).allowed;
  const open: Advised[] = [];
  for (const one of advice) if (await maySee(one.recommendation)) open.push(one);
  const found = new Set(open.map(({ recommendation }) => recommendation.id));
  const past: AdviceRow[] = [];
  for (const row of rows) {
    // What is open and was not found just now is followed with the next round.
    if (row.state === "open" || found.has(row.id)) continue;
    if (await maySee(row.recommendation)) past.push(row);
  }
  const recommendations = [
    ...open.map(({ recommendation }) => current(recommendation, kept.get(recommendation.id), now)),
    ...past.map((row) => pastOne(row, now)),
  ];
  const isOpen = ({ recommendation }: Advised) => kept.get(recommendation.id)?.state !== "dismissed";
  const total = totalOf(open.filter(isOpen));
  const saved = past.flatMap((row) => savedBy(row, now)?.soFar ?? []);
  return {
    recommendations,
    ...(total ? { total: costTexts(total) } : {}),
    ...(saved.length > 0 ? { savedSoFar: formatMoney(saved.reduce(addMoney)) } : {}),
    judgedAt: now,
  };
}

/**
 * Says why a recommendation is not followed; it is shown as dismissed from then on.
 *
 * @throws PortolanError `kernel.not_found`, `advice.not_open`, and what `Authorizer.require` throws
 */
export async function dismissRecommendation(
  deps: AdviceDeps,
  call: CallContext,
  id: string,
  reason: string,
): Promise<FollowedRecommendation> {
  const { work, authorizer, clock, sources } = deps;
  const { organisationId } = call.actor;
  const { advice } = judge({ facts: await sources.facts(call), prices: sources.prices(clock.now()) });
  const now = advice.find(({ recommendation }) => recommendation.id === id);
  const kept = await work.read(call, (sql) => findAdvice(sql, organisationId, id));
  const missing = (): PortolanError =>
    new PortolanError("kernel.not_found", { detail: `there is no recommendation ${id}` });
  const about = now?.recommendation ?? kept?.recommendation;
  if (!about) throw missing();
  const action: Action = "advice:dismiss";
  await requireSeen(authorizer, call, { action, resource: resourceOf(call, about.subject) }, missing);
  if (!now) throw notOpen(id, kept?.state ?? "gone");
  return work.write(call, async (tx) => {
    const costBefore = now.costsNow ? formatMoney(now.costsNow.expected) : null;
    await saveFound(tx.sql, [{ organisationId, recommendation: now.recommendation, costBefore, at: tx.now }]);
    const row = { organisation_id: organisationId, id };
    if (!(await saveDismissed(tx.sql, row, { at: tx.now, by: call.actor.id, reason })))
      throw notOpen(id, "dismissed");
    const { kind, subject } = now.recommendation;
    await tx.record({
      event: "advice.recommendation.dismissed",
      subject: id,
      detail: { kind, about: subject.name, environment: subject.environment, reason },
    });
    const saved = await findAdvice(tx.sql, organisationId, id);
    return current(now.recommendation, saved, tx.now);
  });
}

function notOpen(id: string, state: string): PortolanError<AdviceErrorCode> {
  return new PortolanError<AdviceErrorCode>("advice.not_open", {
    detail: `${id} is ${state}`,
    mend: "portolan advise shows the ones that are open.",
  });
}

function current(
  recommendation: Recommendation,
  row: AdviceRow | undefined,
  now: number,
): FollowedRecommendation {
  const isDismissed = row?.state === "dismissed";
  return {
    recommendation,
    state: isDismissed ? "dismissed" : "open",
    firstFoundAt: row?.first_found_at ?? now,
    ...(isDismissed ? dismissalOf(row) : {}),
  };
}

function pastOne(row: AdviceRow, now: number): FollowedRecommendation {
  const saved = savedBy(row, now);
  return {
    recommendation: row.recommendation,
    state: row.state,
    firstFoundAt: row.first_found_at,
    ...(row.gone_at === null ? {} : { goneAt: row.gone_at }),
    ...dismissalOf(row),
    ...(saved ? { savesMonthly: formatMoney(saved.monthly), savedSoFar: formatMoney(saved.soFar) } : {}),
  };
}

function dismissalOf({ dismissed_by, reason }: AdviceRow) {
  return dismissed_by === null || reason === null ? {} : { dismissedBy: dismissed_by, reason };
}

function savedBy({ cost_before, cost_after, gone_at }: AdviceRow, now: number) {
  const monthly = savedMonthly(parseMoneyText(cost_before), parseMoneyText(cost_after));
  return monthly && gone_at !== null ? { monthly, soFar: savedSince(monthly, now - gone_at) } : undefined;
}

/** The greatest saving of each thing: what is taken away altogether cannot be made smaller besides. In the currency of the first one. */
function totalOf(advice: readonly Advised[]): Cost | undefined {
  const greatest = new Map<string, Cost>();
  // The greatest come first.
  for (const { recommendation, saves } of advice) {
    const { kind, name, environment, useCaseId } = recommendation.subject;
    const thing = JSON.stringify([kind, name, environment, useCaseId]);
    if (saves && !greatest.has(thing)) greatest.set(thing, saves);
  }
  const savings = [...greatest.values()];
  const currency = savings[0]?.expected.currency;
  return sum(savings.filter(({ expected }) => expected.currency === currency));
}

function resourceOf(call: CallContext, subject: Recommendation["subject"]): ResourceRef {
  const { environment, useCaseId, name } = subject;
  const of = { type: "Plan", id: name, organisationId: call.actor.organisationId, environment };
  return useCaseId === undefined ? of : { ...of, useCaseId };
}
