import {
  type Authorizer,
  asPlace,
  type CallContext,
  type Environment,
  formatInstant,
  type ResourceRef,
  type Sql,
} from "@portolan/kernel";
import type {
  AdmissionQueue,
  PoolStatus,
  QueueAnswer,
  QueueItem,
  QueueList,
  QueueQuestion,
  WorkKind,
} from "../contract.ts";
import type { QuotaTree } from "../quota/tree.ts";
import { findQuotas } from "../store.ts";
import { endedWork, openWorkloads } from "../workload-store.ts";
import type { QueueDeps } from "./admission-queue.ts";
import { usualMicros } from "./expected-wait.ts";
import { opensAt } from "./job-window.ts";
import { queueView, waitText } from "./queue-view.ts";
import { admissionRound, requireTeam } from "./round.ts";
import { treeInForce } from "./settle-queue.ts";
import { teamStatuses } from "./team-status.ts";
import { newWorkload, type Workload } from "./workload.ts";

export interface ReadQueueDeps extends QueueDeps {
  readonly authorizer: Authorizer;
  readonly admission: AdmissionQueue;
  /** What work asks for that does not say it. */
  readonly assumed: Readonly<Record<WorkKind, { readonly cpu: number; readonly memoryBytes: number }>>;
}

/** A view of many that wait reckons each one's wait: no more than that. */
const mostListed = 200;

interface Stand {
  readonly tree: QuotaTree | undefined;
  readonly open: readonly Workload[];
  readonly usual: ReturnType<typeof usualMicros>;
}

async function standOf(sql: Sql, organisationId: string): Promise<Stand> {
  return {
    tree: treeInForce(await findQuotas(sql, organisationId)),
    open: await openWorkloads(sql, organisationId),
    usual: usualMicros(await endedWork(sql, organisationId)),
  };
}

/** What is not over, of what the caller may see. */
export async function listQueue(
  { work, authorizer, clock }: ReadQueueDeps,
  call: CallContext,
): Promise<QueueList> {
  const { organisationId } = call.actor;
  const { tree, open, usual } = await work.read(call, (sql) => standOf(sql, organisationId));
  const now = clock.now();
  const items: QueueItem[] = [];
  for (const one of open) {
    if (items.length >= mostListed) break;
    const action = one.kind === "training" ? "training:read" : "data:read_dataset";
    if (!(await authorizer.decide(call, action, resourceOf(organisationId, one))).allowed) continue;
    const { id, kind, environment, useCaseId, job, priority, startedBy, arrivedAt } = one;
    items.push({
      id,
      kind,
      environment,
      ...(useCaseId === undefined ? {} : { useCaseId }),
      job,
      priority,
      startedBy,
      arrivedAt,
      queue: queueView(one, tree, open, { now, usual }),
    });
  }
  return { isInForce: tree !== undefined, items };
}

/** How the teams stand whose quotas the caller may read. */
export async function readPoolStatus(
  { work, authorizer, clock, teams: names }: ReadQueueDeps,
  call: CallContext,
): Promise<PoolStatus> {
  const { organisationId } = call.actor;
  const { tree, open, usual } = await work.read(call, (sql) => standOf(sql, organisationId));
  if (!tree) return { isInForce: false, teams: [] };
  const teams: PoolStatus["teams"] = [];
  for (const status of teamStatuses(tree, open, { now: clock.now(), usual })) {
    const place = await names.placeOf(organisationId, status.team);
    const resource = {
      type: "Team",
      organisationId,
      ...(place ? { ...place, id: place.teamId } : {}),
    };
    if ((await authorizer.decide(call, "capacity:read", resource)).allowed) teams.push(status);
  }
  return { isInForce: true, teams };
}

/**
 * What would become of work, were it submitted now; changes nothing.
 *
 * @throws PortolanError `capacity.request_not_valid`, `capacity.no_team`, and what keeps the caller from starting it
 */
export async function checkQueue(
  { work, authorizer, clock, admission, assumed }: ReadQueueDeps,
  call: CallContext,
  { kind, environment, useCaseId, priority = 0, resources, ...times }: QueueQuestion,
): Promise<QueueAnswer> {
  const { organisationId, id: startedBy } = call.actor;
  const action = kind === "training" ? "training:start" : "scoring:run";
  const place = asPlace({ useCaseId });
  await authorizer.require(call, action, { ...resourceOf(organisationId, { kind, environment }), ...place });
  const id = "what is asked";
  const notBefore = opensAt(times, clock.now());
  const queued = await admission.prepare(call, {
    id,
    kind,
    environment,
    ...(useCaseId === undefined ? {} : { useCaseId }),
    priority,
    isPreemptible: environment !== "production",
    ...(notBefore === undefined ? {} : { notBefore }),
    request: resources,
    assumed: assumed[kind],
  });
  if (queued) requireTeam(queued);
  const { tree, open, usual } = await work.read(call, (sql) => standOf(sql, organisationId));
  if (!queued || (!tree && queued.approvalFor === undefined))
    return notBefore === undefined
      ? { verdict: "begins", says: "no quotas are in force", evicts: [] }
      : {
          verdict: "waits",
          says: `begins at ${formatInstant(notBefore)}: no quotas are in force`,
          evicts: [],
        };
  const now = clock.now();
  const asked = newWorkload(queued, startedBy, now);
  const all = [...open, asked];
  if (!tree || queued.approvalFor !== undefined) {
    const queue = queueView(asked, tree, all, { now, usual });
    return { verdict: "waits", says: queue.says, evicts: [], queue };
  }
  const round = admissionRound(tree, all, now);
  const evicts = round.evicted.flatMap(({ id: victim, by }) => (by === id ? [victim] : []));
  const wait = round.waits.get(id);
  const queue = queueView({ ...asked, ...(wait ? { wait } : {}) }, tree, all, { now, usual });
  const counts =
    queued.priority < priority
      ? `; its priority counts as ${queued.priority}, the highest that ${queued.team ?? ""} may ask`
      : "";
  if (wait) return { verdict: "waits", says: `${waitText(wait, queued.team ?? "")}${counts}`, evicts, queue };
  if (round.mayBegin.has(id))
    return { verdict: "begins", says: `its team's quota has room for it${counts}`, evicts, queue };
  return {
    verdict: "waits for others to stop",
    says: `it gets its part at once, and begins when those that have it now have ended${counts}`,
    evicts,
    queue,
  };
}

/** A run or scoring, for the authorizer. */
export function resourceOf(
  organisationId: string,
  {
    kind,
    environment,
    id,
    useCaseId,
  }: Pick<Workload, "kind" | "environment"> & { readonly id?: string; readonly useCaseId?: string },
): ResourceRef {
  return {
    type: kind === "training" ? "TrainingRun" : "Dataset",
    ...(id === undefined ? {} : { id }),
    organisationId: organisationId as ResourceRef["organisationId"],
    environment: environment as Environment,
    ...asPlace({ useCaseId }),
  };
}
