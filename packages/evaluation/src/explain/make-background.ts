import {
  type CallContext,
  canonicalBytes,
  type Digest,
  type Environment,
  type JobHandler,
  type JobRun,
  type JsonObject,
  PortolanError,
  parseDigest,
  requireSeen,
  type Transaction,
} from "@portolan/kernel";
import { Type, Value } from "@portolan/typebox";
import type { EvaluationErrorCode } from "../errors.ts";
import { type EvaluationSet, findSet } from "../store.ts";
import type { ExplanationBackground } from "./contract.ts";
import { notExplainable } from "./explain-prediction.ts";
import type { ExplainDeps, ExplainedVersion } from "./ports.ts";
import { insertBackground } from "./store.ts";

export const backgroundQueue = "evaluation.explanation_background";

export interface BackgroundAsked {
  readonly model: string;
  readonly version: number;
  /** Absent: the set that the platform trained the version on. */
  readonly trainingSetId?: string;
}

/**
 * Starts making what a version's answers are explained against; resolves to the job's id.
 *
 * @throws PortolanError `evaluation.set_not_found` when no set is named and none is known, and 404s
 */
export async function startBackground(
  deps: ExplainDeps,
  call: CallContext,
  asked: BackgroundAsked,
): Promise<string> {
  const version = await deps.versions.find(call, asked.model, asked.version);
  const set = await requireSet(deps, call, version, asked.trainingSetId);
  await deps.authorizer.require(call, "evaluation:run", {
    type: "Model",
    id: asked.model,
    organisationId: call.actor.organisationId,
    useCaseId: version.useCaseId,
    environment: set.environment,
  });
  return deps.work.write(call, async (tx) => {
    const job = await enqueueBackground(tx, version, set);
    await tx.record({
      event: "evaluation.explanation_background.started",
      subject: version.id,
      detail: { job, trainingSet: set.id },
    });
    return job;
  });
}

/** A version that the platform trained can be explained without anybody asking. */
export async function explainTrained(tx: Transaction, version: ExplainedVersion): Promise<void> {
  const { trainingSetId: id } = version;
  const set = id === undefined ? undefined : await findSet(tx.sql, tx.call.actor.organisationId, id);
  if (set) await enqueueBackground(tx, version, set);
}

function enqueueBackground(
  tx: Transaction,
  { model, version, id, useCaseId }: ExplainedVersion,
  set: { readonly id: string; readonly environment: Environment },
): Promise<string> {
  return tx.enqueue({
    queue: backgroundQueue,
    payload: { model, version, trainingSetId: set.id },
    key: `${id} ${set.id}`,
    place: { environment: set.environment, useCaseId },
  });
}

/** What the caller may not see does not exist. */
async function requireSet(
  deps: ExplainDeps,
  call: CallContext,
  version: ExplainedVersion,
  named: string | undefined,
): Promise<EvaluationSet> {
  const own = version.trainingSetId;
  if (own !== undefined && named !== undefined && named !== own)
    throw notExplainable(
      `the platform trained ${version.model}/${version.version} on ${own}, and its answers are explained against those rows`,
      "Leave the training set out.",
    );
  const id = named ?? own;
  const missing = () =>
    new PortolanError<EvaluationErrorCode>("evaluation.set_not_found", {
      detail:
        id === undefined
          ? "the version was trained elsewhere, and no training set of this platform is named"
          : `there is no ready training set ${id} of the version's use case`,
      mend: "Name one that holds its inputs: portolan model explainable NAME VERSION --background ts_….",
    });
  if (id === undefined) throw missing();
  const { organisationId } = call.actor;
  const set = await deps.work.read(call, (sql) => findSet(sql, organisationId, id));
  if (!set || (set.useCaseId !== undefined && set.useCaseId !== version.useCaseId)) throw missing();
  const { environment } = set;
  const owner = set.useCaseId === undefined ? {} : { useCaseId: set.useCaseId };
  const resource = { type: "TrainingSet", id, organisationId, environment, ...owner };
  await requireSeen(deps.authorizer, call, { action: "features:read_training_set", resource }, missing);
  return set;
}

const BackgroundPayload = Type.Object({
  model: Type.String(),
  version: Type.Integer(),
  trainingSetId: Type.String(),
});

/** Counts in another process; background and ledger row become visible together. A model that cannot be explained ends the job well, and says so. */
export function backgroundJob(deps: ExplainDeps): JobHandler {
  return { queue: backgroundQueue, retries: 1, run: (job) => runBackground(deps, job) };
}

type Made = { readonly background: string; readonly rows: number } | { readonly unexplainable: string };

async function runBackground(deps: ExplainDeps, job: JobRun): Promise<JsonObject> {
  const { model, version: number, trainingSetId } = Value.Parse(BackgroundPayload, job.payload);
  const version = await deps.versions.find(job.call, model, number);
  const set = await requireSet(deps, job.call, version, trainingSetId);
  const made = await job.effect("count", () => makeBackground(deps, version, set, job.signal));
  if ("unexplainable" in made) return { unexplainable: made.unexplainable };
  return job.step("publish", async (tx) => {
    const at = { environment: set.environment, useCaseId: version.useCaseId };
    await deps.artifacts.note(tx, at, [{ digest: made.background, kind: "explanation_background" }]);
    await insertBackground(tx.sql, {
      organisation_id: tx.call.actor.organisationId,
      version_id: version.id,
      model: version.model,
      version: version.version,
      artifact: version.artifact,
      digest: made.background,
      training_set_id: set.id,
      environment: set.environment,
      rows: made.rows,
      created_by: tx.call.actor.id,
      created_at: tx.now,
    });
    await tx.record({
      event: "evaluation.explanation_background.published",
      subject: version.id,
      after: made.background as Digest,
      detail: { trainingSet: set.id, rows: made.rows },
    });
    return { background: made.background, rows: made.rows };
  });
}

async function makeBackground(
  deps: ExplainDeps,
  version: ExplainedVersion,
  set: EvaluationSet,
  signal: AbortSignal,
): Promise<Made> {
  const dataset = parseDigest(set.object);
  if (!dataset) throw new PortolanError("kernel.internal", { detail: `${set.id} names no object` });
  const { artifact: model } = version;
  const counted = await deps.explainer.background({ model, dataset, features: set.features }, signal);
  if ("unexplainable" in counted) return counted;
  const { rows, sampledEvery, ...found } = counted;
  const background: ExplanationBackground = {
    format: 1,
    model,
    data: { trainingSetId: set.id, digest: dataset, rows, sampledEvery },
    ...found,
  };
  const bytes = canonicalBytes(background);
  return { background: await deps.objects.put(bytes), rows };
}
