import type { Transaction } from "@portolan/kernel";
import { teamNode } from "../admission/round.ts";
import { settleQueue, treeInForce, type WakeDeps } from "../admission/settle-queue.ts";
import type { Workload } from "../admission/workload.ts";
import type { Eviction, UseWatch } from "../contract.ts";
import type { CardsAtWork } from "../ports.ts";
import type { QuotaTree } from "../quota/tree.ts";
import { findQuotas, lockOrganisation } from "../store.ts";
import { findWorkload, moveWorkload, noteIdle } from "../workload-store.ts";
import { heldOf, heldTexts, idleReason, instantOf, useText } from "./held.ts";
import { type Held, type IdleVerdict, judgeIdle, type UseSeen, withLook } from "./judge-idle.ts";

export interface WatchUseDeps extends WakeDeps {
  readonly cards: CardsAtWork;
}

const nothing: UseSeen = { at: 0, cpuMicros: 0, cardBusyMicros: 0, cardSeenMicros: 0 };

/**
 * Watches one start of a run. The looks are kept here and nowhere else: they are of a process that ends with this one. What was told, kept and stopped is
 * in the run's row.
 */
export function watchUse(deps: WatchUseDeps, id: string, startedAt: number): UseWatch {
  let looks: readonly UseSeen[] = [];
  return {
    isWanted: async (sql, organisationId) => {
      const found = await findWorkload(sql, id);
      if (found?.state !== "running") return found?.state === "evicting";
      const tree = treeInForce(await findQuotas(sql, organisationId));
      return (
        found.idle?.notice !== undefined || (tree && teamNode(tree, found.team)?.queue?.idle) !== undefined
      );
    },
    look: async (tx, used) => {
      const quotas = await findQuotas(tx.sql, tx.call.actor.organisationId);
      const tree = treeInForce(quotas);
      const found = await findWorkload(tx.sql, id);
      if (found?.state !== "running") return;
      const policy = tree && teamNode(tree, found.team)?.queue?.idle;
      if (!policy && !found.idle?.notice) {
        looks = [];
        return;
      }
      const heldBy = (work: Workload): Held => (tree ? heldOf(tree, work) : { cores: 0, cards: 0 });
      if (policy && used) {
        const told = () => (found.isElsewhere === true ? used.busiestCard : deps.cards.busiest());
        const busiest = heldBy(found).cards > 0 ? told() : undefined;
        const seen = seenAt(looks.at(-1) ?? nothing, tx.now, used, busiest);
        looks = withLook(looks, seen, policy, found.idle?.notice);
      }
      // Without a look there is nothing to judge by; the gap that it leaves is judged by the next one.
      if (policy && !used) return;
      const judged = (work: Workload): IdleVerdict =>
        judgeIdle({ policy, held: heldBy(work), looks, startedAt, ...toldOf(work) });
      // Most looks change nothing, and hold nobody else up.
      if (judged(found).kind === "as it was") return;
      await lockOrganisation(tx.sql, tx.call.actor.organisationId);
      // Somebody may have had it kept, or it may have been evicted, since.
      const work = await findWorkload(tx.sql, id);
      if (work?.state !== "running") return;
      const verdict = judged(work);
      const held = heldBy(work);
      if (verdict.kind === "withdraw") looks = looks.slice(-1);
      if (verdict.kind !== "as it was") await settle(deps, tx, { work, tree, held, verdict });
    },
  };
}

/** What of its row a verdict rests on. Pure. */
function toldOf({ isPreemptible, idle = {} }: Workload) {
  const { notice, kept } = idle;
  return {
    isPreemptible,
    ...(notice ? { noticed: notice } : {}),
    ...(kept ? { keptUntil: kept.until } : {}),
  };
}

/** Cards were at work since the last look as they are now. Pure. */
export function seenAt(
  last: UseSeen,
  now: number,
  { cpuMicros }: { readonly cpuMicros: number },
  busiest: number | undefined,
): UseSeen {
  const since = last.at === 0 || busiest === undefined ? 0 : Math.max(0, now - last.at);
  return {
    at: now,
    cpuMicros,
    cardBusyMicros: last.cardBusyMicros + (since * (busiest ?? 0)) / 100,
    cardSeenMicros: last.cardSeenMicros + since,
  };
}

interface Found {
  readonly work: Workload;
  readonly tree: QuotaTree | undefined;
  readonly held: Held;
  readonly verdict: Exclude<IdleVerdict, { readonly kind: "as it was" }>;
}

async function settle(deps: WakeDeps, tx: Transaction, { work, tree, held, verdict }: Found): Promise<void> {
  const { id, team = "", startedBy, idle = {} } = work;
  const { notice: stood, ...rest } = idle;
  switch (verdict.kind) {
    case "notice": {
      const { notice } = verdict;
      await noteIdle(tx.sql, id, { ...rest, notice: { ...notice, held } });
      await tx.record({
        event: "capacity.idle.noticed",
        subject: id,
        detail: {
          team,
          startedBy,
          used: useText(notice.use, held),
          since: instantOf(notice.since),
          stopAt: notice.stopAt === undefined ? null : instantOf(notice.stopAt),
        },
      });
      return;
    }
    case "withdraw":
      await noteIdle(tx.sql, id, Object.keys(rest).length === 0 ? undefined : rest);
      await tx.record({
        event: "capacity.idle.withdrawn",
        subject: id,
        detail: { team, because: verdict.because },
      });
      return;
    case "stop": {
      const { use, wasted } = verdict;
      // On another cluster it has no part of the quotas that others could get.
      const freed = work.isElsewhere === true ? [] : ((tree && heldTexts(tree, work)) ?? []);
      const stopped = { at: tx.now, since: stood?.since ?? tx.now, held, freed, use, wasted };
      await noteIdle(tx.sql, id, { ...rest, stopped });
      // It has lost its part; who gets it begins once it has ended.
      await moveWorkload(tx.sql, id, { state: "evicting", now: tx.now });
      await tx.record({
        event: "capacity.idle.stopped",
        subject: id,
        detail: {
          team,
          startedBy,
          used: useText(use, held),
          since: instantOf(stopped.since),
          noticedAt: stood === undefined ? null : instantOf(stood.at),
          freed,
          wastedCpuSeconds: Math.round(wasted.cpuSeconds),
          wastedGpuSeconds: Math.round(wasted.cardSeconds),
        },
      });
      await settleQueue(deps, tx, id);
    }
  }
}

/** Why work that is being stopped has to go. Pure. */
export function evictionOf(
  work: Pick<Workload, "state" | "evictedBy" | "idle"> | undefined,
): Eviction | undefined {
  if (work?.state !== "evicting") return undefined;
  const { stopped } = work.idle ?? {};
  return stopped
    ? { reason: idleReason(stopped), isIdle: true }
    : { reason: `${work.evictedBy ?? "another one"} goes before it by the quotas`, isIdle: false };
}
