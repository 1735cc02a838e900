import type { AnalysisRow, AnalysisStatement } from "@portolan/data/contract";

/** One line of JSON to the child. */
export interface ChildRequest {
  readonly statements: readonly AnalysisStatement[];
  readonly readable: readonly string[];
  readonly workFolder: string;
  readonly threads: number;
  readonly memoryLimitBytes: number;
  readonly spillLimitBytes: number;
}

/** Lines of JSON from the child. */
export type ChildMessage =
  | { readonly kind: "progress"; readonly fraction: number; readonly note: string }
  | { readonly kind: "done"; readonly rows: Readonly<Record<string, readonly AnalysisRow[]>> }
  | { readonly kind: "failed"; readonly message: string; readonly note?: string };
