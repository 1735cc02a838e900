import type { AdmissionQueue } from "@portolan/capacity/contract";
import type { AnalysisEngine } from "@portolan/data/contract";
import {
  type ArtifactCatalogue,
  type Authorizer,
  asPlace,
  type CallContext,
  type Clock,
  covers,
  digestJson,
  environmentsAllowing,
  locate,
  newId,
  type ObjectStore,
  type PlaceDirectory,
  PortolanError,
  type RecordBatch,
  requireSeen,
} from "@portolan/kernel";
import { queuedScoring } from "./admit-scoring.ts";
import type { Scoring, ScoringPlan, ScoringQuestion, ScoringRequest } from "./contract.ts";
import type { ScoringErrorCode } from "./errors.ts";
import { type InputPlan, planInputs } from "./input-plan.ts";
import type {
  ChunkScorer,
  CpuPrices,
  Residency,
  ScoringTarget,
  ScoringTargets,
  TargetResource,
  UpstreamTerms,
} from "./ports.ts";
import { requireScorable, type ScoringAccess } from "./scoring-access.ts";
import { findRun, findSnapshot, insertRun, listRuns, type ScorableSnapshot } from "./store.ts";

export interface ScoringDeps extends ScoringAccess {
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  readonly places: PlaceDirectory;
  readonly targets: ScoringTargets;
  readonly residency: Residency;
  /** Asked before a scoring is taken on: the charter may hold new work once a month's money is spent. */
  readonly budget?: { require(call: CallContext, useCaseId: string): Promise<void> };
  /** Quotas of teams; without it nothing waits for any. */
  readonly admission?: AdmissionQueue;
  readonly scorer: ChunkScorer;
  /** How often what a scoring uses is looked at; two seconds by default. */
  readonly watchEveryMs?: number;
  readonly engine: AnalysisEngine;
  readonly prices: CpuPrices;
  readonly recordBatch: RecordBatch;
  readonly workFolder: string;
}

export const scoringQueue = "scoring.run";
/** Rows between two looks at windows and wishes to stop; what a `kill -9` costs. */
export const chunkRows = 50_000;

/** A question with everything that answers it. */
export interface Resolved {
  readonly plan: ScoringPlan;
  readonly inputs: InputPlan;
  /** What the caller was allowed to score with. */
  readonly target: Pick<TargetResource, "type" | "id">;
  /** Absent: the version runs here. */
  readonly upstream?: UpstreamTerms;
}

/**
 * What a scoring would do: the version, the rows and the columns, under the charter in force.
 *
 * @throws PortolanError `scoring.*` with what does not fit, and what authorizer, placement and the target's charter refuse
 */
export async function planScoring(
  deps: ScoringDeps,
  call: CallContext,
  question: ScoringQuestion,
): Promise<Resolved> {
  const { organisationId } = call.actor;
  const { environment } = question;
  let asked: Resolved["target"] | undefined;
  const target = await deps.targets.find(call, question, async (resource) => {
    asked = { type: resource.type, ...(resource.id === undefined ? {} : { id: resource.id }) };
    await requireSeen(
      deps.authorizer,
      call,
      { action: "scoring:run", resource: { ...resource, organisationId, environment } },
      () => unknownTarget(question),
    );
  });
  if (!asked) throw unknownTarget(question);
  requirePurpose(target, question.purpose);
  const snapshot = await requireSnapshot(deps, call, question, target.useCaseId);
  if (snapshot.rows === 0) throw doesNotFit("the snapshot has no rows", "Score one that has some.");
  await deps.residency.require(call, { useCaseId: target.useCaseId, environment, name: "a scored snapshot" });
  const verdict = planInputs(target, snapshot, question.columns);
  if (verdict.kind === "refused") throw doesNotFit(verdict.reason, verdict.mend);
  const keys = question.keys ?? [];
  const unknown = keys.filter((key) => !snapshot.columns.includes(key));
  if (unknown[0])
    throw doesNotFit(`the snapshot has no column ${unknown.join(", ")}`, "Name others as --keys.");
  const { name, version, digest } = target.model;
  const read = {
    dataset: { id: snapshot.id, name: snapshot.name, object: snapshot.object },
    inputs: verdict.plan.inputs.map(({ spec, columns }) => ({
      tensor: spec.name,
      columns: columns.map(({ column }) => column),
    })),
    keys: [...keys],
  };
  const at = { environment, useCaseId: target.useCaseId };
  const access = await requireScorable(deps, call, read, { at, purpose: question.purpose });
  return {
    target: asked,
    inputs: verdict.plan,
    ...(target.upstream ? { upstream: target.upstream } : {}),
    plan: {
      useCaseId: target.useCaseId,
      model: { name, version, digest },
      charter: target.charter,
      ...read,
      rows: snapshot.rows,
      chunks: Math.ceil(snapshot.rows / chunkRows),
      access,
      ...(target.upstream
        ? { upstream: { region: target.upstream.region, owner: target.upstream.owner } }
        : {}),
    },
  };
}

