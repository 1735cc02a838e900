import {
  type CallContext,
  canonicalJson,
  digestJson,
  newId,
  PortolanError,
  type Transaction,
} from "@portolan/kernel";
import { type FlagDefinition, mostFlags } from "@portolan/serving/contract";
import { findFlagProblems } from "@portolan/serving/policy";
import { approvalsNeeded } from "../approvals.ts";
import type { RolloutErrorCode } from "../errors.ts";
import type { ReleasedEndpoint } from "../ports.ts";
import { type RolloutDeps, refused } from "../start-release.ts";
import type { DeletedFlag, FlagDeletion, FlagRequest, FlagView } from "./contract.ts";
import {
  deleteFlag,
  type FlagPlace,
  insertChange,
  listFlags,
  listWaiting,
  putFlag,
  type StoredFlag,
  supersedeChanges,
} from "./flag-store.ts";
import { requireFlagged, viewOf } from "./read-flags.ts";

export interface FlagDeps extends Pick<RolloutDeps, "work" | "authorizer" | "endpoints" | "charters"> {
  /** Has the next snapshot published once the transaction is committed. */
  readonly publish: (tx: Transaction) => Promise<unknown>;
}

/**
 * States a flag anew. In production it comes into force when as many people have approved it as the charter's tolerance of risk asks for (as of a
 * release); switching it off takes nobody's leave. What waited at the flag before is superseded.
 *
 * @throws PortolanError `rollout.bad_flag`, `rollout.flag_decides_already`, `rollout.too_many_flags`, `kernel.conflict` where another version than
 * `ifVersion` is in force, `kernel.not_found`, and what `Authorizer.require` throws
 */
export async function setFlag(
  deps: FlagDeps,
  call: CallContext,
  place: { readonly endpoint: string; readonly key: string },
  { environment, reason, flag: definition, ifVersion }: FlagRequest,
): Promise<FlagView> {
  const of: FlagPlace = { organisationId: call.actor.organisationId, environment, ...place };
  const endpoint = await requireFlagged(deps, call, of, "serving:deploy");
  requireSound(definition, endpoint);
  const terms = await deps.charters.termsFor(call, endpoint.request.useCaseId);
  return deps.work.write(call, async (tx) => {
    const flags = await flagsAt(tx, of);
    const before = flags.find(({ key }) => key === of.key);
    if (ifVersion !== undefined && ifVersion !== (before?.version ?? 0)) throw changedMeanwhile(of);
    requireRoom(of, definition, flags, await listWaiting(tx.sql, of.organisationId, of.endpoint));
    await supersedeChanges(tx.sql, of);
    const needed = isSwitchedOff(before?.definition, definition) ? 0 : approvalsNeeded(environment, terms);
    if (needed === 0)
      return viewOf(of, await putInForce(deps, tx, of, { definition, reason, before }), undefined);
    const change = {
      ...of,
      id: newId("flagChange", tx.now),
      definition,
      reason,
      approvalsNeeded: needed,
      // Whoever has it asked for by a service is the one who may not approve it.
      requestedBy: call.onBehalfOf ?? call.actor.id,
      requestedAt: tx.now,
    };
    if (!(await insertChange(tx.sql, change))) throw changedMeanwhile(of);
    await tx.record({
      event: "rollout.flag.change_requested",
      subject: change.id,
      after: digestJson(definition),
      detail: { ...detailOf(of), approvalsNeeded: needed, reason, flag: definition },
    });
    return viewOf(of, before, { ...change, approvals: [], state: "waiting" });
  });
}

/**
 * Takes a flag away: applications get the default of their code, and requests go where they went without it. Takes nobody's leave.
 *
 * @throws PortolanError `kernel.not_found`, `kernel.conflict`, and what `Authorizer.require` throws
 */
export async function removeFlag(
  deps: FlagDeps,
  call: CallContext,
  { endpoint, key }: { readonly endpoint: string; readonly key: string },
  { environment, reason }: FlagDeletion,
): Promise<DeletedFlag> {
  const of: FlagPlace = { organisationId: call.actor.organisationId, environment, endpoint, key };
  await requireFlagged(deps, call, of, "serving:deploy");
  return deps.work.write(call, async (tx) => {
    const flag = (await flagsAt(tx, of)).find((one) => one.key === key);
    const waiting = await listWaiting(tx.sql, of.organisationId, endpoint);
    const waits = waiting.some((one) => one.environment === environment && one.key === key);
    if (!flag && !waits)
      throw new PortolanError("kernel.not_found", {
        detail: `there is no flag ${key} at ${endpoint} in ${environment}`,
        mend: `See what there is: portolan flag list ${endpoint}`,
      });
    await supersedeChanges(tx.sql, of);
    if (flag && !(await deleteFlag(tx.sql, flag))) throw changedMeanwhile(of);
    await tx.record({
      event: "rollout.flag.deleted",
      subject: flag?.id ?? `${environment}/${endpoint}/${key}`,
      ...(flag ? { before: digestJson(flag.definition) } : {}),
      detail: { ...detailOf(of), reason },
    });
    await deps.publish(tx);
    return { endpoint, environment, key };
  });
}

