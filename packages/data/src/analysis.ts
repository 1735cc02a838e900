/** One statement of an analysis. Values never go into the text: they are bound as `$name`. */
export interface AnalysisStatement {
  readonly sql: string;
  readonly params?: Readonly<Record<string, string | number | boolean | null>>;
  /** Keeps the rows under this name in the result; meant for summaries, never for data. */
  readonly returns?: string;
  /** Shown as progress when the statement starts. */
  readonly note?: string;
  /** Where it fails the result has no rows under its name, and the next statement runs; why it failed is not told. */
  readonly mayFail?: boolean;
}

export interface AnalysisRequest {
  readonly statements: readonly AnalysisStatement[];
  /** Files and folders that the statements may read; everything else is out of reach. */
  readonly readable: readonly string[];
  /** The one folder that they may write to; temporary files spill here too. */
  readonly workFolder: string;
  readonly threads?: number;
  readonly memoryLimitBytes?: number;
  readonly timeoutMs?: number;
  /** Most that may lie in temporary files, and never more than half of what is free on the disk. */
  readonly spillLimitBytes?: number;
  /** Most that may be written into the work folder in all, temporary files included. */
  readonly outputLimitBytes?: number;
  /** Most files that may be written into the work folder. */
  readonly outputLimitFiles?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, note: string) => void;
}

/** Rows as JSON; 64-bit integers come as text. */
export type AnalysisRow = Readonly<Record<string, unknown>>;

export interface AnalysisResult {
  readonly rows: Readonly<Record<string, readonly AnalysisRow[]>>;
  readonly elapsedMs: number;
}

/** Runs SQL on columnar files outside the control process. Implemented by `duckdb`. */
export interface AnalysisEngine {
  /** @throws PortolanError `data.analysis_failed` (with the engine's message), `data.analysis_too_large` or `data.analysis_cancelled`. */
  run(request: AnalysisRequest): Promise<AnalysisResult>;
}

/** An integer cell of a summary row; 64-bit integers travel as text. */
export function integerCell(row: AnalysisRow | undefined, name: string): number {
  const value = Number(row?.[name] ?? 0);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}
