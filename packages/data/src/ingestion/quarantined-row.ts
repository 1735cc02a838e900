import type { AnalysisRow } from "../analysis.ts";

export interface QuarantinedRow {
  /** Number of the row in the batch; the same at every reading. */
  readonly row: string;
  readonly violations: string[];
  /** What the source said, as text. */
  readonly raw: Record<string, string | null>;
}

/** A row of a quarantine file as the engine gives it. */
export function quarantinedRow(row: AnalysisRow): QuarantinedRow {
  return {
    row: String(row["row"]),
    violations: row["violations"] as string[],
    raw: JSON.parse(String(row["raw"])) as Record<string, string | null>,
  };
}