/** Puts a definition in force, with its ledger row, and has it published. */
export async function putInForce(
  { publish }: Pick<FlagDeps, "publish">,
  tx: Transaction,
  of: FlagPlace,
  {
    definition,
    reason,
    before,
    change,
  }: {
    readonly definition: FlagDefinition;
    readonly reason: string;
    readonly before: StoredFlag | undefined;
    /** The approved change that it was. */
    readonly change?: { readonly id: string; readonly requestedBy: string };
  },
): Promise<StoredFlag> {
  const flag: StoredFlag = {
    ...of,
    id: before?.id ?? newId("flag", tx.now),
    definition,
    version: (before?.version ?? 0) + 1,
    setBy: change?.requestedBy ?? tx.call.actor.id,
    setAt: tx.now,
  };
  if (!(await putFlag(tx.sql, flag, before?.version ?? 0))) throw changedMeanwhile(of);
  await tx.record({
    event: "rollout.flag.set",
    subject: flag.id,
    ...(before ? { before: digestJson(before.definition) } : {}),
    after: digestJson(definition),
    detail: {
      ...detailOf(of),
      version: flag.version,
      reason,
      flag: definition,
      ...(change ? { change: change.id, requestedBy: change.requestedBy } : {}),
    },
  });
  await publish(tx);
  return flag;
}

/** The flags in force beside one, and itself. */
export async function flagsAt(tx: Transaction, of: FlagPlace): Promise<StoredFlag[]> {
  const flags = await listFlags(tx.sql, of.organisationId, of.endpoint);
  return flags.filter(({ environment }) => environment === of.environment);
}

/** @throws PortolanError `rollout.bad_flag` */
function requireSound(definition: FlagDefinition, { request }: ReleasedEndpoint): void {
  const splits = (request.variants ?? []).filter(({ kind }) => kind === "split");
  const violations = findFlagProblems(
    definition,
    splits.map(({ name }) => name),
  );
  if (violations.length === 0) return;
  throw new PortolanError<RolloutErrorCode>("rollout.bad_flag", {
    detail: "The flag cannot be evaluated.",
    mend: "Correct what is named.",
    violations,
  });
}

/**
 * @param waiting changes that would take room once they are approved
 * @throws PortolanError `rollout.flag_decides_already`, `rollout.too_many_flags`
 */
export function requireRoom(
  of: FlagPlace,
  { decides }: FlagDefinition,
  flags: readonly StoredFlag[],
  waiting: readonly FlagPlace[],
): void {
  const deciding = flags.find(({ key, definition }) => key !== of.key && definition.decides !== undefined);
  if (decides !== undefined && deciding)
    throw refused(
      "rollout.flag_decides_already",
      `The flag ${deciding.key} decides who answers at ${of.endpoint} in ${of.environment}.`,
      "Change that one, or delete it first: two could not both be followed.",
    );
  const others = [...flags, ...waiting.filter(({ environment }) => environment === of.environment)];
  const keys = new Set(others.map(({ key }) => key)).add(of.key);
  if (keys.size > mostFlags)
    throw refused(
      "rollout.too_many_flags",
      `${of.endpoint} has ${mostFlags} flags in ${of.environment}.`,
      "Delete those that nobody asks for any more: portolan flag list.",
    );
}

/** Whether a change does nothing but keep the flag at its default, which is in force as such. Pure. */
export function isSwitchedOff(before: FlagDefinition | undefined, after: FlagDefinition): boolean {
  if (!before || after.enabled) return false;
  const rest = (flag: FlagDefinition) => canonicalJson({ ...flag, description: "", enabled: false });
  return rest(before) === rest(after);
}

export function detailOf({ endpoint, environment, key }: FlagPlace) {
  return { endpoint, environment, key };
}

export function changedMeanwhile({ endpoint, key }: FlagPlace): PortolanError {
  return new PortolanError("kernel.conflict", {
    detail: `the flag ${key} of ${endpoint} was changed meanwhile`,
    mend: `See what is in force: portolan flag show ${endpoint} ${key}`,
  });
}
