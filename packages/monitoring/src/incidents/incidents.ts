import {
  type CallContext,
  digestJson,
  type Environment,
  newId,
  PortolanError,
  requireSeen,
  type Transaction,
} from "@portolan/kernel";
import { findAlert } from "../alerts/alert-store.ts";
import type { AlertDeps } from "../alerts/alerts.ts";
import { stepsOfIncident, unfinishedSteps } from "./incident-record.ts";
import type {
  IncidentEntry,
  IncidentFacts,
  IncidentSummary,
  IncidentView,
  TickOutcome,
} from "./incident-schema.ts";
import {
  addEntry,
  findIncident,
  findIncidentOfAlert,
  type IncidentFilter,
  insertIncident,
  listEntries,
  listIncidents,
  lockIncident,
  moveIncident,
} from "./incident-store.ts";
import { type PlaybookName, stepsOf } from "./playbooks.ts";

export interface IncidentDeps extends AlertDeps {
  readonly endpoints: {
    /**
     * The use case of an endpoint that the caller may read; null where nothing serves it and the caller may read them all.
     *
     * @throws PortolanError 404 where the caller may not read such an endpoint
     */
    useCaseOf(call: CallContext, environment: Environment, endpoint: string): Promise<string | null>;
  };
}

/** What an incident is opened with: of an alert, or of a place by hand. */
export interface IncidentRequest
  extends Partial<Pick<IncidentFacts, "startedAt" | "endpoint" | "model" | "version">> {
  readonly alertId?: string;
  readonly environment?: Environment;
  readonly title?: string;
  readonly playbook: PlaybookName;
  readonly apiKeyId?: string;
  readonly actorId?: string;
}

const pageSize = 100;
/** Incidents that one request looks through: where the caller may see few of them, its page ends before it is full, and says where to go on. */
const mostLookedThrough = 1_000;

/**
 * Opens the record of an incident. Of an alert it began when the alert was opened and is about what the alert is about; by hand it is of an environment and
 * begins now, or when the caller says.
 *
 * @throws PortolanError `kernel.not_found` for an alert or endpoint that the caller may not see; `kernel.conflict` when the alert has an incident that is not over;
 * `kernel.bad_request` for a beginning that is to come, or a place that is missing or said twice
 */
export async function openIncident(
  deps: IncidentDeps,
  call: CallContext,
  asked: IncidentRequest,
): Promise<IncidentView> {
  const { facts, title } = await factsOf(deps, call, asked);
  await deps.authorizer.require(call, "incidents:manage", resourceOf(call, facts));
  return deps.work.write(call, async (tx) => {
    if (asked.startedAt !== undefined && asked.startedAt > tx.now)
      throw badRequest("an incident began before it is written down", "Name an earlier instant.");
    const incident = {
      id: newId("incident", tx.now),
      title: asked.title ?? title,
      state: "open" as const,
      playbook: asked.playbook,
      alertId: asked.alertId ?? null,
      ...facts,
      startedAt: Math.min(asked.startedAt ?? facts.startedAt, tx.now),
      openedAt: tx.now,
      openedBy: call.actor.id,
      takenBy: null,
      takenAt: null,
      mitigatedAt: null,
      resolvedAt: null,
    };
    if (!(await insertIncident(tx, incident))) throw await taken(tx, incident.alertId ?? "");
    const entry = await addEntry(tx, incident.id, { ...noStep, kind: "opened", text: incident.title });
    const { environment, playbook, endpoint, alertId } = incident;
    await record(tx, incident.id, entry, {
      environment,
      playbook,
      ...(endpoint === null ? {} : { endpoint }),
      ...(alertId === null ? {} : { alertId }),
    });
    return viewOf(tx, incident.id);
  });
}

async function factsOf(
  deps: IncidentDeps,
  call: CallContext,
  asked: IncidentRequest,
): Promise<{ readonly facts: IncidentFacts; readonly title: string }> {
  const named = {
    endpoint: asked.endpoint ?? null,
    model: asked.model ?? null,
    version: asked.version ?? null,
    apiKeyId: asked.apiKeyId ?? null,
    actorId: asked.actorId ?? null,
  };
  if (asked.alertId === undefined) {
    const { environment, title } = asked;
    if (environment === undefined || title === undefined)
      throw badRequest(
        "an incident is of an alert, or has an environment and a title",
        "Give --alert, or --environment and --title.",
      );
    const { endpoint } = named;
    const useCaseId = endpoint === null ? null : await deps.endpoints.useCaseOf(call, environment, endpoint);
    const startedAt = deps.clock.now();
    return { facts: { ...named, environment, useCaseId, startedAt }, title };
  }
  if (asked.environment !== undefined || asked.endpoint !== undefined || asked.startedAt !== undefined)
    throw badRequest(
      "an alert says where and when its incident began",
      "Leave out --environment, --endpoint and --since, or --alert.",
    );
  const alert = await requireAlert(deps, call, asked.alertId);
  const { environment, useCaseId, openedAt, summary } = alert;
  // Of a budget it says who spends, of idle work which run it is, and of an endpoint as a whole no version.
  const isOfEndpoint = alert.kind !== "budget" && alert.kind !== "idle";
  const own = (text: string): string | null => (isOfEndpoint && text !== "" ? text : null);
  const facts = {
    environment,
    useCaseId,
    startedAt: openedAt,
    endpoint: own(alert.endpoint),
    model: named.model ?? own(alert.model),
    version: named.version ?? own(alert.version),
    apiKeyId: named.apiKeyId,
    actorId: named.actorId,
  };
  return { facts, title: summary.slice(0, 200) };
}

