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
import type { CounterpartFiles } from "./counterparts.ts";
import { judgeFiles } from "./judge-files.ts";

export interface ContractTrial {
  readonly contract: DataContract;
  /** Files of this machine, as one batch. */
  readonly sources: readonly SourceFile[];
  /** Files of the tables that the contract refers to, by name. */
  readonly references: Readonly<Record<string, string>>;
  /** Batches of the contracts that its relationships name: what these accept of them is what foreign keys are looked up in. */
  readonly counterparts?: readonly Pick<ContractTrial, "contract" | "sources" | "references">[];
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
  // Beside it: what is read does not lie in the folder that is written to.
  const others = await mkdtemp(join(trial.workFolder, "counterparts-"));
  try {
    const { columns: observed } = await observeSources(engine, dialects, folder);
    const drift = schemaDrift(contract, observed);
    const failures = missingColumns(contract, dialects, observed);
    if (failures.length > 0) return { passed: false, failures, warnings: [], drift };
    const { files: counterparts, lacks } = await counterpartsOf(engine, trial, others);
    if (lacks.length > 0) return { passed: false, failures: lacks, warnings: [], drift };
    const sources = withColumns(dialects, observed);
    const { asOf } = trial;
    const figures = await judgeFiles(engine, { contract, sources, references, counterparts, asOf, folder });
    const { accepted, quarantined, deadLetters, values, dangling, rules, maxEventTime, elapsedMs } = figures;
    const verdict = judgeBatch(
      contract,
      {
        accepted,
        quarantined,
        deadLetters,
        values,
        ...(dangling ? { dangling } : {}),
        ...(maxEventTime === null ? {} : { maxEventTime }),
      },
      asOf,
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
    await rm(others, { recursive: true, force: true });
  }
}

/** What the contracts that are referred to accept of their own batches; and what is missing to judge the relationships. */
async function counterpartsOf(
  engine: AnalysisEngine,
  { contract, counterparts = [], asOf }: ContractTrial,
  folder: string,
): Promise<{ readonly files: CounterpartFiles; readonly lacks: readonly string[] }> {
  const files: Record<string, string> = {};
  const wanted = new Set((contract.relationships ?? []).map(({ target }) => target.contract));
  for (const other of counterparts) {
    const { id } = other.contract;
    if (!wanted.has(id)) continue;
    const work = join(folder, String(Object.keys(files).length));
    await mkdir(work);
    const dialects = await withDialects(other.sources, other.contract.columns);
    const { columns } = await observeSources(engine, dialects, work);
    const failures = missingColumns(other.contract, dialects, columns);
    if (failures.length > 0) return { files, lacks: failures };
    // A foreign key of the other contract's own is not followed further.
    await judgeFiles(engine, { ...other, sources: withColumns(dialects, columns), asOf, folder: work });
    files[id] = join(work, "accepted.parquet");
  }
  const lacks = (contract.relationships ?? []).flatMap(({ name, target, otherwise }) =>
    otherwise === "warn" || Object.hasOwn(files, target.contract)
      ? []
      : [`${name} cannot be judged: there are no rows of ${target.contract}`],
  );
  return { files, lacks };
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
