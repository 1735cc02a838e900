import type { Transaction } from "@portolan/kernel";
import { readQuotas } from "../quota/read-quotas.ts";
import type { QuotaTree } from "../quota/tree.ts";
import { findQuotas, type KeptQuotas, lockOrganisation } from "../store.ts";
import { markGaveWay, moveWorkload, noteWait, openWorkloads } from "../workload-store.ts";
import { admissionRound, isAwaitingApproval, type Round } from "./round.ts";
import type { Workload } from "./workload.ts";

export interface WakeDeps {
  /** Has jobs that were put off looked at again once the transaction is through. */
  readonly wake: (tx: Transaction, jobs: readonly string[]) => Promise<void>;
}

/** Reading the file takes longer than the round; one tree an organisation is kept. */
const trees = new Map<string, { readonly digest: string; readonly tree: QuotaTree }>();

/** The tree of what is in force; undefined where nothing is. */
export function treeInForce(kept: KeptQuotas | undefined): QuotaTree | undefined {
  if (kept === undefined || kept.quotas === null) return undefined;
  const known = trees.get(kept.organisationId);
  if (known?.digest === kept.digest) return known.tree;
  const { tree } = readQuotas(kept.quotas, "quotas");
  trees.set(kept.organisationId, { digest: kept.digest, tree });
  return tree;
}

/**
 * Looks at the organisation's queue and writes down what changed: who is let in, who has to go, and why the others wait. All of it from the rows, so
 * that a process that died has left nothing behind but them.
 *
 * @param asking its job is at work and need not be woken
 * @returns the round; undefined where there are no quotas
 */
export async function settleQueue(
  deps: WakeDeps,
  tx: Transaction,
  asking?: string,
): Promise<Round | undefined> {
  const { organisationId } = tx.call.actor;
  await lockOrganisation(tx.sql, organisationId);
  const open = await openWorkloads(tx.sql, organisationId);
  const tree = treeInForce(await findQuotas(tx.sql, organisationId));
  const jobsOf = (ids: ReadonlySet<string>): string[] =>
    open.flatMap(({ id, job }) => (ids.has(id) && id !== asking ? [job] : []));
  if (!tree) {
    const mayBegin = open.filter((work) => work.state !== "stopped" && !isAwaitingApproval(work));
    await deps.wake(tx, jobsOf(new Set(mayBegin.map(({ id }) => id))));
    return undefined;
  }
  const round = admissionRound(tree, open, tx.now);
  await writeRound(tx, open, round);
  await deps.wake(tx, jobsOf(round.mayBegin));
  return round;
}

async function writeRound(tx: Transaction, open: readonly Workload[], round: Round): Promise<void> {
  const byId = new Map(open.map((work) => [work.id, work]));
  const now = tx.now;
  await markGaveWay(tx.sql, round.gaveWay);
  for (const { id, by } of round.evicted) {
    const { state, team = "" } = byId.get(id) ?? {};
    await moveWorkload(tx.sql, id, {
      state: state === "running" ? "evicting" : "waiting",
      evictedBy: by,
      now,
    });
    await tx.record({
      event: "capacity.workload.evicted",
      subject: id,
      detail: { by, team, priority: byId.get(id)?.priority ?? 0, ran: state === "running" },
    });
  }
  let seq = open.reduce((most, { admittedSeq = 0 }) => Math.max(most, admittedSeq), 0);
  for (const { id, isBorrowing } of round.admitted) {
    const { team = "", arrivedAt = now } = byId.get(id) ?? {};
    await moveWorkload(tx.sql, id, { state: "admitted", seq: ++seq, now });
    await tx.record({
      event: "capacity.workload.admitted",
      subject: id,
      detail: { team, isBorrowing, sinceArrivalSeconds: Math.floor((now - arrivedAt) / 1e6) },
    });
  }
  for (const [id, wait] of round.waits) {
    const before = byId.get(id)?.wait;
    const isSame =
      before?.reason === wait.reason &&
      before.resource === wait.resource &&
      before.position === wait.position;
    if (!isSame) await noteWait(tx.sql, id, wait);
  }
}
