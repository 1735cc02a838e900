import {
  type Authorizer,
  type CallContext,
  type Digest,
  digestJson,
  type JsonObject,
  PortolanError,
  type UnitOfWork,
} from "@portolan/kernel";
import { settleQueue, treeInForce, type WakeDeps } from "../admission/settle-queue.ts";
import type { AppliedQuotas, QuotaApplication, QuotaChange, QuotaVerdict, QuotaView } from "../contract.ts";
import type { CapacityErrorCode } from "../errors.ts";
import type { QuotaTenants } from "../ports.ts";
import { amountText } from "../quota/amounts.ts";
import { checkQuotas, type QuotaSum, readCluster } from "../quota/check-quotas.ts";
import { type QuotaReading, readQuotas } from "../quota/read-quotas.ts";
import { findQuotas, insertQuotas, type KeptQuotas, lockOrganisation } from "../store.ts";
import { checkTenants } from "./check-tenants.ts";
import { quotaChanges } from "./quota-changes.ts";

export interface QuotaDeps extends WakeDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly tenants: QuotaTenants;
}

/** A file of quotas may name thousands; the ledger keeps the first of them, and the digests of all. */
const mostChangesInLedger = 40;

interface Checked {
  readonly verdict: QuotaVerdict;
  readonly cluster: string | null;
}

/** The organisation's quotas as they are in force. */
export async function readKeptQuotas({ work, authorizer }: QuotaDeps, call: CallContext): Promise<QuotaView> {
  const { organisationId } = call.actor;
  await authorizer.require(call, "capacity:read", { type: "Resource", organisationId });
  const kept = await work.read(call, (sql) => findQuotas(sql, organisationId));
  if (!kept) return { version: 0 };
  const { version, quotas, cluster, digest, appliedBy, appliedAt } = kept;
  return {
    version,
    ...(quotas === null ? {} : { quotas }),
    ...(cluster === null ? {} : { cluster }),
    digest,
    appliedBy,
    appliedAt,
  };
}

/**
 * What a file would change; changes nothing.
 *
 * @throws PortolanError `capacity.quotas_not_valid` with the line of each finding
 */
export async function checkApplication(
  deps: QuotaDeps,
  call: CallContext,
  application: QuotaApplication,
): Promise<QuotaVerdict> {
  await requireWrite(deps, call);
  const kept = await deps.work.read(call, (sql) => findQuotas(sql, call.actor.organisationId));
  return (await checked(deps, call, application, kept)).verdict;
}

/**
 * Puts a file in place of the quotas in force. What runs goes on; what waits is judged by the new ones. The same file again changes nothing.
 *
 * @throws PortolanError `capacity.quotas_not_valid` with the line of each finding
 */
export async function applyQuotas(
  deps: QuotaDeps,
  call: CallContext,
  application: QuotaApplication,
): Promise<AppliedQuotas> {
  await requireWrite(deps, call);
  const { organisationId } = call.actor;
  const kept = await deps.work.read(call, (sql) => findQuotas(sql, organisationId));
  const { verdict, cluster } = await checked(deps, call, application, kept);
  const { quotas } = application;
  const digest = digestJson({ quotas, cluster });
  if (kept?.digest === digest) return { ...verdict, version: kept.version };
  const version = await keep(deps, call, { quotas, cluster, digest, changes: verdict.changes, kept });
  return { ...verdict, version };
}

/** From then on everything starts as it did before there were quotas. */
export async function removeQuotas(deps: QuotaDeps, call: CallContext): Promise<QuotaView> {
  await requireWrite(deps, call);
  const { organisationId } = call.actor;
  const kept = await deps.work.read(call, (sql) => findQuotas(sql, organisationId));
  if (kept?.quotas !== undefined && kept.quotas !== null) {
    const { cluster } = kept;
    const digest = digestJson({ quotas: null, cluster });
    const changes = quotaChanges(treeInForce(kept), undefined);
    await keep(deps, call, { quotas: null, cluster, digest, changes, kept });
  }
  return readKeptQuotas(deps, call);
}

async function requireWrite({ authorizer }: QuotaDeps, call: CallContext): Promise<void> {
  const { organisationId } = call.actor;
  await authorizer.require(call, "capacity:write_quotas", { type: "Resource", organisationId });
}

async function checked(
  { tenants }: QuotaDeps,
  call: CallContext,
  { file, quotas, cluster }: QuotaApplication,
  kept: KeptQuotas | undefined,
): Promise<Checked> {
  const reading = readQuotas(quotas, file);
  const text = cluster?.text ?? kept?.cluster ?? null;
  const sums = text === null ? [] : checkQuotas(reading, readCluster(text, cluster?.file ?? "the cluster"));
  await checkTenants(reading, tenants, call.actor.organisationId);
  return { cluster: text, verdict: verdictOf(reading, sums, quotaChanges(treeInForce(kept), reading.tree)) };
}

function verdictOf({ tree }: QuotaReading, sums: readonly QuotaSum[], changes: QuotaChange[]): QuotaVerdict {
  return {
    teams: tree.nodes.filter(({ queue }) => queue !== undefined).length,
    resources: [...tree.resources],
    sums: sums.map(({ resource, nominal, cluster }) => ({
      resource,
      guaranteed: amountText(resource, nominal),
      cluster: amountText(resource, cluster),
    })),
    changes,
  };
}

interface Keeping {
  readonly quotas: string | null;
  readonly cluster: string | null;
  readonly digest: Digest;
  readonly changes: readonly QuotaChange[];
  /** What the change was judged against. */
  readonly kept: KeptQuotas | undefined;
}

async function keep(
  deps: QuotaDeps,
  call: CallContext,
  { quotas, cluster, digest, changes, kept }: Keeping,
): Promise<number> {
  const { organisationId, id: appliedBy } = call.actor;
  return deps.work.write(call, async (tx) => {
    await lockOrganisation(tx.sql, organisationId);
    const current = await findQuotas(tx.sql, organisationId);
    if (current?.version !== kept?.version)
      throw new PortolanError<CapacityErrorCode>("capacity.quotas_changed", {
        detail: `version ${current?.version ?? 0} of the quotas was applied meanwhile`,
        mend: "Look at it with portolan quota show, and apply again.",
      });
    const version = (current?.version ?? 0) + 1;
    await insertQuotas(tx.sql, {
      organisationId,
      version,
      quotas,
      cluster,
      digest,
      appliedBy,
      appliedAt: tx.now,
    });
    await tx.record({
      event: quotas === null ? "capacity.quotas.removed" : "capacity.quotas.applied",
      subject: organisationId,
      ...(current ? { before: current.digest as Digest } : {}),
      after: digest,
      detail: ledgerDetail(version, changes),
    });
    // What waits is judged by them at once; what runs goes on.
    await settleQueue(deps, tx);
    return version;
  });
}

function ledgerDetail(version: number, changes: readonly QuotaChange[]): JsonObject {
  const said = changes.map(
    ({ member, resource, before, after }) =>
      `${member} ${resource}: ${before ?? "none"} -> ${after ?? "none"}`,
  );
  return { version, changed: changes.length, changes: said.slice(0, mostChangesInLedger) };
}
