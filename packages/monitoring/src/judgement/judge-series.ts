import { totalCount } from "@portolan/numerics";
import { cellLabels } from "../cells.ts";
import { splitCounts } from "../drift-counter.ts";
import type { ReferenceProfile } from "../profile-schema.ts";
import type {
  ColumnMeasures,
  DriftReport,
  DriftVerdict,
  JudgedColumnReport,
  QualityCheck,
} from "../report-schema.ts";
import { windowMicros } from "../window.ts";
import type { CheckKind } from "./checks.ts";
import {
  type ColumnCounts,
  type ColumnFinding,
  type JudgedColumn,
  type JudgedShare,
  judgeWindow,
} from "./judge-window.ts";
import { measureDistances } from "./measures.ts";
import { type Persistence, persistenceOf, worstOf } from "./verdicts.ts";
import type { JudgedWindow } from "./windows.ts";

/** A report without its place. */
export type SeriesJudgement = Omit<
  DriftReport,
  "environment" | "endpoint" | "variant" | "model" | "version" | "profile"
>;

/** Verdicts of a series. */
export interface SeriesSummary extends Pick<DriftReport, "verdict" | "verdicts"> {
  /** Verdict of each column; of its quality the worst one. */
  readonly columns: Readonly<Record<keyof DriftReport["verdicts"], readonly DriftVerdict[]>>;
  /** End of the newest window in which any column was judged, epoch microseconds. */
  readonly judgedUntil?: number;
  /** Of predictions that drift: start of the first window that differed, without one since that did not; epoch microseconds. */
  readonly outputsSince?: number;
}

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

  /** Everything that a report says, at once. */
  judgement(): SeriesJudgement {
    const steps = this.steps();
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
    }
  }

  /** Everything that a report says, a column at a time: distances take milliseconds each, and a caller may do other things between them. */
  *steps(): Generator<undefined, SeriesJudgement, undefined> {
    const { inputs, rows, skipped } = this.#profile;
    const columns: JudgedColumnReport[] = [];
    for (const [at, verdicts] of this.#verdicts().entries()) {
      columns.push(columnReport(this.#windows, at, verdicts));
      yield;
    }
    const { verdict, verdicts } = this.summary();
    return {
      verdict,
      verdicts,
      referenceRows: rows,
      windows: this.#windows.map(({ window }) => ({
        start: window.start,
        end: window.lastStart + windowMicros,
        rows: window.rows,
      })),
      inputs: columns.slice(0, inputs.length),
      outputs: columns.slice(inputs.length),
      skipped: [...skipped],
    };
  }

  /** Verdicts alone, without the distances: what is asked of many endpoints at once. */
  summary(): SeriesSummary {
    const all = this.#verdicts();
    const inputs = this.#profile.inputs.length;
    const columns = {
      inputs: all.slice(0, inputs).map(({ column }) => column.verdict),
      outputs: all.slice(inputs).map(({ column }) => column.verdict),
      quality: all.map(({ checks }) => worstOf(checks.map(({ verdict }) => verdict))),
    };
    const verdicts = {
      inputs: worstOf(columns.inputs),
      outputs: worstOf(columns.outputs),
      quality: worstOf(columns.quality),
    };
    const judgedAt = Math.max(-1, ...all.map(({ column }) => column.judgedAt ?? -1));
    const newest = this.#windows[judgedAt]?.window;
    const began = all
      .slice(inputs)
      .flatMap(({ column: { verdict, sinceAt } }) => (verdict === "drift" ? [sinceAt ?? 0] : []));
    const since = began.length === 0 ? undefined : this.#windows[Math.min(...began)]?.window;
    return {
      verdict: worstOf(Object.values(verdicts)),
      verdicts,
      columns,
      ...(newest ? { judgedUntil: newest.lastStart + windowMicros } : {}),
      ...(since ? { outputsSince: since.start } : {}),
    };
  }

  #verdicts(): ColumnVerdicts[] {
    const { inputs, outputs } = this.#profile;
    return [...inputs, ...outputs].map(({ kind }, at) => {
      const findings = this.#windows.map((one) => one.findings[at]);
      const hasRows = findings.some((finding) => (finding?.rows ?? 0) > 0);
      const persists = (differs: (judged: JudgedColumn) => boolean | undefined): Persistence =>
        persistenceOf(
          findings.map((finding) => finding?.judged && differs(finding.judged)),
          hasRows,
        );
      return {
        column: persists(({ differs }) => differs),
        checks: checkedKinds[kind].map((checked, check) => ({
          kind: checked,
          ...persists(({ checks }) => checks[check]?.differs),
        })),
      };
    });
  }
}

/** What each kind of column is checked for, in the order of `checkShares`. */
const checkedKinds = { numeric: ["absent", "outside"], levels: ["absent", "unseen"] } as const;

interface ColumnVerdicts {
  readonly column: Persistence;
  readonly checks: readonly (Persistence & { readonly kind: CheckKind })[];
}

/** Of all windows of one column. There is at least one window. */
function columnReport(
  windows: readonly WindowFindings[],
  at: number,
  { column: found, checks }: ColumnVerdicts,
): JudgedColumnReport {
  const shown = windows[found.judgedAt ?? windows.length - 1];
  const counted = shown?.columns[at];
  if (!shown || !counted) throw new RangeError("a series without windows has no columns to judge");
  const judged = found.judgedAt === undefined ? undefined : shown.findings[at]?.judged;
  return {
    reference: counted.column,
    cells: cellLabels(counted.column),
    counts: [...counted.counts],
    ...judgedMembers(found, windows),
    trend: windows.map(({ findings }) => findings[at]?.judged?.stability.debiased ?? null),
    ...(judged ? { newest: measuresOf(counted, judged) } : {}),
    quality: checks.map((check, place) => qualityOf(check, judged?.checks[place], windows)),
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
    rows: totalCount(counts),
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

function qualityOf(
  check: ColumnVerdicts["checks"][number],
  newest: JudgedShare | undefined,
  windows: readonly WindowFindings[],
): QualityCheck {
  return {
    kind: check.kind,
    ...judgedMembers(check, windows),
    ...(newest
      ? { reference: newest.reference, now: newest.now, p: newest.p, adjusted: newest.adjusted }
      : {}),
  };
}