/**
 * Whether what was resolved may go on: asks permission, purpose, residency and the charter again, of the version that was resolved and
 * not of what its endpoint serves by now.
 *
 * @throws PortolanError as `planScoring`
 */
export async function requireStillAllowed(
  deps: Pick<ScoringDeps, "work" | "authorizer" | "places" | "targets" | "residency" | "access" | "source">,
  call: CallContext,
  question: ScoringQuestion,
  { plan, target }: Resolved,
): Promise<void> {
  const { organisationId } = call.actor;
  const { environment } = question;
  const { useCaseId, model } = plan;
  const resource = { ...target, organisationId, environment, useCaseId };
  await requireSeen(deps.authorizer, call, { action: "scoring:run", resource }, () =>
    unknownTarget(question),
  );
  const endpoint = target.type === "Endpoint" && target.id !== undefined ? { endpoint: target.id } : {};
  const pinned = { environment, useCaseId, model, ...endpoint };
  requirePurpose(await deps.targets.stillServes(call, pinned), question.purpose);
  await requireSnapshot(deps, call, question, useCaseId);
  await deps.residency.require(call, { useCaseId, environment, name: "a scored snapshot" });
  await requireScorable(deps, call, plan, { at: { environment, useCaseId }, purpose: question.purpose });
}

function requirePurpose({ purposes }: Pick<ScoringTarget, "purposes">, purpose: string | undefined): void {
  if (purposes.length === 0 || (purpose !== undefined && purposes.includes(purpose))) return;
  throw new PortolanError<ScoringErrorCode>("scoring.purpose_required", {
    detail: purpose === undefined ? "no purpose is declared" : "the charter does not allow this purpose",
    mend: `Name one of: ${purposes.join(", ")} (portolan score --purpose).`,
  });
}

/** What the caller may not read, or what belongs to other work, is a snapshot that does not exist. */
async function requireSnapshot(
  deps: Pick<ScoringDeps, "work" | "authorizer" | "places">,
  call: CallContext,
  { environment, datasetId: id }: ScoringQuestion,
  useCaseId: string,
): Promise<ScorableSnapshot> {
  const { organisationId } = call.actor;
  const missing = () =>
    new PortolanError<ScoringErrorCode>("scoring.dataset_unknown", {
      detail: `there is no snapshot ${id} for this use case in ${environment}`,
      mend: "See GET /v1/datasets, and ingest or build it in the same environment.",
    });
  const found = await deps.work.read(call, (sql) => findSnapshot(sql, organisationId, id));
  if (!found || found.environment !== environment) throw missing();
  const owner = found.useCaseId === undefined ? {} : { useCaseId: found.useCaseId };
  const [type, action] =
    found.kind === "dataset"
      ? (["Dataset", "data:read_dataset"] as const)
      : (["TrainingSet", "features:read_training_set"] as const);
  await requireSeen(
    deps.authorizer,
    call,
    { action, resource: { type, id, organisationId, environment, ...owner } },
    missing,
  );
  const at = await locate(deps.places, organisationId, { useCaseId });
  if (!covers(owner, at)) throw missing();
  return found;
}

/** What is asked, without where it goes, when it runs and what it costs. */
export function questionOf(request: ScoringRequest): ScoringQuestion {
  const {
    out: _,
    windows: __,
    notBefore: ___,
    priority: ____,
    upstreamCost: _____,
    resources: ______,
    ...question
  } = request;
  return question;
}

