import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type {
  DriftReport,
  DriftReports,
  DriftVerdict,
  JudgedColumnReport,
  QualityCheck,
} from "@portolan/monitoring/contract";

const words: Readonly<Record<DriftVerdict, string>> = {
  drift: "drift",
  no_drift: "no drift",
  insufficient: "insufficient",
  not_counted: "not counted",
};

/** A verdict in words: a first window that differs is said beside it. */
export function verdictWords({
  verdict,
  suspected,
}: {
  readonly verdict: DriftVerdict;
  readonly suspected: boolean;
}): string {
  return suspected ? `${words[verdict]}, suspected` : words[verdict];
}

/** `production/flights, champion delays/1` */
export function placeWords({ environment, endpoint, variant, model, version }: DriftReport): string {
  return `${environment}/${endpoint}, ${variant} ${model}/${version}`;
}

/** The three verdicts of a report, each with the columns that it is about. */
export function summaryLines({ verdicts, inputs, outputs }: DriftReport): string[] {
  const drifting = (columns: readonly JudgedColumnReport[]) =>
    columns.filter(({ verdict }) => verdict === "drift");
  const faults = [...inputs, ...outputs].filter(({ quality }) =>
    quality.some(({ verdict }) => verdict === "drift"),
  );
  const line = (name: string, verdict: DriftVerdict, of: number, found: readonly JudgedColumnReport[]) =>
    `${name}: ${words[verdict]}${verdict === "drift" ? ` in ${found.length} of ${of} (${namesOf(found)})` : ""}`;
  const withSuspects = (text: string, columns: readonly JudgedColumnReport[]) => {
    const suspects = columns.filter(({ suspected }) => suspected);
    return suspects.length === 0
      ? text
      : `${text}, suspected in ${suspects.length} of ${columns.length} (${namesOf(suspects)})`;
  };
  return [
    withSuspects(line("inputs", verdicts.inputs, inputs.length, drifting(inputs)), inputs),
    withSuspects(line("predictions", verdicts.outputs, outputs.length, drifting(outputs)), outputs),
    line("data quality", verdicts.quality, inputs.length + outputs.length, faults),
  ];
}

/** The verdict of a whole report; a column whose newest window alone differs makes it suspected. */
export function headline({ verdict, inputs, outputs }: DriftReport): string {
  const suspected = verdict !== "drift" && [...inputs, ...outputs].some((column) => column.suspected);
  return verdictWords({ verdict, suspected });
}

const mostNames = 5;

function namesOf(columns: readonly JudgedColumnReport[]): string {
  const names = columns.slice(0, mostNames).map(({ reference }) => reference.name);
  return columns.length > mostNames ? `${names.join(", ")}, …` : names.join(", ");
}

/** Which windows were judged. */
export function windowWords({ windows, referenceRows }: DriftReport): string {
  const rows = windows.reduce((sum, window) => sum + window.rows, 0);
  const [first, last] = [windows[0]?.start ?? 0, windows.at(-1)?.end ?? 0].map(instantWords);
  const many = windows.length === 1 ? "1 window" : `${windows.length} windows`;
  return `${rows} rows in ${many} from ${first} to ${last}, beside ${referenceRows} of the reference`;
}

/** That older windows are left out, and how to ask for them; undefined of a whole report. */
export function leftOutWords({ truncated, coveredFrom }: Omit<DriftReports, "reports">): string | undefined {
  if (!truncated) return undefined;
  return `Older windows are not in this report, which begins at ${instantWords(coveredFrom)}; ask for them with --to ${instantWords(coveredFrom - 1)}`;
}

export function instantWords(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}

/** What is wrong with a share, e.g. `8.0 % outside of the reference's range (reference 0.0 %)`; undefined while nothing is. */
export function faultWords(check: QualityCheck): string | undefined {
  if (check.verdict !== "drift" && !check.suspected) return undefined;
  const kinds = {
    absent: "absent",
    outside: "outside of the reference's range",
    unseen: "of levels that the reference does not know",
  };
  const since = check.since === undefined ? "" : `, since ${instantWords(check.since)}`;
  const suspected = check.suspected ? ", suspected" : "";
  return `${percent(check.now)} ${kinds[check.kind]} (reference ${percent(check.reference)})${since}${suspected}`;
}

export function percent(share: number | undefined): string {
  return share === undefined ? "-" : `${(100 * share).toFixed(1)} %`;
}

/** A p-value as people read them. */
export function pWords(p: number | undefined): string {
  if (p === undefined) return "-";
  return p >= 0.001 ? p.toFixed(3) : p.toExponential(1);
}

/** What each cell holds, with no more digits of a range's ends than tell them apart: people read shapes, `--json` has the bounds. */
export function cellWords({ reference, cells }: JudgedColumnReport): readonly string[] {
  if (reference.kind === "levels") return cells;
  const { lowerBounds, maximum } = reference;
  const ends = maximum === null ? lowerBounds : [...new Set([...lowerBounds, maximum])];
  const digits = [3, 4, 5, 6, 8, 10, 12, 15, 17].find(
    (many) => new Set(ends.map((end) => end.toPrecision(many))).size === ends.length,
  );
  const short = (end: number) => String(Number(end.toPrecision(digits ?? 17)));
  return cells.map((cell, at) => {
    const from = lowerBounds[at - 1];
    if (from === undefined) return cell;
    const next = lowerBounds[at];
    return next === undefined
      ? `[${short(from)}, ${short(maximum ?? from)}]`
      : `[${short(from)}, ${short(next)})`;
  });
}

/** The cell whose share changed most, e.g. `above: 0.0 % → 8.0 %`. */
export function largestChange(column: JudgedColumnReport): string {
  const { reference, counts } = column;
  const cells = cellWords(column);
  const [before, now] = [sharesOf(reference.counts), sharesOf(counts)];
  if (!before || !now) return "-";
  const away = cells.map((_, at) => Math.abs((now[at] ?? 0) - (before[at] ?? 0)));
  const at = away.indexOf(Math.max(...away));
  return `${cells[at] ?? ""}: ${percent(before[at])} → ${percent(now[at])}`;
}

/** Undefined of no rows. */
export function sharesOf(counts: readonly number[]): number[] | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return total === 0 ? undefined : counts.map((count) => count / total);
}

const ranks: Readonly<Record<DriftVerdict, number>> = {
  drift: 0,
  no_drift: 3,
  insufficient: 4,
  not_counted: 5,
};

/** What drifts comes first, then what has faults, then what is suspected, then by effect. */
export function worstFirst(columns: readonly JudgedColumnReport[]): JudgedColumnReport[] {
  const rank = ({ verdict, suspected, quality }: JudgedColumnReport) => {
    if (verdict !== "drift" && quality.some((check) => check.verdict === "drift")) return 1;
    return suspected ? 2 : ranks[verdict];
  };
  return columns.toSorted(
    (a, b) => rank(a) - rank(b) || (b.newest?.psiDebiased ?? -1) - (a.newest?.psiDebiased ?? -1),
  );
}
