import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { quoteText } from "@portolan/expressions";
import { type AnalysisEngine, type AnalysisResult, integerCell } from "../analysis.ts";
import type { DataContract } from "../contracts/contract-model.ts";
import type { SourceFile } from "../sources/source-plan.ts";
import { batchMetricSql } from "./batch-metrics.ts";
import type { CounterpartFiles } from "./counterparts.ts";
import { splitPlan } from "./split-plan.ts";

export interface FileBatch {
  readonly contract: DataContract;
  readonly sources: readonly SourceFile[];
  /** Local files of the contract's references, by name. */
  readonly references: Readonly<Record<string, string>>;
  /** Published rows that the contract's relationships are looked up in, by contract. */
  readonly counterparts?: CounterpartFiles;
  /** When the batch is judged, epoch microseconds. */
  readonly asOf: number;
  /** An empty folder that receives accepted.parquet, quarantine.parquet and dead-letter.parquet. */
  readonly folder: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, note: string) => void;
}

/** What the split and the rules found; JSON, for it is a step's result. */
export type FileFigures = {
  readonly accepted: number;
  readonly quarantined: number;
  readonly deadLetters: number;
  readonly minEventTime: number | null;
  readonly maxEventTime: number | null;
  /** Broken rules, and how many rows broke each. */
  readonly rules: Record<string, number>;
  /** Accepted rows in which a column is null. */
  readonly nulls: Record<string, number>;
  /** Values of the contract's batch rules, in their order. */
  readonly values: number[];
  /** Accepted rows without a counterpart, by the name of a relationship that keeps none out. */
  readonly dangling?: Record<string, number>;
  /** What the engine took, all in all. */
  readonly elapsedMs: number;
};

/** A hundred times what three million rows took: beyond it the source or the contract is at fault. */
const splitTimeoutMs = 1_800_000;
/** Longer than any figure over a batch should take; a rule's query may be a runaway. */
const ruleTimeoutMs = 120_000;
/** A figure needs little disk; a cross join that somebody wrote would take all there is. */
const ruleSpillBytes = 2 ** 30;

/** Splits a batch of files by its contract and takes the figures that its gate judges. Leaves three Parquet files in the folder. */
export async function judgeFiles(engine: AnalysisEngine, batch: FileBatch): Promise<FileFigures> {
  const { contract, sources, references, counterparts = {}, asOf, folder, signal, onProgress } = batch;
  const split = await engine.run({
    statements: splitPlan({ contract, sources, references, counterparts, asOf, output: folder }),
    readable: [
      ...sources.map((source) => source.path),
      ...Object.values(references),
      ...Object.values(counterparts).filter((path) => path !== null),
    ],
    workFolder: folder,
    timeoutMs: splitTimeoutMs,
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  });
  const values = await batchValues(engine, contract, join(folder, "accepted.parquet"), signal);
  return { ...figuresOf(split, contract), ...values, elapsedMs: split.elapsedMs + values.elapsedMs };
}

/**
 * Figures of the contract's batch rules. A process of its own that can read the accepted rows and nothing else: rules may carry
 * SQL that somebody wrote, and neither the source, nor what was kept out, nor any other file is theirs to read.
 */
async function batchValues(
  engine: AnalysisEngine,
  contract: DataContract,
  accepted: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly values: number[]; readonly elapsedMs: number }> {
  if (contract.batchRules.length === 0) return { values: [], elapsedMs: 0 };
  const workFolder = `${dirname(accepted)}-rules`;
  await mkdir(workFolder, { recursive: true });
  try {
    const { rows, elapsedMs } = await engine.run({
      statements: [
        { sql: `create view accepted as select * from read_parquet(${quoteText(accepted)})` },
        ...contract.batchRules.map((rule, index) => ({
          sql: batchMetricSql(rule, contract.columns),
          returns: `batch_${index}`,
          note: `rule ${rule.name}`,
        })),
      ],
      readable: [accepted],
      workFolder,
      timeoutMs: ruleTimeoutMs,
      spillLimitBytes: ruleSpillBytes,
      outputLimitBytes: ruleSpillBytes,
      ...(signal ? { signal } : {}),
    });
    const values = contract.batchRules.map((_, index) => Number(rows[`batch_${index}`]?.[0]?.["value"] ?? 0));
    return { values, elapsedMs };
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

function figuresOf(
  { rows }: AnalysisResult,
  { columns }: DataContract,
): Omit<FileFigures, "values" | "elapsedMs"> {
  const counts = rows["counts"]?.[0];
  const nulls = rows["nulls"]?.[0];
  const time = (name: string): number | null =>
    typeof counts?.[name] === "string" ? integerCell(counts, name) : null;
  return {
    accepted: integerCell(counts, "accepted"),
    quarantined: integerCell(counts, "quarantined"),
    deadLetters: integerCell(counts, "dead_letters"),
    minEventTime: time("min_event_time"),
    maxEventTime: time("max_event_time"),
    rules: Object.fromEntries(
      (rows["rules"] ?? []).map((row) => [String(row["rule"]), integerCell(row, "rows")]),
    ),
    ...(rows["dangling"]
      ? {
          dangling: Object.fromEntries(
            rows["dangling"].map((row) => [String(row["name"]), integerCell(row, "rows")]),
          ),
        }
      : {}),
    nulls: Object.fromEntries(columns.map(({ name }) => [name, integerCell(nulls, name)])),
  };
}
