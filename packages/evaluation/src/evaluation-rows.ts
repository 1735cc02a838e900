import {
  type Authorizer,
  type CallContext,
  type Digest,
  PortolanError,
  parseDigest,
  requireSeen,
  type UnitOfWork,
} from "@portolan/kernel";
import type { EvaluationRequest, HeldOut } from "./contract.ts";
import type { EvaluationErrorCode } from "./errors.ts";
import { evidenceEnvironment } from "./evidence-environment.ts";
import { judgeHeldOut } from "./held-out.ts";
import type { EvaluatedVersion, ScoreRequest } from "./ports.ts";
import { type EvaluationSet, findSet } from "./store.ts";

/** What the caller may not see is a set that does not exist. */
export async function requireSet(
  deps: { readonly work: UnitOfWork; readonly authorizer: Authorizer },
  call: CallContext,
  id: string,
): Promise<void> {
  const { organisationId } = call.actor;
  const set = await deps.work.read(call, (sql) => findSet(sql, organisationId, id));
  if (!set) throw setNotFound(id);
  const { environment } = set;
  const owner = set.useCaseId === undefined ? {} : { useCaseId: set.useCaseId };
  const resource = { type: "TrainingSet", id, organisationId, environment, ...owner };
  await requireSeen(deps.authorizer, call, { action: "features:read_training_set", resource }, () =>
    setNotFound(id),
  );
}

/**
 * The rows and what is known of their being held out.
 * @param named how a refusal calls the version
 * @throws PortolanError `evaluation.not_held_out` with the reason why they cannot judge it
 */
export async function pairOf(
  deps: { readonly work: UnitOfWork },
  call: CallContext,
  request: Pick<EvaluationRequest, "trainingSetId">,
  version: EvaluatedVersion,
  named = "this version",
): Promise<{
  readonly set: EvaluationSet;
  readonly heldOut: HeldOut;
  /** The rows that the version was trained on; absent for a model from elsewhere. */
  readonly trainedOn?: EvaluationSet;
}> {
  const { organisationId } = call.actor;
  const { set, trainedOn } = await deps.work.read(call, async (sql) => ({
    set: await findSet(sql, organisationId, request.trainingSetId),
    trainedOn:
      version.trainingSetId === undefined
        ? undefined
        : await findSet(sql, organisationId, version.trainingSetId),
  }));
  if (!set) throw setNotFound(request.trainingSetId);
  if (set.useCaseId !== version.useCaseId) throw notHeldOut(set.id, named, "it belongs to another use case");
  if (set.environment !== evidenceEnvironment)
    throw notHeldOut(set.id, named, `it was built in ${set.environment}, not in ${evidenceEnvironment}`);
  const origin = { registeredAt: version.registeredAt, ...(trainedOn ? { trainedOn } : {}) };
  const verdict = judgeHeldOut(set, origin);
  switch (verdict.kind) {
    case "judged":
      return { set, heldOut: verdict.heldOut, ...(trainedOn ? { trainedOn } : {}) };
    case "refused":
      throw notHeldOut(set.id, named, verdict.reason);
  }
}

/** What a model is asked of a set's rows. */
export function scoreRequest(model: Digest, set: EvaluationSet): ScoreRequest {
  const dataset = parseDigest(set.object);
  if (!dataset) throw new PortolanError("kernel.internal", { detail: `${set.id} names no object` });
  const { label, features, baseline } = set;
  return {
    model,
    dataset,
    labelColumn: label,
    featureColumns: features,
    ...(baseline === undefined ? {} : { baselineColumn: baseline }),
  };
}

function setNotFound(id: string): PortolanError<EvaluationErrorCode> {
  return new PortolanError("evaluation.set_not_found", {
    detail: `there is no ready training set ${id}`,
    mend: "Build one of later rows with POST /v1/training-sets and wait until it is ready.",
  });
}

function notHeldOut(id: string, named: string, reason: string): PortolanError<EvaluationErrorCode> {
  return new PortolanError("evaluation.not_held_out", {
    detail: `training set ${id} cannot judge ${named}: ${reason}`,
    mend: "Build a set of the same definition and use case in production, from the end of the training set on.",
  });
}

export function textHasNoRows(): PortolanError {
  return new PortolanError<EvaluationErrorCode>("evaluation.not_scorable", {
    detail: "the version speaks text, and has no rows to be scored on",
    mend: "Ask it a set of cases: portolan model evaluate NAME VERSION --evaluation-set SET.",
  });
}
