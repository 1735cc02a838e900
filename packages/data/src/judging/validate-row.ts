import { zonedMicros } from "@portolan/kernel";
import type { ContractColumn, DataContract, NamedRowRule } from "../contracts/contract-model.ts";
import { compileRule, type RuleCheck } from "../rules/break-rule.ts";
import { ruleLabel } from "../rules/rule-label.ts";
import type { JsonCell } from "../values/json-cell.ts";
import { parseJson, parseText, type Value } from "../values/parse-value.ts";
import { type CounterpartKeys, keyText } from "./counterparts.ts";
import { futureRule } from "./future-events.ts";

/** Tables that come with a contract, by file name: a key's IANA zone. */
export type ZoneTables = Readonly<Record<string, ReadonlyMap<string, string>>>;

export interface RowVerdict {
  /** By column name; a value that is not there, or not of its type, is null. */
  readonly values: Readonly<Record<string, Value | null>>;
  /** Names of the rules that the row breaks, in the order of the contract; empty for an accepted row. */
  readonly violations: readonly string[];
}

interface CompiledRule {
  readonly label: string;
  readonly column: string;
  /** Undefined for `required`, which looks at what the source said. */
  readonly check: RuleCheck | undefined;
}

interface JudgedRelationship {
  readonly label: string;
  readonly columns: readonly string[];
  readonly known: ReadonlySet<string>;
}

/**
 * The per-event executor of a contract: reads and judges one row with the meaning, and the names of rules, that an ingestion has in
 * DuckDB (docs/spec/data-contracts.md D17; a property test compares the two).
 */
export class RowValidator {
  readonly #contract: DataContract;
  readonly #plain: readonly ContractColumn[];
  readonly #derived: readonly ContractColumn[];
  readonly #rules: readonly CompiledRule[];
  readonly #zones: ZoneTables;
  readonly #relationships: readonly JudgedRelationship[];

  /** @param keys of relationships that keep rows out; one whose keys are absent is not judged */
  constructor(contract: DataContract, zones: ZoneTables = {}, keys: CounterpartKeys = {}) {
    this.#contract = contract;
    this.#plain = contract.columns.filter((column) => !column.localTime);
    this.#derived = contract.columns.filter((column) => column.localTime);
    this.#rules = judgedRules(contract).map((rule) => ({
      label: ruleLabel(rule),
      column: rule.column,
      check: rule.kind === "required" ? undefined : compileRule(rule),
    }));
    this.#zones = zones;
    this.#relationships = (contract.relationships ?? []).flatMap((one) => {
      const known = one.otherwise === "quarantine" ? keys[one.name] : undefined;
      return known ? [{ label: ruleLabel(one), columns: one.columns, known }] : [];
    });
  }

  /**
   * A row of JSON: cells by the columns' names in the source.
   *
   * @param asOf when its batch is judged, epoch microseconds
   */
  judgeJson(cells: ReadonlyMap<string, JsonCell>, asOf: number): RowVerdict {
    return this.#judge(
      asOf,
      (column) => cells.get(column.source) ?? null,
      (column, cell) => parseJson(column, cell),
    );
  }

  /** A row of text, as CSV has it; null is a cell that is empty. */
  judgeText(cells: ReadonlyMap<string, string | null>, asOf: number): RowVerdict {
    return this.#judge<string>(
      asOf,
      (column) => cells.get(column.source) ?? null,
      (column, cell) => parseText(column, cell),
    );
  }

  #judge<Cell>(
    asOf: number,
    read: (column: ContractColumn) => Cell | null,
    parse: (column: ContractColumn, cell: Cell) => Value | undefined,
  ): RowVerdict {
    const values: Record<string, Value | null> = {};
    const absent = new Set<string>();
    const violations: string[] = [];
    for (const column of this.#plain) {
      const cell = read(column);
      const value = cell === null ? undefined : parse(column, cell);
      values[column.name] = value ?? null;
      if (cell === null) absent.add(column.name);
      else if (value === undefined) violations.push(`${column.name}.type`);
    }
    for (const { name, localTime } of this.#derived) {
      const instant = localTime && this.#instant(localTime, values);
      values[name] = instant ?? null;
      if (instant === undefined) violations.push(`${name}.time_zone`);
    }
    for (const { label, column, check } of this.#rules) {
      const value = values[column] ?? null;
      if (check ? value !== null && check(value) : absent.has(column)) violations.push(label);
    }
    for (const { label, columns, known } of this.#relationships) {
      const key = keyText(columns.map((name) => values[name]));
      if (key !== undefined && !known.has(key)) violations.push(label);
    }
    const future = futureRule(this.#contract, asOf);
    const at = future && values[future.column];
    if (future && typeof at === "bigint" && at > BigInt(future.latest)) violations.push(future.label);
    return { values, violations };
  }

  #instant(
    { from, key, zones }: NonNullable<ContractColumn["localTime"]>,
    values: Readonly<Record<string, Value | null>>,
  ): bigint | undefined {
    const local = values[from];
    const of = values[key];
    const zone = typeof of === "string" ? this.#zones[zones]?.get(of) : undefined;
    if (typeof local !== "bigint" || zone === undefined) return undefined;
    return zonedMicros(local, zone);
  }
}

/** Rules that judge a row, in their order; a derived column is judged by its time zone alone, not by its presence. */
export function judgedRules({ columns, rowRules }: DataContract): NamedRowRule[] {
  return rowRules.filter(
    (rule) =>
      rule.kind !== "required" || !columns.some((column) => column.localTime && column.name === rule.column),
  );
}
