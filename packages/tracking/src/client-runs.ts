import {
  asPlace,
  type CallContext,
  canonicalBytes,
  digestBytes,
  type JsonObject,
  newId,
  PortolanError,
  type RecordBatch,
  requireSeen,
  type Transaction,
} from "@portolan/kernel";
import { checkBatch, refuse } from "./check-values.ts";
import type { KeyValue } from "./contract.ts";
import { resolveExperiment } from "./default-experiment.ts";
import type { TrackingErrorCode } from "./errors.ts";
import type { Experiment } from "./experiment-id.ts";
import { type ExperimentDeps, findRun, resourceOf } from "./find-run.ts";
import { isClientRunId } from "./policy.ts";
import type { TrackedRun } from "./ports.ts";
import { missingExperiment } from "./read-experiment.ts";
import { nameTag, originTag } from "./run-tags.ts";
import { insertClientRun, setDeleted, setTags } from "./store.ts";

export interface ClientRunDeps extends ExperimentDeps {
  readonly recordBatch: RecordBatch;
}

export interface NewRun {
  readonly experimentId: string;
  readonly name?: string;
  /** Milliseconds since 1970, as the client's clock had it; default: now. */
  readonly startMs?: number;
  readonly tags: readonly KeyValue[];
}

/** The last millisecond of which the microseconds are exact in a double: in the year 2255. */
const latestStartMs = Math.floor(Number.MAX_SAFE_INTEGER / 1000);

/**
 * Makes a run of the caller's own, of origin `client`: it is kept and shown beside runs of training, and is evidence of none.
 *
 * @throws PortolanError `tracking.experiment_not_found`, `tracking.invalid_value`, and what the authorizer throws
 */
export async function createRun(deps: ClientRunDeps, call: CallContext, asked: NewRun): Promise<TrackedRun> {
  const tags = tagsOf(asked);
  checkStart(asked.startMs);
  const { useCaseId, environment } = await requireExperiment(deps, call, asked.experimentId);
  const { organisationId, id: startedBy } = call.actor;
  return deps.work.write(call, async (tx) => {
    const run: TrackedRun = {
      id: newId("clientRun", tx.now),
      origin: "client",
      environment,
      ...(useCaseId === undefined ? {} : { useCaseId }),
      state: "running",
      startedBy,
      startedAt: asked.startMs === undefined ? tx.now : asked.startMs * 1000,
    };
    const bytes = await insertAll(tx, organisationId, run, tags);
    await deps.recordBatch(tx, {
      event: "tracking.run.created",
      subject: run.id,
      digest: digestBytes(bytes),
      count: 1,
      key: `tracking:${run.id}`,
    });
    return run;
  });
}

async function insertAll(
  tx: Transaction,
  organisationId: string,
  run: TrackedRun,
  tags: readonly KeyValue[],
): Promise<Uint8Array> {
  const { environment, useCaseId, startedBy, startedAt } = run;
  const content: JsonObject = {
    origin: run.origin,
    environment,
    ...asPlace({ useCaseId }),
    startedAt,
    tags: tags.map(({ key, value }) => ({ key, value })),
  };
  const bytes = canonicalBytes(content);
  await insertClientRun(tx.sql, {
    run_id: run.id,
    organisation_id: organisationId,
    environment,
    use_case_id: useCaseId ?? null,
    started_by: startedBy,
    started_at: startedAt,
    logged_bytes: bytes.length,
  });
  await setTags(tx.sql, run.id, [...tags, { key: originTag, value: run.origin }]);
  return bytes;
}

/** A name may come beside the tags and among them; both must say the same. */
function tagsOf({ name, tags }: NewRun): KeyValue[] {
  checkBatch({ metrics: [], params: [], tags });
  const tagged = tags.findLast(({ key }) => key === nameTag)?.value;
  if (!name || name === tagged) return [...tags];
  if (tagged)
    refuse([
      {
        detail: `run_name is ${JSON.stringify(name)}, and the tag ${nameTag} says ${JSON.stringify(tagged)}`,
        mend: "Give one name.",
        at: { pointer: "/run_name" },
      },
    ]);
  const named = [...tags.filter(({ key }) => key !== nameTag), { key: nameTag, value: name }];
  checkBatch({ metrics: [], params: [], tags: named });
  return named;
}

function checkStart(startMs: number | undefined): void {
  if (startMs === undefined || (startMs >= 0 && startMs <= latestStartMs)) return;
  refuse([
    {
      detail: `${startMs} is no time in milliseconds since 1970`,
      mend: "Leave start_time out, or send the milliseconds.",
      at: { pointer: "/start_time" },
    },
  ]);
}

/** The place of a run to be made, where the caller may log. */
async function requireExperiment(deps: ClientRunDeps, call: CallContext, asked: string): Promise<Experiment> {
  const { organisationId } = call.actor;
  const experiment = await resolveExperiment(deps, call, asked);
  if (experiment === undefined) throw missingExperiment(asked);
  const { environment, useCaseId } = experiment;
  const resource = { type: "ClientRun", organisationId, environment, ...asPlace({ useCaseId }) };
  await deps.authorizer.require(call, "training:track", resource);
  if (useCaseId !== undefined && !(await deps.useCases.find(organisationId, useCaseId)))
    throw missingExperiment(asked);
  return experiment;
}

/**
 * Hides a client's run from MLflow's clients, or shows it again. Nothing of it is removed: deleted is a state. Whoever may make runs
 * there may do it, so that runs of people who have left can be tidied away.
 *
 * @throws PortolanError `tracking.training_run_stays` for a run of training, and what the authorizer throws
 */
export async function changeDeleted(
  deps: ClientRunDeps,
  call: CallContext,
  runId: string,
  to: "deleted" | "restored",
): Promise<void> {
  const run = await findRun(deps, call, runId);
  if (!isClientRunId(run.id))
    throw new PortolanError<TrackingErrorCode>("tracking.training_run_stays", {
      detail: `${run.id} is a run of training`,
      mend: "Leave it: it is the evidence of how a model was made.",
    });
  const question = { action: "training:track", resource: resourceOf(call, run) };
  await requireSeen(deps.authorizer, call, question, () => deps.runs.missing(runId));
  await deps.work.write(call, async (tx) => {
    await setDeleted(tx.sql, runId, to === "deleted" ? tx.now : null);
    await deps.recordBatch(tx, {
      event: `tracking.run.${to}`,
      subject: runId,
      digest: digestBytes(canonicalBytes({ runId, to })),
      count: 1,
      key: `tracking:${runId}:${newId("request", tx.now)}`,
    });
  });
}