async function requireAlert(deps: IncidentDeps, call: CallContext, id: string) {
  const missing = () => notFound("alert", "portolan alert list");
  const { organisationId } = call.actor;
  const alert = await deps.work.read(call, (sql) => findAlert(sql, organisationId, id));
  if (!alert) throw missing();
  const resource = { ...resourceOf(call, alert, id), type: "Alert" };
  await requireSeen(deps.authorizer, call, { action: "alerts:read", resource }, missing);
  return alert;
}

async function taken(tx: Transaction, alertId: string): Promise<PortolanError> {
  const other = await findIncidentOfAlert(tx.sql, tx.call.actor.organisationId, alertId);
  return new PortolanError("kernel.conflict", {
    detail: `the alert has an incident already: ${other?.id ?? "one that is just over"}`,
    mend: `See portolan incident show ${other?.id ?? "of that incident"}.`,
  });
}

interface IncidentPage {
  readonly incidents: readonly IncidentSummary[];
  /** The next page is of incidents after this one; absent: there are none. */
  readonly next?: string;
}

/**
 * Incidents that the caller may see, newest first, at most a hundred. What others may see does not push out what this caller may, as far as one request looks.
 */
export async function readIncidents(
  deps: AlertDeps & { readonly mostLookedThrough?: number },
  call: CallContext,
  filter: Omit<IncidentFilter, "organisationId">,
): Promise<IncidentPage> {
  const incidents: IncidentSummary[] = [];
  let page: IncidentFilter = { ...filter, organisationId: call.actor.organisationId };
  let looked = 0;
  while (looked < (deps.mostLookedThrough ?? mostLookedThrough)) {
    const found = await deps.work.read(call, (sql) => listIncidents(sql, page, pageSize));
    for (const incident of found) {
      page = { ...page, after: incident.id };
      if (!(await deps.authorizer.decide(call, "incidents:read", resourceOf(call, incident))).allowed)
        continue;
      incidents.push(incident);
      if (incidents.length === pageSize) return { incidents, next: incident.id };
    }
    if (found.length < pageSize) return { incidents };
    looked += found.length;
  }
  return { incidents, ...(page.after === undefined ? {} : { next: page.after }) };
}

/** @throws PortolanError `kernel.not_found`, also for an incident that the caller may not see */
export async function readIncident(deps: AlertDeps, call: CallContext, id: string): Promise<IncidentView> {
  await requireIncident(deps, call, id, "incidents:read");
  return deps.work.read(call, (sql) => viewOf({ sql, call }, id));
}

/** Answers for the incident from now on; the first to do so ends the time in which nobody did, a later one takes it over. */
export function takeIncident(deps: AlertDeps, call: CallContext, id: string): Promise<IncidentView> {
  return change(deps, call, id, async (tx, incident) => {
    refuseOver(incident);
    const state = incident.state === "open" ? "taken" : incident.state;
    const takenAt = incident.takenAt ?? tx.now;
    await moveIncident(tx, { ...incident, state, takenAt, takenBy: call.actor.id });
    return { ...noStep, kind: "taken", text: "" };
  });
}

/** Adds what was seen or done; also when the incident is over, for what is learned later. */
export function noteIncident(
  deps: AlertDeps,
  call: CallContext,
  id: string,
  text: string,
): Promise<IncidentView> {
  return change(deps, call, id, async () => ({ ...noStep, kind: "noted", text }));
}

/** A step of the playbook that was done, failed, or is left out. */
export interface Tick {
  readonly step: string;
  readonly outcome: TickOutcome;
  /** Needed unless it was done. */
  readonly text?: string;
}

/** Ticks a step of the playbook; the last tick of a step is the one that counts. @throws PortolanError `kernel.bad_request` for a step that the playbook does not have */
export function tickStep(deps: AlertDeps, call: CallContext, id: string, tick: Tick): Promise<IncidentView> {
  return change(deps, call, id, async (_tx, incident) => {
    refuseOver(incident);
    const { step, outcome, text = "" } = tick;
    const ids = stepsOf(incident.playbook).map((one) => one.id);
    if (!ids.includes(step))
      throw badRequest(`playbook ${incident.playbook} has no step ${step}`, `Its steps: ${ids.join(", ")}.`);
    if (outcome !== "done" && text.trim() === "")
      throw badRequest(`a step that is ${outcome} says why`, "Give --note.");
    return { kind: "ticked", text, step, outcome };
  });
}

