import { type IdentifierKind, kindOfName, paragraphs, type ValueForm } from "./identifiers.ts";

/** What becomes of a column. */
export const columnActions = [
  "keep",
  "drop",
  "pseudonym",
  "year",
  "birth_year",
  "shift",
  "zip3",
  "age90",
  "redact",
] as const;
export type ColumnAction = (typeof columnActions)[number];

/** A column as it was found; counts are of all rows. */
export interface ColumnProfile {
  /** Of a place within a column its way: `visits[].date`. */
  readonly name: string;
  /** What to look for identifiers in, in this order, where it is not the name alone: a member's own name, and the whole way to it. */
  readonly called?: readonly string[];
  /** Column that it lies within. */
  readonly within?: string;
  /** Why its values are not looked into. */
  readonly closed?: string;
  /** No path leads to it: it is dropped, whatever a rule says. */
  readonly isOutOfReach?: boolean;
  /** As DuckDB names it. */
  readonly type: string;
  readonly values: number;
  readonly distinct: number;
  /** Mean number of words of a text. */
  readonly words: number;
  /** Values that are a date or an instant, though their column is a text: written in ISO 8601, or as `dateForm` says. */
  readonly dates: number;
  /** Values that look like a date, however written; absent: as many as `dates`. */
  readonly dateLike?: number;
  /** Name of the form that all dates of the column have (`dateForms`); absent: ISO 8601. */
  readonly dateForm?: string;
  readonly found: readonly FormCount[];
  /** From the data contract. */
  readonly classification?: string;
}

export interface FormCount {
  readonly form: Pick<ValueForm, "kind" | "name" | "leastShare">;
  /** Values in which the form was found; where it has a checksum, those that pass it (estimated from a sample). */
  readonly values: number;
}

export interface ColumnPlan {
  readonly column: string;
  readonly action: ColumnAction;
  /** Absent where nothing points to an identifier. */
  readonly kind?: IdentifierKind;
  /** Paragraph of 45 CFR 164.514(b)(2)(i). */
  readonly paragraph?: string;
  /** Why, in words. */
  readonly because: string;
  /** How the dates of the column are written, where it is not ISO 8601. */
  readonly dateForm?: string;
  /** Set where somebody's rule goes against what was found. */
  readonly warning?: string;
}

export interface PlanRequest {
  /** Column, or place within one, whose values name the person: it becomes the pseudonym that joins rows of one person. */
  readonly subject?: string;
  readonly rules: Readonly<Record<string, ColumnAction>>;
}

/** From here on texts are sentences, and no codes. */
const freeTextWords = 4;
const leastForUnique = 20;
const uniqueShare = 0.9;
/** Only what was looked at is let through. */
const closedKind = "free_text";
const identifying = /identif|pii|phi|personal|direct/i;

/** Pure. */
export function planColumns(columns: readonly ColumnProfile[], request: PlanRequest): ColumnPlan[] {
  return columns.map((column) => planColumn(column, request));
}

function planColumn(column: ColumnProfile, { subject, rules }: PlanRequest): ColumnPlan {
  const found = kindOf(column);
  const named = {
    ...(found ? { kind: found.kind, paragraph: paragraphs[found.kind] } : {}),
    ...(column.dateForm === undefined ? {} : { dateForm: column.dateForm }),
  };
  const rule = column.isOutOfReach ? undefined : ruleFor(column, rules);
  const proposed: ColumnAction =
    column.name === subject ? "pseudonym" : found ? actionFor(found.kind, column) : "keep";
  const because =
    column.name === subject ? "it names the subject" : (found?.because ?? "nothing points to an identifier");
  if (rule === undefined || rule === proposed)
    return { column: column.name, action: proposed, ...named, because };
  const isWeaker = found !== undefined && weaknesses.has(rule);
  return {
    column: column.name,
    action: rule,
    ...named,
    because: "a rule says so",
    ...(isWeaker ? { warning: `${found.because}: ${weaknesses.get(rule)}` } : {}),
  };
}

/** A rule of a column with something within, or of what holds a place, counts for all that lies there; the nearest one wins. */
function ruleFor({ name, within }: ColumnProfile, rules: PlanRequest["rules"]): ColumnAction | undefined {
  const [nearest] = Object.entries(rules)
    .filter(([ruled]) => name === ruled || (within !== undefined && liesWithin(name, ruled)))
    .toSorted(([left], [right]) => right.length - left.length);
  return nearest?.[1];
}

/** Whether the way of a place leads through what is called so. */
export function liesWithin(name: string, outer: string): boolean {
  return name.startsWith(`${outer}.`) || name.startsWith(`${outer}[`);
}

/** Actions that leave more than Safe Harbor allows of an identifier. */
const weaknesses: ReadonlyMap<ColumnAction, string> = new Map([
  ["keep", "kept as it is, the result is not de-identified"],
  ["shift", "shifted dates are no Safe Harbor; an expert has to determine the risk"],
  ["redact", "only what has a known form is taken out of texts; names are not found"],
  [
    "pseudonym",
    "a code that is derived from the identifier is no Safe Harbor unless its key stays away from the data",
  ],
]);

function kindOf(column: ColumnProfile): { kind: IdentifierKind; because: string } | undefined {
  if (column.closed !== undefined)
    return { kind: closedKind, because: `it is not looked into: ${column.closed}` };
  const form = column.found.find(
    ({ form, values }) => values > 0 && values >= form.leastShare * column.values,
  );
  const isText = /CHAR|TEXT|STRING/i.test(column.type);
  const isProse = isText && column.words >= freeTextWords;
  if (form && isProse)
    return {
      kind: "free_text",
      because: `it is free text with a ${form.form.name} in ${form.values} values`,
    };
  if (form) return { kind: form.form.kind, because: `${form.values} values have a ${form.form.name}` };
  const [byName] = (column.called ?? [column.name]).flatMap((name) => kindOfName(name) ?? []);
  if (byName) return { kind: byName, because: "its name says so" };
  if (column.classification !== undefined && identifying.test(column.classification))
    return { kind: "unique_code", because: `its contract classifies it as ${column.classification}` };
  if (/DATE|TIMESTAMP/i.test(column.type)) return { kind: "date", because: `it is a ${column.type}` };
  if (!isText) return undefined;
  if (column.dates > 0 && column.dates === column.values)
    return {
      kind: "date",
      because: `all its values are dates${column.dateForm === undefined ? "" : `, ${column.dateForm}`}`,
    };
  if (column.values > 0 && column.dateLike === column.values)
    return { kind: "date", because: "all its values look like dates, which cannot all be read one way" };
  if (isProse) return { kind: "free_text", because: "it is free text, which may name anybody" };
  if (column.values >= leastForUnique && column.distinct >= uniqueShare * column.values)
    return { kind: "unique_code", because: "nearly every value is another one" };
  return undefined;
}

function actionFor(kind: IdentifierKind, column: ColumnProfile): ColumnAction {
  if (kind === "zip") return "zip3";
  if (kind === "age") return isNumber(column.type) ? "age90" : "drop";
  if (kind !== "date" && kind !== "birth_date") return "drop";
  const isDate = /DATE|TIMESTAMP/i.test(column.type) || column.dates === column.values;
  if (!isDate) return "drop";
  return kind === "birth_date" ? "birth_year" : "year";
}

export function isNumber(type: string): boolean {
  return /INT|DECIMAL|DOUBLE|FLOAT|REAL/i.test(type);
}