/** Starts a scoring as a durable job. */
export async function startScoring(
  deps: ScoringDeps,
  call: CallContext,
  request: ScoringRequest,
): Promise<Scoring> {
  const { plan } = await planScoring(deps, call, questionOf(request));
  await deps.budget?.require(call, plan.useCaseId);
  const { organisationId } = call.actor;
  const { environment } = request;
  const id = newId("scoring", deps.clock.now());
  const queued = await queuedScoring(deps, call, { id, request, useCaseId: plan.useCaseId });
  return deps.work.write(call, async (tx) => {
    const job = await tx.enqueue({
      queue: scoringQueue,
      payload: { scoringId: id },
      key: id,
      priority: queued?.priority ?? request.priority ?? 0,
      place: { environment, useCaseId: plan.useCaseId },
    });
    await insertRun(tx.sql, { id, organisationId, request, plan, job, by: call.actor.id, at: tx.now });
    await tx.record({
      event: "scoring.run.started",
      subject: id,
      after: digestJson(request),
      detail: {
        name: request.out,
        model: `${plan.model.name}/${plan.model.version}`,
        dataset: plan.dataset.id,
        charter: plan.charter?.digest ?? null,
        ...(request.purpose === undefined ? {} : { purpose: request.purpose }),
        ...(plan.access ? { access: plan.access } : {}),
      },
    });
    if (queued) await deps.admission?.enter(tx, queued, job);
    return { id, state: "waiting", request, plan, job, startedBy: call.actor.id, startedAt: tx.now };
  });
}

export async function readScoring(
  deps: Pick<ScoringDeps, "work" | "authorizer" | "admission">,
  call: CallContext,
  id: string,
): Promise<Scoring> {
  const { organisationId } = call.actor;
  const { found, queue } = await deps.work.read(call, async (sql) => ({
    found: await findRun(sql, organisationId, id),
    queue: await deps.admission?.view(sql, organisationId, id),
  }));
  const missing = () =>
    new PortolanError<ScoringErrorCode>("scoring.not_found", { detail: `there is no scoring ${id}` });
  if (!found) throw missing();
  const { environment, useCaseId } = found;
  const resource = { type: "Dataset", id, organisationId, environment, ...asPlace({ useCaseId }) };
  await requireSeen(deps.authorizer, call, { action: "data:read_dataset", resource }, missing);
  return { ...found.scoring, ...(queue ? { queue } : {}) };
}

/** What the caller may see, newest first. */
export async function listScorings(
  deps: Pick<ScoringDeps, "work" | "authorizer">,
  call: CallContext,
): Promise<Scoring[]> {
  const { organisationId } = call.actor;
  const environments = await environmentsAllowing(deps.authorizer, call, "data:read_dataset", {
    type: "Dataset",
    organisationId,
  });
  const runs = await deps.work.read(call, (sql) => listRuns(sql, organisationId, environments));
  const visible: Scoring[] = [];
  for (const { scoring, environment, useCaseId } of runs) {
    const resource = { type: "Dataset", id: scoring.id, organisationId, environment, useCaseId };
    if ((await deps.authorizer.decide(call, "data:read_dataset", resource)).allowed) visible.push(scoring);
  }
  return visible;
}

/** The same for what does not exist and for what the caller may not know of. */
export function unknownTarget({
  environment,
  endpoint,
  model,
  version,
}: Pick<ScoringQuestion, "environment" | "endpoint" | "model" | "version">): PortolanError<ScoringErrorCode> {
  const named = endpoint === undefined ? `version ${model ?? "?"}@${version ?? "?"}` : `endpoint ${endpoint}`;
  return new PortolanError("scoring.target_unknown", {
    detail: `there is no ${named} to score with in ${environment}`,
    mend: "See portolan endpoint list and portolan model list; outside dev a version must be promoted first.",
  });
}

function doesNotFit(detail: string, mend: string): PortolanError<ScoringErrorCode> {
  return new PortolanError("scoring.columns_do_not_fit", { detail, mend });
}