/** It does no more harm, from now on. */
export function mitigateIncident(
  deps: AlertDeps,
  call: CallContext,
  id: string,
  text: string,
): Promise<IncidentView> {
  return change(deps, call, id, async (tx, incident) => {
    refuseOver(incident);
    if (incident.mitigatedAt !== null)
      throw new PortolanError("kernel.conflict", {
        detail: "the incident is mitigated already",
        mend: `Add what you know with portolan incident note ${id}.`,
      });
    const { takenAt, takenBy } = answeredBy(tx, incident);
    await moveIncident(tx, { ...incident, state: "mitigated", mitigatedAt: tx.now, takenAt, takenBy });
    return { ...noStep, kind: "mitigated", text };
  });
}

/**
 * It is over: why it came, and what keeps it from coming again.
 *
 * @throws PortolanError `kernel.conflict` while a step of the playbook is neither done nor skipped with a reason
 */
export function resolveIncident(
  deps: AlertDeps,
  call: CallContext,
  id: string,
  text: string,
): Promise<IncidentView> {
  return change(deps, call, id, async (tx, incident) => {
    refuseOver(incident);
    const steps = stepsOfIncident(incident, await listEntries(tx.sql, id));
    const left = unfinishedSteps({ steps });
    if (left.length > 0)
      throw new PortolanError("kernel.conflict", {
        detail: `steps of the playbook are neither done nor skipped: ${left.join(", ")}`,
        mend: `Tick them: portolan incident tick ${id} ${left[0] ?? ""} [--skipped --note WHY].`,
      });
    const mitigatedAt = incident.mitigatedAt ?? tx.now;
    const { takenAt, takenBy } = answeredBy(tx, incident);
    await moveIncident(tx, {
      ...incident,
      state: "resolved",
      takenAt,
      takenBy,
      mitigatedAt,
      resolvedAt: tx.now,
    });
    return { ...noStep, kind: "resolved", text };
  });
}

const noStep = { step: null, outcome: null } as const;

/** Whoever ends what nobody took has answered for it. */
function answeredBy(tx: Transaction, { takenAt, takenBy }: IncidentSummary) {
  return { takenAt: takenAt ?? tx.now, takenBy: takenBy ?? tx.call.actor.id };
}

type NewEntry = Pick<IncidentEntry, "kind" | "text" | "step" | "outcome">;

/** One change with its entry and its ledger row, in one transaction that others wait for. */
async function change(
  deps: AlertDeps,
  call: CallContext,
  id: string,
  make: (tx: Transaction, incident: IncidentSummary) => Promise<NewEntry>,
): Promise<IncidentView> {
  await requireIncident(deps, call, id, "incidents:manage");
  return deps.work.write(call, async (tx) => {
    const incident = await lockIncident(tx, id);
    const entry = await addEntry(tx, id, await make(tx, incident));
    await record(tx, id, entry, { environment: incident.environment });
    return viewOf(tx, id);
  });
}

/** The ledger has an entry's digest, not its text: who writes in a hurry names people, and rows stay for ever. */
async function record(
  tx: Transaction,
  subject: string,
  entry: IncidentEntry,
  detail: Readonly<Record<string, string>>,
): Promise<void> {
  const { number, kind, step, outcome } = entry;
  await tx.record({
    event: `monitoring.incident.${kind}`,
    subject,
    after: digestJson(entry),
    detail: { ...detail, number, ...(step === null || outcome === null ? {} : { step, outcome }) },
  });
}

async function viewOf({ sql, call }: Pick<Transaction, "sql" | "call">, id: string): Promise<IncidentView> {
  const incident = await findIncident(sql, call.actor.organisationId, id);
  if (!incident) throw notFound("incident", "portolan incident list");
  const entries = await listEntries(sql, id);
  return { ...incident, entries, steps: stepsOfIncident(incident, entries) };
}

async function requireIncident(
  deps: AlertDeps,
  call: CallContext,
  id: string,
  action: "incidents:read" | "incidents:manage",
): Promise<void> {
  const missing = () => notFound("incident", "portolan incident list");
  const { organisationId } = call.actor;
  const incident = await deps.work.read(call, (sql) => findIncident(sql, organisationId, id));
  if (!incident) throw missing();
  const resource = resourceOf(call, incident, id);
  await requireSeen(deps.authorizer, call, { action, resource }, missing);
}

/** @param id of what is there: to who may not see it, it is answered like what is not */
function resourceOf(
  call: CallContext,
  { environment, useCaseId }: Pick<IncidentFacts, "environment" | "useCaseId">,
  id?: string,
) {
  const { organisationId } = call.actor;
  const place = { organisationId, environment, ...(useCaseId === null ? {} : { useCaseId }) };
  return { type: "Incident", ...place, ...(id === undefined ? {} : { id }) };
}

function refuseOver({ id, state }: IncidentSummary): void {
  if (state === "resolved")
    throw new PortolanError("kernel.conflict", {
      detail: "the incident is over",
      mend: `Add what you learned with portolan incident note ${id}, or open another one.`,
    });
}

function badRequest(detail: string, mend: string): PortolanError {
  return new PortolanError("kernel.bad_request", { detail, mend });
}

function notFound(what: string, see: string): PortolanError {
  return new PortolanError("kernel.not_found", { detail: `there is no such ${what}`, mend: `See ${see}.` });
}
