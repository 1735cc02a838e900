import { type CallContext, type Digest, PortolanError, parseDigest } from "@portolan/kernel";
import type { StoredPrediction } from "@portolan/predictions/contract";
import { parsePredictionId } from "@portolan/predictions/policy";
import type { EvaluationErrorCode } from "../errors.ts";
import { rowOf, usuallyMostWaiting } from "./choose-predictions.ts";
import { answeredRows, classNamesOf } from "./class-names.ts";
import type { Explanation } from "./contract.ts";
import { isKeptRow, type KeptContent, readContent, type SealedContent } from "./kept-explanation.ts";
import { countWaiting, findKept, insertChosen } from "./kept-store.ts";
import type { ExplainDeps, ExplainedRow, Explainer, RecordedRow } from "./ports.ts";
import { type FoundBackground, findBackground } from "./store.ts";

export interface ExplanationAsked {
  /** Row of the request, from 0. */
  readonly row: number;
  /** Contributions that are listed; absent: as the charter says where it is kept, and five otherwise. */
  readonly top?: number;
  /** Columns that the nearest change leaves alone; absent: as the charter says where it is kept, and none otherwise. */
  readonly fixed?: readonly string[];
  /** Explains it again where it is kept, from the same model, background and parameters, and says whether that is the same. */
  readonly again?: boolean;
}

/** What somebody asked for is kept while fewer predictions of the organisation wait in all: most of the room is for what charters ask for. */
const usuallyMostAsked = usuallyMostWaiting / 10;

export type ExplainPredictionDeps = Pick<ExplainDeps, "work" | "predictions" | "deployments" | "classes"> & {
  readonly explainer: Pick<Explainer, "explain">;
  /** Absent: a tenth of what may wait in all. */
  readonly mostAsked?: number;
};

/**
 * Why a recorded prediction is what it is: what is kept with it, or else from the record alone: the model runs again on what it got, and its score is split over its columns.
 *
 * @throws PortolanError `evaluation.not_explainable`, `evaluation.no_background`, and what reading the prediction throws
 */
export async function explainPrediction(
  deps: ExplainPredictionDeps,
  call: CallContext,
  id: string,
  asked: ExplanationAsked,
  signal: AbortSignal,
): Promise<Explanation> {
  const prediction = await deps.predictions.get(call, id);
  const answer = recordedAnswer(prediction);
  const kept = await findKeptFor(deps, call, id, asked);
  const classes = await deps.classes?.of(call, prediction.header.context.useCaseId);
  const named = (found: Explanation): Explanation => ({ ...found, ...classNamesOf(classes ?? [], found) });
  if (kept && !asked.again) return named(explanationOf(kept, asked.row));
  const { row } = asked;
  const asks = answeredRows(answer);
  const { top, fixed } = kept?.content.parameters ?? { top: usualTop, fixed: [], ...stated(asked) };
  const model = modelOf(prediction);
  const found = kept?.content.background ?? (await requireBackground(deps, call, prediction));
  const background = parseDigest(found.digest);
  if (!background) throw noBackground(model.name, model.version);
  const { organisationId } = call.actor;
  const recorded = await recordedRow(deps, call, prediction);
  const request = { organisationId, model: model.digest, background, recorded, answer, row, top, fixed };
  const explained = await deps.explainer.explain(request, signal);
  const { rows, trainingSetId } = found;
  if (!kept) await haveKept(deps, call, prediction, { top, fixed });
  return named({
    predictionId: id,
    row,
    ...(asks === undefined ? {} : { rows: asks }),
    model,
    background: { digest: background, trainingSetId, rows },
    ...explained,
    ...(kept ? { kept: { ...kept.view, again: comparedTo(kept, row, explained) } } : {}),
  });
}

/**
 * Has what somebody asked for kept as well, by the rounds that keep what charters ask for, so that it can be explained again and compared. The first
 * parameters that a prediction was explained by stay; where too many wait already it is not kept.
 */
