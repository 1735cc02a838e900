import {
  asEpochMicros,
  type CallContext,
  type Clock,
  type EpochMicros,
  isPortolanError,
  PortolanError,
  type Sql,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { Admission, AdmissionQueue, Approval, QueuedWork, QueueView } from "../contract.ts";
import type { CapacityErrorCode } from "../errors.ts";
import { idleText } from "../idle/idle-view.ts";
import { evictionOf, watchUse } from "../idle/watch-use.ts";
import type { ApprovalSizes, CardsAtWork, TeamNames } from "../ports.ts";
import { boundedPriority } from "../quota/tree.ts";
import { findQuotas, lockOrganisation } from "../store.ts";
import {
  countWaiting,
  endedWork,
  findWorkload,
  insertWorkload,
  moveWorkload,
  noteApproval,
  noteIdle,
  openWorkloads,
  refreshWorkload,
  waitingAmong,
} from "../workload-store.ts";
import { aboveSize, workSize } from "./approval-size.ts";
import { usualMicros } from "./expected-wait.ts";
import { hindranceAlone } from "./hindrance.ts";
import { approvalText, isWatchedElsewhere, queueView, refusalText, waitText } from "./queue-view.ts";
import { namedRequest, resolveRequest } from "./resolve-request.ts";
import { requireTeam, teamNode } from "./round.ts";
import { settleQueue, treeInForce, type WakeDeps } from "./settle-queue.ts";
import type { Workload } from "./workload.ts";

export interface QueueDeps extends WakeDeps {
  readonly work: UnitOfWork;
  readonly teams: TeamNames;
  readonly approvals: ApprovalSizes;
  readonly cards: CardsAtWork;
  readonly clock: Clock;
}

/** Whoever waits is woken when its turn comes; that is the net under it. */
const askAgainMicros = 30_000_000;
/** A decision wakes it; a charter that came to let it begin by itself does not. */
const askApprovalAgainMicros = 60_000_000;
/** Whoever has it go on wakes it. */
const askStoppedAgainMicros = 600_000_000;
/** A look at the queue takes longer the more wait: 2,000 that ask for more than there is took five seconds of a core. */
const mostWaiting = 1_000;
const mib = 2 ** 20;

/** The queue of the embedded backend: everything that it knows is in rows. */
export function createAdmissionQueue(deps: QueueDeps): AdmissionQueue {
  return {
    prepare: (call, work) => prepare(deps, call, work),
    hindrance: (call, work) => hindrance(deps, call, work),
    enter: (tx, work, job) => enter(deps, tx, work, job),
    ask: (tx, work, job) => ask(deps, tx, work, job),
    evictedBy: async (sql, id) => evictionOf(await findWorkload(sql, id)),
    watchUse: (id, startedAt) => watchUse(deps, id, startedAt),
    refusal: async (sql, id) => refusalOf((await findWorkload(sql, id))?.approval),
    putBack: (tx, id, notBefore) => putBack(deps, tx, id, notBefore),
    release: (tx, id) => release(deps, tx, id),
    waitingAmong,
    view: (sql, organisationId, id) => view(deps, sql, { organisationId, id }),
  };
}

async function prepare(
  { work: uow, teams, approvals }: QueueDeps,
  call: CallContext,
  { request = {}, assumed, ...work }: Parameters<AdmissionQueue["prepare"]>[1],
): Promise<QueuedWork | undefined> {
  const { organisationId } = call.actor;
  const { useCaseId, isElsewhere = false } = work;
  const { kept, known } = await uow.read(call, async (sql) => ({
    kept: await findQuotas(sql, organisationId),
    known: await findWorkload(sql, work.id),
  }));
  const inForce = treeInForce(kept);
  const tree = isElsewhere ? undefined : inForce;
  const size = useCaseId === undefined ? undefined : await approvals.ofUseCase(call, useCaseId);
  const approvalFor = size && aboveSize(workSize(request, assumed), size);
  // What is in the queue already asks until it is over, whatever became of quotas and charter meanwhile.
  if (!inForce && approvalFor === undefined && !known) return undefined;
  const team = useCaseId === undefined ? undefined : await teams.ofUseCase(organisationId, useCaseId);
  // On another cluster it takes no part of the quotas; where these look for idle work it is in the queue to be judged.
  const isListed = isWatchedElsewhere({ isElsewhere, team }, inForce);
  if (!tree && approvalFor === undefined && !known && !isListed) return undefined;
  return {
    ...work,
    priority: boundedPriority(tree && teamNode(tree, team), work.priority),
    ...(team === undefined ? {} : { team }),
    ...(approvalFor === undefined ? {} : { approvalFor }),
    asked: tree
      ? resolveRequest(request, tree)
      : ((isListed && inForce ? resolvedOf(request, inForce) : undefined) ?? namedRequest(request)),
    assumed: {
      cpu: Math.ceil(assumed.cpu * 1000),
      memory: Math.ceil(assumed.memoryBytes / mib),
      pods: 1,
    },
  };
}

/** On another cluster cards may be of another name than the quotas know. */
function resolvedOf(...question: Parameters<typeof resolveRequest>) {
  try {
    return resolveRequest(...question);
  } catch (error) {
    if (isPortolanError(error) && error.code === ("capacity.request_not_valid" satisfies CapacityErrorCode))
      return undefined;
    throw error;
  }
}

async function hindrance(
  deps: QueueDeps,
  call: CallContext,
  work: Parameters<AdmissionQueue["hindrance"]>[1],
): Promise<string | undefined> {
  const { organisationId } = call.actor;
  try {
    const queued = await prepare(deps, call, work);
    if (!queued) return undefined;
    const { tree, waiting } = await deps.work.read(call, async (sql) => ({
      tree: treeInForce(await findQuotas(sql, organisationId)),
      waiting: await countWaiting(sql, organisationId),
    }));
    if (waiting >= mostWaiting) return `would be refused: ${mostWaiting} runs wait for their quotas already`;
    return tree && queued.isElsewhere !== true ? hindranceAlone(tree, queued) : undefined;
  } catch (error) {
    // It asks for what the quotas in force do not know: another file of them may.
    if (isPortolanError(error) && error.code === ("capacity.request_not_valid" satisfies CapacityErrorCode))
      return `would be refused: ${error.detail ?? error.message}`;
    throw error;
  }
}

async function enter(deps: QueueDeps, tx: Transaction, work: QueuedWork, job: string): Promise<void> {
  requireTeam(work);
  await insert(deps, tx, work, job);
}

async function insert(deps: QueueDeps, tx: Transaction, work: QueuedWork, job: string): Promise<void> {
  const { onBehalfOf } = tx.call;
  const { organisationId, id: startedBy } = tx.call.actor;
  await lockOrganisation(tx.sql, organisationId);
  if ((await countWaiting(tx.sql, organisationId)) >= mostWaiting)
    throw new PortolanError<CapacityErrorCode>("capacity.queue_full", {
      detail: `${mostWaiting} runs wait for their quotas already`,
      mend: "Wait until some have begun, or cancel those that never will: portolan job list.",
    });
  await insertWorkload(tx.sql, organisationId, {
    ...work,
    job,
    startedBy,
    ...(onBehalfOf === undefined ? {} : { startedFor: onBehalfOf }),
    arrivedAt: tx.now,
  });
  if (work.approvalFor !== undefined) await awaitApproval(tx, work.id, work.approvalFor);
  await settleQueue(deps, tx, work.id);
}

async function ask(deps: QueueDeps, tx: Transaction, work: QueuedWork, job: string): Promise<Admission> {
  const { id, asked, assumed, isPreemptible, notBefore = null } = work;
  const found = await findWorkload(tx.sql, id);
  const refused = refusalOf(found?.approval);
  if (refused !== undefined)
    throw new PortolanError<CapacityErrorCode>("capacity.approval_refused", {
      detail: refused,
      mend: "Ask for less, or speak with who refused it.",
    });
  // It was submitted before anything had to be asked.
  if (!found) await insert(deps, tx, work, job);
  else {
    const amounts = found.state === "waiting" ? { amounts: { asked, assumed } } : {};
    await refreshWorkload(tx.sql, id, { isPreemptible, notBefore, ...amounts });
  }
  if (found?.state === "running" || found?.state === "ended") return { kind: "go" };
  await lockOrganisation(tx.sql, tx.call.actor.organisationId);
  // Whoever was to be stopped and asks anew has ended, if by the death of its process.
  const before = await findWorkload(tx.sql, id);
  if (before?.state === "evicting") await leave(deps, tx, before, { gaveWay: true });
  const stopped = await stoppedText(tx.sql, id, tx.now);
  if (stopped !== undefined)
    return { kind: "wait", note: stopped, until: asEpochMicros(tx.now + askStoppedAgainMicros) };
  if (await isHeldBack(deps, tx, work))
    return {
      kind: "wait",
      note: approvalText(work.approvalFor ?? ""),
      until: asEpochMicros(tx.now + askApprovalAgainMicros),
    };
  return askQuota(deps, tx, work);
}

/** It has ended for now: what did nothing waits for a person, all else for its turn. */
async function leave(
  deps: QueueDeps,
  tx: Transaction,
  { id, state, idle }: Workload,
  { gaveWay }: { readonly gaveWay?: boolean } = {},
): Promise<void> {
  const isIdle = state === "evicting" && idle?.stopped !== undefined;
  await moveWorkload(tx.sql, id, {
    state: isIdle ? "stopped" : "waiting",
    ...(gaveWay === true && !isIdle ? { gaveWay } : {}),
    now: tx.now,
  });
  if (isIdle) await settleQueue(deps, tx, id);
}

async function stoppedText(sql: Sql, id: string, now: number): Promise<string | undefined> {
  const work = await findWorkload(sql, id);
  return work?.state === "stopped" ? idleText(work, now) : undefined;
}

/**
 * Whether somebody has to approve it before it begins, by the charter of now: one that came to let it begin withdraws the question, one that came to
 * ask holds back what has not begun.
 */
async function isHeldBack(deps: QueueDeps, tx: Transaction, work: QueuedWork): Promise<boolean> {
  const { id, approvalFor } = work;
  const row = await findWorkload(tx.sql, id);
  if (row?.approval?.state === "approved") return false;
  if (approvalFor === undefined) {
    if (row?.approval) await noteApproval(tx.sql, id, undefined);
    return false;
  }
  if (row?.approval?.for !== approvalFor) await awaitApproval(tx, id, approvalFor);
  if (row?.state === "admitted") {
    await moveWorkload(tx.sql, id, { state: "waiting", now: tx.now });
    await settleQueue(deps, tx, id);
  }
  return true;
}

async function awaitApproval(tx: Transaction, id: string, what: string): Promise<void> {
  await noteApproval(tx.sql, id, { state: "awaited", for: what });
  await tx.record({ event: "capacity.approval.asked", subject: id, detail: { for: what } });
}

function refusalOf(approval: Approval | undefined): string | undefined {
  return approval?.state === "refused" ? refusalText(approval) : undefined;
}

async function askQuota(deps: QueueDeps, tx: Transaction, work: QueuedWork): Promise<Admission> {
  const { id } = work;
  const round = await settleQueue(deps, tx, id);
  if (!round || work.isElsewhere === true || round.mayBegin.has(id)) {
    await moveWorkload(tx.sql, id, { state: "running", now: tx.now });
    return { kind: "go" };
  }
  const wait = round.waits.get(id);
  return {
    kind: "wait",
    note: wait
      ? waitText(wait, work.team ?? "")
      : "has its part of the quota, and waits until who had it before has ended",
    until: asEpochMicros(tx.now + askAgainMicros),
  };
}

async function putBack(deps: QueueDeps, tx: Transaction, id: string, notBefore?: EpochMicros): Promise<void> {
  const found = await findWorkload(tx.sql, id);
  if (!found || found.state === "ended" || found.state === "stopped") return;
  // What does not run has nothing to give back, unless it may not begin now: then its part is for others, and its place is looked at again later.
  if (notBefore === undefined && (found.state === "waiting" || found.state === "admitted")) return;
  await lockOrganisation(tx.sql, found.organisationId);
  if (found.state !== "waiting") await leave(deps, tx, found);
  if (notBefore !== undefined)
    await refreshWorkload(tx.sql, id, { isPreemptible: found.isPreemptible, notBefore });
  await settleQueue(deps, tx, id);
}

async function release(deps: QueueDeps, tx: Transaction, id: string): Promise<void> {
  const found = await findWorkload(tx.sql, id);
  if (!found || found.state === "ended") return;
  await lockOrganisation(tx.sql, found.organisationId);
  const work = await findWorkload(tx.sql, id);
  const { stopped, ...idle } = work?.idle ?? {};
  // It came to its own end before it had to go.
  if (work?.state === "evicting" && stopped)
    await noteIdle(tx.sql, id, Object.keys(idle).length === 0 ? undefined : idle);
  await moveWorkload(tx.sql, id, { state: "ended", now: tx.now });
  await settleQueue(deps, tx, id);
}

async function view(
  { clock }: QueueDeps,
  sql: Sql,
  { organisationId, id }: { readonly organisationId: string; readonly id: string },
): Promise<QueueView | undefined> {
  const work = await findWorkload(sql, id);
  if (work?.organisationId !== organisationId) return undefined;
  const tree = treeInForce(await findQuotas(sql, organisationId));
  const isWaiting = work.state === "waiting";
  const open = isWaiting ? await openWorkloads(sql, organisationId) : [];
  const usual = usualMicros(isWaiting ? await endedWork(sql, organisationId) : []);
  return queueView(work, tree, open, { now: clock.now(), usual });
}
