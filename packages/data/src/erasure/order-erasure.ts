import {
  type Authorizer,
  type CallContext,
  type Environment,
  environmentsAllowing,
  newId,
  PortolanError,
  type UnitOfWork,
} from "@portolan/kernel";
import type { DataErrorCode } from "../errors.ts";
import {
  erasureView,
  findErasure,
  insertErasure,
  listErasures,
  type StoredErasure,
  setErasureJob,
} from "./erasure-store.ts";
import type { ErasureView } from "./report.ts";

export const eraseQueue = "data.erase";

export interface OrderDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
}

export interface ErasureOrder {
  readonly subject: string;
  /** Columns that name the subject beside those that contracts say. */
  readonly columns?: readonly string[];
  /** By default all in which the caller may erase. */
  readonly environments?: readonly Environment[];
  readonly reason: string;
  readonly dryRun?: boolean;
}

/**
 * Orders the erasure of what is known of a data subject, in the environments where the caller may erase; a durable job does it. With
 * `dryRun` it only says what would go. Neither the ledger nor the job's steps hold the subject: the order does, until it is done.
 */
export async function orderErasure(
  deps: OrderDeps,
  call: CallContext,
  { subject, columns = [], environments: named, reason, dryRun = false }: ErasureOrder,
): Promise<ErasureView> {
  const { organisationId } = call.actor;
  const resource = { type: "Dataset", organisationId };
  for (const environment of named ?? [])
    await deps.authorizer.require(call, "data:erase", { ...resource, environment });
  const environments = named ?? (await environmentsAllowing(deps.authorizer, call, "data:erase", resource));
  if (subject.trim() === "")
    throw new PortolanError("kernel.bad_request", {
      detail: "the subject is empty",
      mend: "Name the data subject as the sources write it.",
      at: { pointer: "/subject" },
    });
  return deps.uow.write(call, async (tx) => {
    const row = {
      id: newId("erasure", tx.now),
      organisation_id: organisationId,
      environments,
      subject,
      columns,
      dry_run: dryRun,
      reason,
      ordered_by: call.actor.id,
      ordered_at: tx.now,
    };
    await insertErasure(tx.sql, row);
    const jobId = await tx.enqueue({ queue: eraseQueue, payload: { erasureId: row.id }, key: row.id });
    await setErasureJob(tx.sql, row.id, jobId);
    await tx.record({
      event: dryRun ? "data.erasure.surveyed" : "data.erasure.ordered",
      subject: row.id,
      // Neither the subject nor its digest: a digest of a guessable key names the person.
      detail: { environments, reason },
    });
    return erasureView({
      ...row,
      state: "waiting",
      job_id: jobId,
      report: null,
      failure: null,
      finished_at: null,
    });
  });
}

/** @throws PortolanError `data.erasure_not_found`, also where the caller may not erase in all of its environments */
export async function readErasure(deps: OrderDeps, call: CallContext, id: string): Promise<ErasureView> {
  const { organisationId } = call.actor;
  const found = await deps.uow.read(call, (sql) => findErasure(sql, organisationId, id));
  if (!found || !(await maySee(deps, call, found)))
    throw new PortolanError<DataErrorCode>("data.erasure_not_found", { detail: `there is no erasure ${id}` });
  return erasureView(found);
}

/** Newest first. */
export async function readErasures(deps: OrderDeps, call: CallContext): Promise<ErasureView[]> {
  const rows = await deps.uow.read(call, (sql) => listErasures(sql, call.actor.organisationId));
  const seen: ErasureView[] = [];
  for (const row of rows) if (await maySee(deps, call, row)) seen.push(erasureView(row));
  return seen;
}

/** A report names things of all environments of its order. */
async function maySee(deps: OrderDeps, call: CallContext, { environments }: StoredErasure): Promise<boolean> {
  const { organisationId } = call.actor;
  for (const environment of environments) {
    const resource = { type: "Dataset", organisationId, environment };
    if (!(await deps.authorizer.decide(call, "data:erase", resource)).allowed) return false;
  }
  return true;
}
