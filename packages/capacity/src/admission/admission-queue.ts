import {
  asEpochMicros,
  type CallContext,
  type Clock,
  type EpochMicros,
  PortolanError,
  type Sql,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { Admission, AdmissionQueue, QueuedWork, QueueView } from "../contract.ts";
import type { CapacityErrorCode } from "../errors.ts";
import type { TeamNames } from "../ports.ts";
import { boundedPriority } from "../quota/tree.ts";
import { findQuotas, lockOrganisation } from "../store.ts";
import {
  countWaiting,
  endedWork,
  evictedBy,
  findWorkload,
  insertWorkload,
  moveWorkload,
  openWorkloads,
  refreshWorkload,
  waitingAmong,
} from "../workload-store.ts";
import { usualMicros } from "./expected-wait.ts";
import { queueView, waitText } from "./queue-view.ts";
import { resolveRequest } from "./resolve-request.ts";
import { requireTeam, teamNode } from "./round.ts";
import { settleQueue, treeInForce, type WakeDeps } from "./settle-queue.ts";

export interface QueueDeps extends WakeDeps {
  readonly work: UnitOfWork;
  readonly teams: TeamNames;
  readonly clock: Clock;
}

/** Whoever waits is woken when its turn comes; that is the net under it. */
const askAgainMicros = 30_000_000;
/** A look at the queue takes longer the more wait: 2,000 that ask for more than there is took five seconds of a core. */
const mostWaiting = 1_000;
const mib = 2 ** 20;

/** The queue of the embedded backend: everything that it knows is in rows. */
export function createAdmissionQueue(deps: QueueDeps): AdmissionQueue {
  return {
    prepare: (call, work) => prepare(deps, call, work),
    enter: (tx, work, job) => enter(deps, tx, work, job),
    ask: (tx, work, job) => ask(deps, tx, work, job),
    evictedBy: async (sql, id) => {
      const by = await evictedBy(sql, id);
      return by === undefined ? undefined : `${by} goes before it by the quotas`;
    },
    putBack: (tx, id, notBefore) => putBack(deps, tx, id, notBefore),
    release: (tx, id) => release(deps, tx, id),
    waitingAmong,
    view: (sql, organisationId, id) => view(deps, sql, { organisationId, id }),
  };
}

async function prepare(
  { work: uow, teams }: QueueDeps,
  call: CallContext,
  { request, assumed, ...work }: Parameters<AdmissionQueue["prepare"]>[1],
): Promise<QueuedWork | undefined> {
  const { organisationId } = call.actor;
  const tree = treeInForce(await uow.read(call, (sql) => findQuotas(sql, organisationId)));
  if (!tree) return undefined;
  const team =
    work.useCaseId === undefined ? undefined : await teams.ofUseCase(organisationId, work.useCaseId);
  return {
    ...work,
    priority: boundedPriority(teamNode(tree, team), work.priority),
    ...(team === undefined ? {} : { team }),
    asked: resolveRequest(request, tree),
    assumed: {
      cpu: Math.ceil(assumed.cpu * 1000),
      memory: Math.ceil(assumed.memoryBytes / mib),
      pods: 1,
    },
  };
}

async function enter(deps: QueueDeps, tx: Transaction, work: QueuedWork, job: string): Promise<void> {
  requireTeam(work);
  await insert(deps, tx, work, job);
}

async function insert(deps: QueueDeps, tx: Transaction, work: QueuedWork, job: string): Promise<void> {
  const { organisationId, id: startedBy } = tx.call.actor;
  await lockOrganisation(tx.sql, organisationId);
  if ((await countWaiting(tx.sql, organisationId)) >= mostWaiting)
    throw new PortolanError<CapacityErrorCode>("capacity.queue_full", {
      detail: `${mostWaiting} runs wait for their quotas already`,
      mend: "Wait until some have begun, or cancel those that never will: portolan job list.",
    });
  await insertWorkload(tx.sql, organisationId, { ...work, job, startedBy, arrivedAt: tx.now });
  await settleQueue(deps, tx, work.id);
}

async function ask(deps: QueueDeps, tx: Transaction, work: QueuedWork, job: string): Promise<Admission> {
  const { id } = work;
  const known = { isPreemptible: work.isPreemptible, notBefore: work.notBefore ?? null };
  const found = await findWorkload(tx.sql, id);
  // It was submitted before there were quotas.
  if (!found) await insert(deps, tx, work, job);
  else await refreshWorkload(tx.sql, id, known);
  if (found?.state === "running" || found?.state === "ended") return { kind: "go" };
  await lockOrganisation(tx.sql, tx.call.actor.organisationId);
  // Whoever was to be stopped and asks anew has ended, if by the death of its process.
  if ((await findWorkload(tx.sql, id))?.state === "evicting")
    await moveWorkload(tx.sql, id, { state: "waiting", gaveWay: true, now: tx.now });
  const round = await settleQueue(deps, tx, id);
  if (!round || round.mayBegin.has(id)) {
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
  if (!found || (found.state !== "running" && found.state !== "evicting")) return;
  await lockOrganisation(tx.sql, found.organisationId);
  await moveWorkload(tx.sql, id, { state: "waiting", now: tx.now });
  if (notBefore !== undefined)
    await refreshWorkload(tx.sql, id, { isPreemptible: found.isPreemptible, notBefore });
  await settleQueue(deps, tx, id);
}

async function release(deps: QueueDeps, tx: Transaction, id: string): Promise<void> {
  const found = await findWorkload(tx.sql, id);
  if (!found || found.state === "ended") return;
  await lockOrganisation(tx.sql, found.organisationId);
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
