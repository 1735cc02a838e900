import { type CallContext, PortolanError, parseDigest } from "@portolan/kernel";
import type { StoredPrediction } from "@portolan/predictions/contract";
import type { EvaluationErrorCode } from "../errors.ts";
import type { Explanation } from "./contract.ts";
import type { ExplainDeps, Explainer, RecordedRow } from "./ports.ts";
import { findBackground } from "./store.ts";

export interface ExplanationAsked {
  /** Row of the request, from 0. */
  readonly row: number;
  /** Contributions that are listed. */
  readonly top: number;
  /** Columns that the nearest change leaves alone. */
  readonly fixed: readonly string[];
}

export type ExplainPredictionDeps = Pick<ExplainDeps, "work" | "predictions" | "deployments"> & {
  readonly explainer: Pick<Explainer, "explain">;
};

/**
 * Why a recorded prediction is what it is, from the record alone: the model runs again on what it got, and its score is split over its columns.
 *
 * @throws PortolanError `evaluation.not_explainable`, `evaluation.no_background`, and what reading the prediction throws
 */
export async function explainPrediction(
  deps: ExplainPredictionDeps,
  call: CallContext,
  id: string,
  { row, top, fixed }: ExplanationAsked,
  signal: AbortSignal,
): Promise<Explanation> {
  const prediction = await deps.predictions.get(call, id);
  const { model, environment } = prediction.header.context;
  const digest = model && parseDigest(model.digest);
  if (!model || !digest || prediction.header.status.kind !== "ok")
    throw notExplainable("no model of this platform answered it", "Explain a prediction that a model made.");
  const answer = prediction.payload?.outputs;
  if (!answer)
    throw notExplainable(`its payload is ${prediction.withheld ?? "not there"}`, "Nothing brings it back.");
  const { organisationId } = call.actor;
  const asked = { model: model.name, version: model.version, artifact: digest, environment };
  const found = await deps.work.read(call, (sql) => findBackground(sql, organisationId, asked));
  const background = found && parseDigest(found.digest);
  if (!found || !background) throw noBackground(model.name, model.version);
  const explained = await deps.explainer.explain(
    {
      organisationId,
      model: digest,
      background,
      recorded: await recordedRow(deps, call, prediction),
      answer: Buffer.from(answer.bytes).toString("utf8"),
      row,
      top,
      fixed,
    },
    signal,
  );
  const { rows, trainingSetId } = found;
  return {
    predictionId: id,
    row,
    model: { name: model.name, version: model.version, digest },
    background: { digest: background, trainingSetId, rows },
    ...explained,
  };
}

async function recordedRow(
  deps: Pick<ExplainDeps, "deployments">,
  call: CallContext,
  { header, payload }: StoredPrediction,
): Promise<RecordedRow> {
  const { context } = header;
  const features = payload?.features;
  if (features) {
    const { environment, endpoint, snapshotVersion } = context;
    const asked = { environment, endpoint, snapshotVersion, artifact: context.model?.digest ?? "" };
    const fillings = await deps.deployments.fillings(call, asked);
    const cells = fillings.find(
      (names) =>
        names.length > 0 &&
        features.length % names.length === 0 &&
        features.every(({ name }, at) => name === names[at % names.length]?.name),
    );
    if (!cells)
      throw notExplainable(
        "no deployment of its endpoint fills the model's inputs with the features that it names",
        "Explain a prediction of an endpoint that is still on record.",
      );
    return { kind: "cells", cells, values: features };
  }
  const inputs = payload?.inputs;
  if (!inputs || !inputs.mediaType.startsWith("application/json"))
    throw notExplainable(
      `its request came as ${inputs?.mediaType ?? "nothing"}`,
      "Requests in JSON, and those that features were added to, can be explained.",
    );
  return { kind: "body", text: Buffer.from(inputs.bytes).toString("utf8") };
}

export function notExplainable(detail: string, mend: string): PortolanError<EvaluationErrorCode> {
  return new PortolanError("evaluation.not_explainable", { detail, mend });
}

function noBackground(name: string, version: string): PortolanError<EvaluationErrorCode> {
  return new PortolanError("evaluation.no_background", {
    detail: `${name}/${version} has no background to explain against: it was trained elsewhere, takes something else than one table of numbers, or was registered a moment ago`,
    mend: `Make one of its training rows: portolan model explainable ${name} ${version} --background ts_….`,
  });
}
