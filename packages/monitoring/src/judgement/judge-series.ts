import { cellLabels } from "../cells.ts";
import { splitCounts } from "../drift-counter.ts";
import type { ReferenceProfile } from "../profile-schema.ts";
import type { ColumnMeasures, DriftReport, JudgedColumnReport, QualityCheck } from "../report-schema.ts";
import { windowMicros } from "../window.ts";
import { type ColumnCounts, type ColumnFinding, type JudgedColumn, judgeWindow } from "./judge-window.ts";
import { measureDistances } from "./measures.ts";
import { type Persistence, persistenceOf, worstOf } from "./verdicts.ts";
import type { JudgedWindow } from "./windows.ts";

/** A report without its place. */
export type SeriesJudgement = Omit<
  DriftReport,
  "environment" | "endpoint" | "variant" | "model" | "version" | "profile"
>;

/** Findings of one window, in the order of the profile's columns. */
interface WindowFindings {
  readonly window: JudgedWindow;
  readonly columns: readonly ColumnCounts[];
  readonly findings: readonly ColumnFinding[];
}

/** Judges windows one after another, so that a caller may do other things between them; pure but for that. */
export class SeriesJudge {
  readonly #profile: Pick<ReferenceProfile, "inputs" | "outputs" | "rows" | "skipped">;
  readonly #windows: WindowFindings[] = [];

  constructor(profile: Pick<ReferenceProfile, "inputs" | "outputs" | "rows" | "skipped">) {
    this.#profile = profile;
  }

  /** Windows come oldest first. */
  add(window: JudgedWindow): void {
    const { inputs, outputs } = this.#profile;
    const columns = splitCounts([...inputs, ...outputs], window.counts);
    this.#windows.push({ window, columns, findings: judgeWindow(columns) });
  }

  judgement(): SeriesJudgement {
    const { inputs, outputs, rows, skipped } = this.#profile;
    const columns = [...inputs, ...outputs].map((_, at) => columnReport(this.#windows, at));
    const [ofInputs, ofOutputs] = [columns.slice(0, inputs.length), columns.slice(inputs.length)];
    const verdicts = {
      inputs: worstOf(ofInputs.map(({ verdict }) => verdict)),
      outputs: worstOf(ofOutputs.map(({ verdict }) => verdict)),
      quality: worstOf(columns.flatMap(({ quality }) => quality.map(({ verdict }) => verdict))),
    };
    return {
      verdict: worstOf(Object.values(verdicts)),
      verdicts,
      referenceRows: rows,
      windows: this.#windows.map(({ window }) => ({
        start: window.start,
        end: window.lastStart + windowMicros,
        rows: window.rows,
      })),
      inputs: ofInputs,
      outputs: ofOutputs,
      skipped: [...skipped],
    };
  }
}

/** Of all windows of one column. There is at least one window. */
function columnReport(windows: readonly WindowFindings[], at: number): JudgedColumnReport {
  const findings = windows.map((one) => one.findings[at]);
  const hasRows = findings.some((finding) => (finding?.rows ?? 0) > 0);
  const found = persistenceOf(
    findings.map((finding) => finding?.judged?.differs),
    hasRows,
  );
  const shown = windows[found.judgedAt ?? windows.length - 1]?.columns[at];
  if (!shown) throw new RangeError("a series without windows has no columns to judge");
  const { column, counts } = shown;
  const judged = found.judgedAt === undefined ? undefined : findings[found.judgedAt]?.judged;
  return {
    reference: column,
    cells: cellLabels(column),
    counts: [...counts],
    ...judgedMembers(found, windows),
    trend: findings.map((finding) => finding?.judged?.stability.debiased ?? null),
    ...(judged ? { newest: measuresOf(shown, judged) } : {}),
    quality: qualityOf(column.kind, findings, windows, hasRows),
  };
}

function judgedMembers({ verdict, suspected, sinceAt }: Persistence, windows: readonly WindowFindings[]) {
  const since = sinceAt === undefined ? undefined : windows[sinceAt]?.window.start;
  return { verdict, suspected, ...(since === undefined ? {} : { since }) };
}

function measuresOf({ column, counts }: ColumnCounts, judged: JudgedColumn): ColumnMeasures {
  const { chiSquared, dof, p, adjusted, stability } = judged;
  const { jensenShannon, ks, wasserstein } = measureDistances(column, counts);
  return {
    rows: counts.reduce((sum, count) => sum + count, 0),
    chiSquared,
    dof,
    p,
    adjusted,
    psi: stability.psi,
    psiDebiased: stability.debiased,
    psiP: stability.p,
    jensenShannon,
    ...(ks ? { ks: { statistic: ks.statistic, p: ks.p } } : {}),
    ...(wasserstein ? { wasserstein } : {}),
  };
}

/** What each kind of column is checked for, in the order of `checkShares`. */
const checkedKinds = { numeric: ["absent", "outside"], levels: ["absent", "unseen"] } as const;

function qualityOf(
  kind: keyof typeof checkedKinds,
  findings: readonly (ColumnFinding | undefined)[],
  windows: readonly WindowFindings[],
  hasRows: boolean,
): QualityCheck[] {
  return checkedKinds[kind].map((checked, at) => {
    const found = persistenceOf(
      findings.map((finding) => finding?.judged?.checks[at]?.differs),
      hasRows,
    );
    const newest = found.judgedAt === undefined ? undefined : findings[found.judgedAt]?.judged?.checks[at];
    return {
      kind: checked,
      ...judgedMembers(found, windows),
      ...(newest
        ? { reference: newest.reference, now: newest.now, p: newest.p, adjusted: newest.adjusted }
        : {}),
    };
  });
}
