import type { Sql } from "@portolan/kernel";
import type { JSONColumnType } from "kysely";
import type { GateResult, HeldOut, Interval, RowMetrics } from "./contract.ts";
import { measuredParts, type PartFigure } from "./measured-parts.ts";
import type { TextMetrics } from "./text/contract.ts";

type Common = {
  id: string;
  version_id: string;
  held_out: JSONColumnType<HeldOut>;
  gates: JSONColumnType<GateResult[]>;
  created_by: string;
  created_at: number;
};
type RecordTables = {
  "evaluation.evaluations": Common & {
    training_set_id: string;
    dataset: string;
    metrics: JSONColumnType<RowMetrics>;
  };
  "evaluation.text_evaluations": Common & {
    set_id: string;
    results: string;
    metrics: JSONColumnType<TextMetrics>;
  };
  "evaluation.text_sets": { id: string; object: string };
};

/** A value that an evaluation found, with its interval where one was computed. */
export interface NamedMetric {
  readonly name: string;
  readonly value: number;
  readonly interval?: Interval;
}

/** One evaluation as it was recorded, of rows or of text alike. */
export interface RecordedEvaluation {
  readonly id: string;
  readonly setId: string;
  /** Digest of the rows or cases that it was made with. */
  readonly set: string;
  /** Digest of the answers, for text. */
  readonly results?: string;
  readonly heldOut: HeldOut;
  readonly metrics: NamedMetric[];
  /** Of rows what was measured of their parts; absent where nothing was. */
  readonly parts?: PartFigure[];
  /** Rows or cases. */
  readonly examples: number;
  readonly gates: GateResult[];
  readonly evaluatedBy: string;
  /** Microseconds since 1970. */
  readonly evaluatedAt: number;
}

/** All evaluations of a version, of rows and of text, oldest first. */
export async function recordedEvaluations(sql: Sql, versionId: string): Promise<RecordedEvaluation[]> {
  const all = [...(await ofRows(sql, versionId)), ...(await ofText(sql, versionId))];
  return all.toSorted((a, b) => a.evaluatedAt - b.evaluatedAt || (a.id < b.id ? -1 : 1));
}

async function ofRows(sql: Sql, versionId: string): Promise<RecordedEvaluation[]> {
  const rows = await sql
    .withTables<RecordTables>()
    .selectFrom("evaluation.evaluations")
    .select(["id", "training_set_id", "dataset", "held_out", "metrics", "gates", "created_by", "created_at"])
    .where("version_id", "=", versionId)
    .execute();
  return rows.map(({ training_set_id: setId, dataset: set, metrics, ...row }) => ({
    ...common(row),
    setId,
    set,
    metrics: rowMetrics(metrics),
    ...partsOf(metrics),
    examples: metrics.rows,
  }));
}

async function ofText(sql: Sql, versionId: string): Promise<RecordedEvaluation[]> {
  const rows = await sql
    .withTables<RecordTables>()
    .selectFrom("evaluation.text_evaluations as e")
    .innerJoin("evaluation.text_sets as s", "s.id", "e.set_id")
    .select(["e.id", "e.set_id", "s.object", "e.results", "e.held_out", "e.metrics", "e.gates"])
    .select(["e.created_by", "e.created_at"])
    .where("e.version_id", "=", versionId)
    .execute();
  return rows.map(({ set_id: setId, object: set, results, metrics, ...row }) => ({
    ...common(row),
    setId,
    set,
    results,
    metrics: named(metrics.values, { pass_rate: metrics.passRateInterval }),
    examples: metrics.cases,
  }));
}

function partsOf(metrics: RowMetrics): Pick<RecordedEvaluation, "parts"> {
  const parts = measuredParts(metrics);
  return parts.length === 0 ? {} : { parts };
}

function common(row: {
  readonly id: string;
  readonly held_out: HeldOut;
  readonly gates: GateResult[];
  readonly created_by: string;
  readonly created_at: number;
}) {
  const { id, held_out: heldOut, gates, created_by: evaluatedBy, created_at: evaluatedAt } = row;
  return { id, heldOut, gates, evaluatedBy, evaluatedAt };
}

/** The paired difference to the naive baseline is a metric of its own. */
function rowMetrics({ values, intervals = {}, rocAucInterval, baseline }: RowMetrics): NamedMetric[] {
  const difference = baseline ? [{ name: differenceName(baseline), ...baseline.difference }] : [];
  const plain = Object.entries(intervals).map(
    ([name, { low, high, level }]) => [name, { low, high, level }] as const,
  );
  return [...named(values, { ...Object.fromEntries(plain), roc_auc: rocAucInterval }), ...difference];
}

function differenceName({ metric }: NonNullable<RowMetrics["baseline"]>): string {
  return metric === undefined ? "roc_auc_minus_baseline" : `${metric}_better_than_baseline`;
}

/** Each value by its name, with the interval that was computed for it. */
function named(
  values: Readonly<Record<string, number>>,
  intervals: Readonly<Record<string, Interval | undefined>>,
): NamedMetric[] {
  return Object.entries(values).map(([name, value]) => {
    const interval = intervals[name];
    return { name, value, ...(interval ? { interval } : {}) };
  });
}
