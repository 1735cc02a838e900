import { type CallContext, type Clock, formatMoney, type UnitOfWork, zeroMoney } from "@portolan/kernel";
import { judge } from "./judge.ts";
import type { AdviceSources } from "./ports.ts";
import { parseMoneyText } from "./saved.ts";
import { listAdvice, saveFollowed, saveFound } from "./store.ts";

export interface FollowDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly sources: AdviceSources;
}

/**
 * Judges an organisation anew and keeps what came of it: what is found is open, and what was open and is found no more was followed, with what
 * the same thing costs now; an end that is announced counts from its day. Nothing changes where facts cannot be read.
 *
 * @returns how many are open, and how many were followed since the last time
 */
export async function followRecommendations(
  { work, clock, sources }: FollowDeps,
  call: CallContext,
): Promise<{ readonly open: number; readonly followed: number }> {
  const { organisationId } = call.actor;
  const facts = await sources.facts(call);
  const { advice, costs, underWay } = judge({ facts, prices: sources.prices(clock.now()) });
  return work.write(call, async (tx) => {
    const found = new Set(advice.map(({ recommendation }) => recommendation.id));
    const before = await listAdvice(tx.sql, organisationId);
    await saveFound(
      tx.sql,
      advice.map(({ recommendation, costsNow }) => ({
        organisationId,
        recommendation,
        costBefore: costsNow ? formatMoney(costsNow.expected) : null,
        at: tx.now,
      })),
    );
    const gone = before.filter(({ id, state }) => state === "open" && !found.has(id) && !underWay.has(id));
    for (const row of gone) {
      const known = parseMoneyText(row.cost_before);
      // What is there no more costs nothing; what has no price has no figure.
      const after = costs.has(row.id) ? costs.get(row.id)?.expected : known && zeroMoney(known.currency);
      const costAfter = after ? formatMoney(after) : null;
      await saveFollowed(tx.sql, row, { at: tx.now, costAfter });
      await tx.record({
        event: "advice.recommendation.followed",
        subject: row.id,
        detail: {
          kind: row.recommendation.kind,
          about: row.recommendation.subject.name,
          environment: row.environment,
          costBefore: row.cost_before,
          costAfter,
        },
      });
    }
    return { open: found.size, followed: gone.length };
  });
}