async function haveKept(
  { work, mostAsked = usuallyMostAsked }: Pick<ExplainPredictionDeps, "work" | "mostAsked">,
  call: CallContext,
  { header }: StoredPrediction,
  parameters: { readonly top: number; readonly fixed: readonly string[] },
): Promise<void> {
  const { organisationId } = call.actor;
  const block = parsePredictionId(header.id);
  if (!block) return;
  const hasRoom = await work.read(
    call,
    async (sql) =>
      !(await findKept(sql, organisationId, header.id)) &&
      (await countWaiting(sql, organisationId, mostAsked)) < mostAsked,
  );
  if (hasRoom)
    await work.write(call, ({ sql, now }) => insertChosen(sql, [rowOf(header, parameters, block)], now));
}

const usualTop = 5;

function stated({ top, fixed }: ExplanationAsked): Partial<Pick<ExplanationAsked, "top" | "fixed">> {
  return { ...(top === undefined ? {} : { top }), ...(fixed === undefined ? {} : { fixed }) };
}

interface FoundKept {
  readonly content: KeptContent;
  readonly seal: Pick<SealedContent, "salt" | "digest">;
  readonly view: NonNullable<Explanation["kept"]>;
}

/** What is kept of a prediction, where it is of that row and those parameters. */
async function findKeptFor(
  { work }: Pick<ExplainDeps, "work">,
  call: CallContext,
  id: string,
  { row, top, fixed }: ExplanationAsked,
): Promise<FoundKept | undefined> {
  const found = await work.read(call, (sql) => findKept(sql, call.actor.organisationId, id));
  const digest = parseDigest(found?.digest ?? "");
  if (!found?.content || !found.salt || !digest) return undefined;
  const content = readContent(found.content);
  const { parameters, explained, rows } = content;
  const isOther =
    row >= explained.length ||
    (top !== undefined && top !== parameters.top) ||
    (fixed !== undefined && fixed.toSorted().join() !== parameters.fixed.toSorted().join());
  if (isOther) return undefined;
  return {
    content,
    seal: { salt: found.salt, digest },
    view: {
      at: found.ended_at ?? 0,
      digest,
      ledgerRow: found.ledger_row ?? "",
      leaf: { index: found.leaf_index ?? 0, count: found.leaf_count ?? 0, path: [...(found.path ?? [])] },
      rows,
      top: parameters.top,
      fixed: [...parameters.fixed],
    },
  };
}

function explanationOf({ content, view }: FoundKept, row: number): Explanation {
  const { predictionId, rows, model, background, explained } = content;
  const found = explained[row];
  if (!found) throw new PortolanError("kernel.internal", { detail: `${predictionId} has no row ${row}` });
  return { predictionId, row, rows, model, background, ...found, kept: view };
}

function comparedTo(
  { content, seal }: FoundKept,
  row: number,
  found: ExplainedRow,
): "bit_for_bit" | "otherwise" {
  return isKeptRow(content, seal, row, found) ? "bit_for_bit" : "otherwise";
}

/** The answer of the model, in JSON. @throws PortolanError `evaluation.not_explainable` where there is none */
export function recordedAnswer(prediction: StoredPrediction): string {
  modelOf(prediction);
  const answer = prediction.payload?.outputs;
  if (!answer)
    throw notExplainable(`its payload is ${prediction.withheld ?? "not there"}`, "Nothing brings it back.");
  return Buffer.from(answer.bytes).toString("utf8");
}

function modelOf({ header }: StoredPrediction): {
  readonly name: string;
  readonly version: string;
  readonly digest: Digest;
} {
  const { model } = header.context;
  const digest = model && parseDigest(model.digest);
  if (!model || !digest || header.status.kind !== "ok")
    throw notExplainable("no model of this platform answered it", "Explain a prediction that a model made.");
  return { name: model.name, version: model.version, digest };
}

async function requireBackground(
  { work }: Pick<ExplainDeps, "work">,
  call: CallContext,
  prediction: StoredPrediction,
): Promise<FoundBackground> {
  const { name, version, digest } = modelOf(prediction);
  const { environment } = prediction.header.context;
  const asked = { model: name, version, artifact: digest, environment };
  const found = await work.read(call, (sql) => findBackground(sql, call.actor.organisationId, asked));
  if (!found) throw noBackground(name, version);
  return found;
}

/** What the model got, as the record says. @throws PortolanError `evaluation.not_explainable` */
export async function recordedRow(
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
