import {
  type Authorizer,
  asPlace,
  type CallContext,
  digestJson,
  type Environment,
  isPortolanError,
  locate,
  ownerOf,
  type PlaceDirectory,
  PortolanError,
  type RecordBatch,
  type UnitOfWork,
} from "@portolan/kernel";
import type { Audience } from "./audience.ts";
import type { BatchAnswer } from "./contract.ts";
import type { LineageErrorCode } from "./errors.ts";
import { type Keeping, keepEvent } from "./keep-event.ts";
import { type LineageEvent, readEvent } from "./openlineage/read-event.ts";
import { isOwnNamespace } from "./own/names.ts";
import type { OrganisationNames } from "./ports.ts";
import type { NodeName } from "./store/nodes.ts";

export interface ReportDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly places: PlaceDirectory;
  readonly organisations: OrganisationNames;
  readonly recordBatch: RecordBatch;
}

/** Whom a report concerns. An API key reaches one environment, and need not name it. */
export interface ReportPlace {
  readonly environment?: Environment;
  readonly useCaseId?: string;
  readonly teamId?: string;
}

/**
 * Takes one event of another tool.
 *
 * @throws PortolanError `lineage.invalid_event`, `lineage.reserved_name`, `lineage.environment_missing`, `lineage.run_ended`, and what the
 * authorizer throws
 */
export async function reportEvent(
  deps: ReportDeps,
  call: CallContext,
  named: ReportPlace,
  value: unknown,
): Promise<void> {
  const audience = await requireAudience(deps, call, named);
  const authority = await deps.organisations.nameOf(call.actor.organisationId);
  const event = foreignEvent(authority, value);
  await deps.work.write(call, async (tx) => {
    const { digest } = await keepEvent(tx, event, audience);
    await deps.recordBatch(tx, leafOf(audience, [digest], subjectOf(event)));
  });
}

/**
 * Takes events that each stand for themselves: what is wrong with one is said of it, and the others are kept.
 *
 * @throws PortolanError `lineage.environment_missing`, and what the authorizer throws
 */
export async function reportBatch(
  deps: ReportDeps,
  call: CallContext,
  named: ReportPlace,
  values: readonly unknown[],
): Promise<BatchAnswer> {
  const audience = await requireAudience(deps, call, named);
  const authority = await deps.organisations.nameOf(call.actor.organisationId);
  const failed = new Map<number, PortolanError>();
  const events: { readonly index: number; readonly event: LineageEvent }[] = [];
  for (const [index, value] of values.entries()) {
    const event = attempt(() => foreignEvent(authority, value));
    if (event instanceof PortolanError) failed.set(index, event);
    else events.push({ index, event });
  }
  const refused = await deps.work.write(call, async (tx) => {
    const kept: string[] = [];
    const ended = new Map<number, PortolanError>();
    for (const { index, event } of events) {
      // A run that has ended otherwise is noticed before anything of the event is kept.
      const keeping: Keeping | PortolanError = await keepEvent(tx, event, audience).catch(orThrow);
      if (keeping instanceof PortolanError) ended.set(index, keeping);
      else kept.push(keeping.digest);
    }
    if (kept.length > 0) await deps.recordBatch(tx, leafOf(audience, kept, `${kept.length} events`));
    return ended;
  });
  for (const [index, error] of refused) failed.set(index, error);
  return answerOf(values.length, failed);
}

function answerOf(received: number, failed: ReadonlyMap<number, PortolanError>): BatchAnswer {
  return {
    status: failed.size === 0 ? "success" : "partial_success",
    summary: { received, successful: received - failed.size, failed: failed.size },
    failed_events: [...failed.entries()]
      .toSorted(([a], [b]) => a - b)
      .map(([index, error]) => ({
        index,
        code: error.code,
        reason: error.detail ?? error.code,
        retriable: false,
      })),
  };
}

function attempt<T>(work: () => T): T | PortolanError {
  try {
    return work();
  } catch (error) {
    return orThrow(error);
  }
}

/** What is wrong with the event itself is an answer; anything else is thrown on. */
function orThrow(error: unknown): PortolanError {
  if (isPortolanError(error) && (error.code.startsWith("lineage.") || error.code === "kernel.not_canonical"))
    return error;
  throw error;
}

async function requireAudience(deps: ReportDeps, call: CallContext, named: ReportPlace): Promise<Audience> {
  const { actor } = call;
  const [only, ...others] = actor.environments;
  const environment = named.environment ?? (others.length === 0 ? only : undefined);
  if (environment === undefined)
    throw new PortolanError<LineageErrorCode>("lineage.environment_missing", {
      detail: "the credential reaches several environments, and the request names none",
      mend: "Add ?environment=dev (or staging, production), or use an API key, which reaches one.",
      at: { pointer: "/environment" },
    });
  const { organisationId } = actor;
  const resource = { type: "Lineage", organisationId, environment, ...asPlace(named) };
  await deps.authorizer.require(call, "lineage:write", resource);
  const owner = ownerOf(await locate(deps.places, organisationId, named));
  return { action: "lineage:read", resource: "Lineage", environment, ...owner };
}

/** @throws PortolanError `lineage.invalid_event`, `lineage.reserved_name` */
function foreignEvent(authority: string, value: unknown): LineageEvent {
  const read = readEvent(value);
  const reserved = (of: NodeName, pointer: string): void => {
    if (!isOwnNamespace(authority, of.namespace)) return;
    throw new PortolanError<LineageErrorCode>("lineage.reserved_name", {
      detail: `${of.namespace} is Portolan's own: how ${of.name.slice(0, 200)} came to be is told by Portolan alone`,
      mend: "Name it as an input where you read it; write under a namespace of your own.",
      at: { pointer },
    });
  };
  if (read.kind === "dataset") {
    reserved(read.event.dataset, "/dataset/namespace");
    return read;
  }
  reserved(read.event.job, "/job/namespace");
  for (const [index, output] of (read.event.outputs ?? []).entries())
    reserved(output, `/outputs/${index}/namespace`);
  return withoutForeignFacets(authority, read);
}

/** What others say of a thing of ours, beyond that they read it, is left out: its facets are what Portolan says. */
function withoutForeignFacets<E extends Exclude<LineageEvent, { kind: "dataset" }>>(
  authority: string,
  read: E,
): E {
  const { inputs } = read.event;
  if (!inputs?.some(({ namespace }) => isOwnNamespace(authority, namespace))) return read;
  const kept = inputs.map((one) => {
    const { facets: _, ...rest } = one;
    return isOwnNamespace(authority, one.namespace) ? rest : one;
  });
  return { ...read, event: { ...read.event, inputs: kept } };
}

function subjectOf(read: LineageEvent): string {
  const { namespace, name } = read.kind === "dataset" ? read.event.dataset : read.event.job;
  return `${namespace}:${name}`.slice(0, 500);
}

function leafOf({ environment, teamId, useCaseId }: Audience, digests: readonly string[], subject: string) {
  const digest = digestJson([...digests]);
  const place = [environment, teamId, useCaseId].map((part) => part ?? "").join("/");
  return {
    event: "lineage.events.received",
    subject,
    digest,
    count: digests.length,
    key: `lineage/${place}/${digest}`,
  };
}
