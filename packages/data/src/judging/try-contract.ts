import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { quoteText } from "@portolan/expressions";
import type { AnalysisEngine } from "../analysis.ts";
import type { DataContract } from "../contracts/contract-model.ts";
import { type QuarantinedRow, quarantinedRow } from "../ingestion/quarantined-row.ts";
import {
  missingColumns,
  observeSources,
  type SchemaDrift,
  schemaDrift,
  withColumns,
  withDialects,
} from "../sources/observe-sources.ts";
import type { SourceFile } from "../sources/source-plan.ts";
import { judgeBatch } from "./batch-metrics.ts";
import { judgeFiles } from "./judge-files.ts";

export interface ContractTrial {
  readonly contract: DataContract;
  /** Files of this machine, as one batch. */
  readonly sources: readonly SourceFile[];
  /** Files of the tables that the contract refers to, by name. */
  readonly references: Readonly<Record<string, string>>;
  /** Folder for temporary files; nothing of the trial stays there. */
  readonly workFolder: string;
  /** When freshness is judged, epoch microseconds. */
  readonly asOf: number;
  /** How many bad rows and dead letters to show. */
  readonly shown: number;
}

export interface TrialReport {
  /** Whether the batch would be published. */
  readonly passed: boolean;
  readonly failures: readonly string[];
  readonly warnings: readonly string[];
  readonly drift: SchemaDrift;
  readonly counts?: { readonly accepted: number; readonly quarantined: number; readonly deadLetters: number };
  /** Broken rules, and how many rows broke each. */
  readonly rules?: Readonly<Record<string, number>>;
  readonly quarantined?: readonly QuarantinedRow[];
  readonly deadLetters?: readonly { readonly file: string; readonly line: string; readonly error: string }[];
  readonly elapsedMs?: number;
}

/**
 * What an ingestion would do with a batch, without one: the same look, split and gate on files of this machine, and nothing is kept.
 *
 * @throws PortolanError `data.source_unreadable`, `data.analysis_failed` and others of the engine.
 */
export async function tryContract(engine: AnalysisEngine, trial: ContractTrial): Promise<TrialReport> {
  const { contract, references, shown } = trial;
  const dialects = await withDialects(trial.sources, contract.columns);
  await mkdir(trial.workFolder, { recursive: true });
  const folder = await mkdtemp(join(trial.workFolder, "trial-"));
  try {
    const { columns: observed } = await observeSources(engine, dialects, folder);
    const drift = schemaDrift(contract, observed);
    const failures = missingColumns(contract, dialects, observed);
    if (failures.length > 0) return { passed: false, failures, warnings: [], drift };
    const sources = withColumns(dialects, observed);
    const figures = await judgeFiles(engine, {
      contract,
      sources,
      references,
      asOf: trial.asOf,
      folder,
    });
    const { accepted, quarantined, deadLetters, values, rules, maxEventTime, elapsedMs } = figures;
    const verdict = judgeBatch(
      contract,
      { accepted, quarantined, deadLetters, values, ...(maxEventTime === null ? {} : { maxEventTime }) },
      trial.asOf,
    );
    return {
      passed: verdict.kind === "passed",
      failures: verdict.kind === "failed" ? verdict.failures : [],
      warnings: verdict.warnings,
      drift,
      counts: { accepted, quarantined, deadLetters },
      rules,
      ...(await samples(engine, folder, shown)),
      elapsedMs,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function samples(
  engine: AnalysisEngine,
  folder: string,
  shown: number,
): Promise<Pick<TrialReport, "quarantined" | "deadLetters">> {
  const file = (name: string): string => `read_parquet(${quoteText(join(folder, name))})`;
  const { rows } = await engine.run({
    statements: [
      {
        sql: `select _row::varchar as row, violations, raw from ${file("quarantine.parquet")} order by _row limit ${shown}`,
        returns: "rows",
      },
      {
        sql: `select file, line::varchar as line, error from ${file("dead-letter.parquet")} as dead_letter order by file, dead_letter.line limit ${shown}`,
        returns: "dead",
      },
    ],
    readable: [],
    workFolder: folder,
  });
  return {
    quarantined: (rows["rows"] ?? []).map(quarantinedRow),
    deadLetters: (rows["dead"] ?? []).map((row) => ({
      file: String(row["file"]),
      line: String(row["line"]),
      error: String(row["error"]),
    })),
  };
}
