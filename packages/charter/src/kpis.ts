import { type ColumnTypes, type Expression, parseExpression } from "@portolan/expressions";
import { isPortolanError } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { type Fact, fact } from "./fact.ts";
import type { Finding } from "./schema-findings.ts";
import { closed, OneOf } from "./schema-parts.ts";

const name = "^[a-z_][a-z0-9_]{0,62}$";
const Formula = (description: string) => Type.String({ minLength: 1, maxLength: 2000, description });

export const Kpi = Type.Object(
  {
    name: Type.String({ pattern: name, description: "What the business calls it." }),
    columns: Type.Optional(
      Type.Record(Type.String({ pattern: name }), OneOf(["number", "text"], "What its values are."), {
        maxProperties: 16,
        description: "Columns of the held-out rows that sums read: features, or attributes kept beside.",
      }),
    ),
    sums: Type.Optional(
      Type.Record(Type.String({ pattern: name }), Formula("A number for each row."), {
        maxProperties: 8,
        description:
          "Names and expressions over a row: its columns, score, decided (a score of one half and above) and actual. Each is added up over all rows.",
      }),
    ),
    value: Formula(
      "An expression over rows, positives, true_positives, false_positives, true_negatives, false_negatives and the sums.",
    ),
    unit: Type.Optional(Type.String({ minLength: 1, maxLength: 40, description: "For people." })),
    floor: Type.Optional(Type.Number({ description: "Smallest value that may be released." })),
    ceiling: Type.Optional(Type.Number({ description: "Largest value that may be released." })),
    heldBy: Type.Optional(
      OneOf(
        ["value", "interval"],
        "What must keep the bound: the value, or the worse end of its 95 % interval. Absent: the interval.",
      ),
    ),
  },
  { ...closed, description: "A figure of the business that decisions on held-out rows are worth." },
);
export type Kpi = Static<typeof Kpi>;

/** What a KPI is made of: the same definition measures the same. */
export interface KpiDefinition {
  readonly name: string;
  readonly columns: Readonly<Record<string, "number" | "text">>;
  readonly sums: Readonly<Record<string, string>>;
  readonly value: string;
}

export interface KpiTerms extends KpiDefinition {
  readonly unit?: string;
  readonly kind: "floor" | "ceiling";
  readonly bound: number;
  readonly heldBy: "value" | "interval";
}

const rowColumns: ColumnTypes = { score: "float", decided: "bool", actual: "bool" };

/** Counts of decisions at one half that a KPI's value may be made of. */
export const kpiCounts = [
  "rows",
  "positives",
  "true_positives",
  "false_positives",
  "true_negatives",
  "false_negatives",
] as const;

export interface ParsedKpi {
  /** In the order of the definition. */
  readonly sums: readonly { readonly name: string; readonly expression: Expression }[];
  readonly value: Expression;
}

/**
 * The expressions of a KPI. Pure.
 * @throws PortolanError of the expression language where one cannot be read
 */
export function parseKpi({ columns, sums, value }: KpiDefinition): ParsedKpi {
  const typed = Object.entries(columns).map(([column, type]) => [column, type === "text" ? type : "float"]);
  const ofRow: ColumnTypes = { ...Object.fromEntries(typed), ...rowColumns };
  const floats = [...kpiCounts, ...Object.keys(sums)].map((one) => [one, "float"]);
  return {
    sums: Object.entries(sums).map(([sum, text]) => ({
      name: sum,
      expression: parseExpression(text, ofRow),
    })),
    value: parseExpression(value, Object.fromEntries(floats)),
  };
}

/** Pure. */
export function kpiTerms({ columns = {}, sums = {}, floor, ceiling, heldBy, ...kpi }: Kpi): KpiTerms {
  const { name: called, value, unit } = kpi;
  return {
    name: called,
    columns,
    sums,
    value,
    ...(unit === undefined ? {} : { unit }),
    kind: ceiling === undefined ? "floor" : "ceiling",
    bound: ceiling ?? floor ?? 0,
    heldBy: heldBy ?? "interval",
  };
}

/** For people. Pure. */
export function kpiFacts(kpis: readonly KpiTerms[]): Fact[] {
  return kpis.map(({ name: called, kind, bound, unit = "", heldBy, value }, index) =>
    fact(
      "kpi_gate",
      "gate",
      `/requirements/kpis/${index}`,
      `A version without ${called} of at ${kind === "floor" ? "least" : "most"} ${`${bound} ${unit}`.trim()}${heldBy === "interval" ? " at the worse end of its interval" : ""} is not released.`,
      { name: called, value, [kind]: bound, heldBy },
    ),
  );
}

/** What the schema cannot say. Pure. */
export function kpiFindings(kpis: readonly Kpi[] = []): Finding[] {
  return kpis.flatMap((kpi, index) => {
    const pointer = `/requirements/kpis/${index}`;
    const isTwice = kpis.findIndex((one) => one.name === kpi.name) !== index;
    return [
      ...(isTwice
        ? [{ pointer, detail: `${kpi.name} is there twice`, mend: "Give each KPI a name of its own." }]
        : []),
      ...((kpi.floor === undefined) === (kpi.ceiling === undefined)
        ? [{ pointer, detail: `${kpi.name} has no bound, or two`, mend: "Write floor or ceiling." }]
        : []),
      ...nameFindings(kpi, pointer),
      ...formulaFindings(kpi, pointer),
    ];
  });
}

function nameFindings({ columns = {}, sums = {} }: Kpi, pointer: string): Finding[] {
  const taken = (under: string, one: string): Finding => ({
    pointer: `${pointer}/${under}/${one}`,
    detail: `${one} already means something there`,
    mend: under === "sums" ? "Give the sum another name." : "Keep the column under another name.",
  });
  return [
    ...Object.keys(columns)
      .filter((one) => Object.hasOwn(rowColumns, one))
      .map((one) => taken("columns", one)),
    ...Object.keys(sums)
      .filter((one) => kpiCounts.some((count) => count === one))
      .map((one) => taken("sums", one)),
  ];
}

function formulaFindings(kpi: Kpi, pointer: string): Finding[] {
  try {
    const { sums, value } = parseKpi(kpiTerms(kpi));
    const formulas = [...sums, { name: "value", expression: value }];
    return formulas
      .filter(({ expression }) => expression.type !== "int" && expression.type !== "float")
      .map(({ name: one, expression }) => ({
        pointer,
        detail: `${one} of ${kpi.name} is ${expression.type}, not a number`,
        mend: "Make a number of it, e.g. if(decided, 1.0, 0.0).",
      }));
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    return [
      {
        pointer,
        detail: `an expression of ${kpi.name} cannot be read: ${error.detail ?? error.message}`,
        mend: error.mend ?? "See docs/spec/expressions.md; columns of the rows are stated in columns.",
      },
    ];
  }
}
