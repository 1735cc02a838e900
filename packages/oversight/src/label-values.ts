import { PortolanError } from "@portolan/kernel";
import type { LabelValue } from "./contract.ts";
import type { OversightErrorCode } from "./errors.ts";

/** Whether two labels say the same; a class is the same as text and as a number. */
export function sameLabel(a: LabelValue, b: LabelValue): boolean {
  if (typeof a === "object" || typeof b === "object") return JSON.stringify(a) === JSON.stringify(b);
  return typeof a === "boolean" || typeof b === "boolean" ? a === b : String(a) === String(b);
}

/** Whether labels of a task are alike or not; quantities and relevances are only near. */
export function isCategorical(task: string): boolean {
  return task === "binary_classification" || task === "multiclass_classification";
}

/** What a label of an answer has to be. */
export interface Wanted {
  readonly task: string;
  /** Of a ranking the rows of its list; null where they cannot be read. */
  readonly rows: number | null;
  /** Of several classes their names; null where the charter names none. */
  readonly classes: readonly string[] | null;
}

/** @throws PortolanError `oversight.bad_value` for a label that no answer of the task could be */
export function requireFitting(wanted: Wanted, value: LabelValue): void {
  const words = misfit(wanted, value);
  if (words !== undefined) throw badValue(`${JSON.stringify(value)} is no label of ${wanted.task}`, words);
}

/** What would be a label instead; undefined where it is one. */
function misfit({ task, rows, classes }: Wanted, value: LabelValue): string | undefined {
  switch (task) {
    case "binary_classification":
      return typeof value === "boolean" ? undefined : "true or false";
    case "regression":
      return typeof value === "number" ? undefined : "a number";
    case "multiclass_classification": {
      if (typeof value !== "string" && typeof value !== "number") return "the name or number of a class";
      return !classes || classes.includes(String(value)) ? undefined : `one of: ${classes.join(", ")}`;
    }
    case "ranking":
      if (typeof value === "object" && (rows === null || value.length === rows)) return undefined;
      return `the relevance of each ${rows === null ? "row" : `of its ${rows} rows`}, in their order: numbers from 0 on, as [0, 2, 1]`;
    default:
      return typeof value === "object" ? "a text or a number" : undefined;
  }
}

/**
 * Feedback knows no task: relevances are refused where the answer was no list of as many rows.
 *
 * @param rows of the answer; undefined where it cannot be read
 * @throws PortolanError `oversight.bad_value`
 */
export function requireListOf(rows: number | undefined, value: LabelValue): void {
  if (typeof value !== "object" || rows === undefined || value.length === rows) return;
  throw badValue(
    `${value.length} relevances are no label of an answer of ${rows === 1 ? "one row" : `${rows} rows`}`,
    rows === 1 ? "one value" : `${rows} relevances, in the order of the rows`,
  );
}

function badValue(detail: string, words: string): PortolanError<OversightErrorCode> {
  return new PortolanError("oversight.bad_value", { detail, mend: `Decide with ${words}.` });
}
