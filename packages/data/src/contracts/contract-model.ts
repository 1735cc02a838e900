import type { Digest } from "@portolan/kernel";
import type { TextFormat } from "../values/text-format.ts";

/** Types that a contract's columns may have, and how they are stored: docs/spec/data-contracts.md §2. */
export type ColumnType =
  | "string"
  | "integer"
  | "number"
  | "boolean"
  | "instant"
  | "local"
  | "date"
  | "time"
  | "object"
  | "array";

/** A rule that each row meets or breaks alone. A row that breaks one goes to quarantine under the rule's name. */
export type RowRule = { readonly kind: "required"; readonly column: string } | ValueRule | NestedRule;

/** What one value may be. */
export type ValueRule =
  | {
      readonly kind: "range";
      readonly column: string;
      readonly bound: RangeBound;
      /** Days since 1970 for dates, microseconds for times and instants, else the number itself. */
      readonly limit: number;
    }
  | {
      readonly kind: "length";
      readonly column: string;
      readonly bound: "min" | "max";
      /** Unicode code points. */
      readonly limit: number;
    }
  /** Items of an array, or members of an object. */
  | { readonly kind: "size"; readonly column: string; readonly bound: "min" | "max"; readonly limit: number }
  | { readonly kind: "unique_items"; readonly column: string }
  | { readonly kind: "member"; readonly column: string; readonly member: string }
  | { readonly kind: "pattern"; readonly column: string; readonly pattern: string }
  | {
      readonly kind: "valid_values";
      readonly column: string;
      /** As the column's values are: texts, numbers or truth values; times as in `range`. */
      readonly values: readonly ListedValue[];
    };

/** A member of an object, or each item of an array. */
export type NestedStep = { readonly member: string } | { readonly items: true };
/**
 * What lies within a column of objects or arrays: each value that the path leads to is of a type, is there, or meets a rule. What is not there breaks
 * none but `nested_required`, which looks at objects and arrays that are.
 */
export type NestedRule = { readonly column: string; readonly path: readonly NestedStep[] } & (
  | { readonly kind: "nested_required" }
  | { readonly kind: "nested_type"; readonly as: NestedType }
  | { readonly kind: "nested"; readonly as: NestedType; readonly rule: ValueRule }
);
/** As what a nested value is read. */
export type NestedType = Pick<ContractColumn, "type" | "format" | "defaultTimeZone">;

export type RangeBound = "min" | "max" | "exclusive_min" | "exclusive_max" | "multiple_of";
export type ListedValue = string | number | boolean;

export type NamedRowRule = RowRule & { readonly name: string };

/** A figure of the whole batch that must hold before anything of it is published. */
export interface BatchRule {
  readonly name: string;
  readonly metric: "rowCount" | "nullValues" | "missingValues" | "invalidValues" | "duplicateValues" | "sql";
  readonly columns: readonly string[];
  readonly values?: readonly ListedValue[];
  readonly pattern?: string;
  /** One read-only query over `{table}` with one number as its answer. */
  readonly query?: string;
  readonly unit: "rows" | "percent";
  /**
   * Of a query with `unit: percent`: its answer is a number of rows, and their share of the accepted rows is judged. Absent in versions that were
   * published before the unit was enforced: those judge the answer as it is.
   */
  readonly answersRows?: true;
  readonly operator: Operator;
  readonly limits: readonly [number] | readonly [number, number];
  /** A rule whose severity is `info` or `warning` is reported and refuses nothing. */
  readonly advisory?: true;
}
export const operators = [
  "mustBe",
  "mustNotBe",
  "mustBeGreaterThan",
  "mustBeGreaterOrEqualTo",
  "mustBeLessThan",
  "mustBeLessOrEqualTo",
  "mustBeBetween",
  "mustNotBeBetween",
] as const;
export type Operator = (typeof operators)[number];

/**
 * A foreign key: the values of these columns are those of a row that the other contract has published. Which of its datasets is asked is in
 * docs/spec/data-contracts.md, D27; a key of which a part is null refers to nothing, and breaks nothing.
 */
export interface Relationship {
  readonly name: string;
  readonly columns: readonly string[];
  readonly target: { readonly contract: string; readonly columns: readonly string[] };
  /** Rows without a counterpart are kept out; or one of them refuses the whole batch; or they are reported. */
  readonly otherwise: "quarantine" | "refuse" | "warn";
}

export interface ContractColumn {
  readonly name: string;
  /** Name in the source. */
  readonly source: string;
  readonly type: ColumnType;
  readonly required: boolean;
  readonly classification?: string;
  /** What access policies and readers tell columns apart by. */
  readonly tags?: readonly string[];
  /** True where a value of it names the person that the row is about: erasure looks for it there. */
  readonly subject?: true;
  /** How a date or a time is written in the source, where it is not ISO 8601. */
  readonly format?: TextFormat;
  /** Of a number: digits after the point that its values are rounded to at ingestion (docs/spec/data-contracts.md, D4a). */
  readonly scale?: number;
  /** Reads a naive time as a wall clock of this zone; without it a naive time stays `local`. */
  readonly defaultTimeZone?: string;
  /** Derived: the UTC instant of a local column, by a table from a key column's value to an IANA zone. */
  readonly localTime?: { readonly from: string; readonly key: string; readonly zones: string };
}

export interface SupportChannel {
  readonly channel: string;
  readonly url?: string;
  readonly tool?: string;
  readonly scope?: string;
}

export interface TeamMember {
  readonly username: string;
  readonly role?: string;
  /** Days of the calendar, `YYYY-MM-DD`: who has left is told nothing. */
  readonly dateIn?: string;
  readonly dateOut?: string;
}

export interface ContractRole {
  readonly role: string;
  readonly access?: string;
  readonly firstLevelApprovers?: string;
  readonly secondLevelApprovers?: string;
}

/** An agreed level that nothing here derives a rule from; it is kept and shown. */
export interface AgreedLevel {
  readonly property: string;
  readonly value: string | number | boolean | null;
  readonly unit?: string;
  /** Of a level that is measured: `table.column`, or the column. */
  readonly element?: string;
}

/** What this platform enforces of an ODCS v3.1.0 document: the canonical, hashed form. */
export interface DataContract {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly status: string;
  readonly table: string;
  readonly columns: readonly ContractColumn[];
  readonly primaryKey: readonly string[];
  readonly rowRules: readonly NamedRowRule[];
  readonly batchRules: readonly BatchRule[];
  /** Absent where there are none, and in versions that were published before they were enforced. */
  readonly relationships?: readonly Relationship[];
  readonly eventTime?: string;
  /** Share of rows (0 to 1) that may be bad before the whole batch is refused. */
  readonly maxBadShare: number;
  /** An event may be this far ahead of the moment that it is judged as of; five minutes where nothing is said. */
  readonly futureSkewMs?: number;
  /** Newest event may be this old when the batch arrives: the stricter of `freshness` and `latency`. */
  readonly freshnessMs?: number;
  readonly retentionMs?: number;
  /** Agreed levels beside freshness and retention, e.g. availability. */
  readonly levels?: readonly AgreedLevel[];
  readonly team: readonly TeamMember[];
  readonly roles: readonly ContractRole[];
  readonly support: readonly SupportChannel[];
  readonly servers: readonly {
    readonly name: string;
    readonly type: string;
    readonly location?: string;
    readonly owner?: string;
  }[];
  /** Tables that come with the contract, by file name: part of what it means, hence of its digest. */
  readonly references: Readonly<Record<string, Digest>>;
}
