import type { ReleaseTerms } from "@portolan/charter/contract";
import type { Digest, JsonObject } from "@portolan/kernel";
import { scoreRequest } from "./evaluation-rows.ts";
import type { Scorer } from "./ports.ts";
import { measureScores } from "./statistics/compute-statistics.ts";
import type { EvaluationSet } from "./store.ts";

/** A version's rows, and what is to be said of them. */
export interface RowsAsked {
  readonly model: Digest;
  readonly set: EvaluationSet;
  /** Columns beside those of the charter. */
  readonly slices: readonly string[];
  readonly terms: ReleaseTerms | undefined;
}

/** Scores a version in another process, as the charter's task has it, and computes the metrics in a thread of their own. */
export async function measureRows(
  { scorer }: { readonly scorer: Scorer },
  { model, set, slices, terms }: RowsAsked,
  signal: AbortSignal,
): Promise<JsonObject> {
  const sliced = [...new Set([...(terms?.slices?.columns ?? []), ...slices])];
  const { baseline, attributes } = set;
  const common = {
    ...(baseline === undefined ? {} : { baselineColumn: baseline }),
    sliced,
    ...(terms?.slices ? { slices: terms.slices } : {}),
    attributes,
  };
  const asking = (...more: readonly string[]) => {
    const columns = [...new Set([...sliced, ...more])];
    return { ...scoreRequest(model, set), ...(columns.length === 0 ? {} : { sliceColumns: columns }) };
  };
  if (terms?.task === "ranking" && terms.query !== undefined) {
    const { query } = terms;
    const scored = await scorer.scoreQuantities(asking(query), signal);
    return { ...(await measureScores({ kind: "measure_rankings", scored, query, ...common }, signal)) };
  }
  const groups = terms?.fairness?.columns ?? [];
  if (terms?.task === "multiclass_classification") {
    const scored = await scorer.scoreClasses(asking(...groups), signal);
    const { accuracy, classes, fairness } = terms;
    const of = {
      metric: accuracy.metric,
      ...(classes ? { names: classes } : {}),
      ...(fairness ? { fairness } : {}),
    };
    return { ...(await measureScores({ kind: "measure_classes", scored, ...of, ...common }, signal)) };
  }
  if (terms?.task === "regression") {
    const scored = await scorer.scoreQuantities(asking(), signal);
    const { metric } = terms.accuracy;
    return { ...(await measureScores({ kind: "measure_quantities", scored, metric, ...common }, signal)) };
  }
  const ofKpis = (terms?.kpis ?? []).flatMap((kpi) => Object.keys(kpi.columns));
  const scored = await scorer.score(asking(...groups, ...ofKpis), signal);
  const task = {
    kind: "measure" as const,
    scored,
    ...common,
    ...(terms?.fairness ? { fairness: terms.fairness } : {}),
    ...(terms?.kpis ? { kpis: terms.kpis } : {}),
  };
  return { ...(await measureScores(task, signal)) };
}
