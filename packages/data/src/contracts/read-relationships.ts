import type { YamlNode } from "@portolan/yaml-source";
import type { ColumnType, ContractColumn, Relationship } from "./contract-model.ts";

/** A contract that others may refer to: its columns are what a foreign key may name. */
export interface TargetContract {
  readonly id: string;
  readonly columns: readonly Pick<ContractColumn, "name" | "type">[];
}

/** Contracts that a relationship may name, by id. */
export type TargetContracts = ReadonlyMap<string, TargetContract>;

/** Whose contract a table belongs to, and what its columns are. */
interface Own {
  readonly id: string;
  readonly table: string;
  readonly columns: readonly ContractColumn[];
}

/** What severities the custom property `portolan.severity` of a relationship may have, and what each does. */
const severities: Readonly<Record<string, Relationship["otherwise"]>> = {
  info: "warn",
  warning: "warn",
  error: "quarantine",
  critical: "refuse",
};

/** Doubles that look the same may differ in their last bit, and JSON has many texts for one value: neither is a key. */
const keyless: readonly ColumnType[] = ["number", "object", "array"];

/**
 * The foreign keys of a table, those that stand at it first, then those at its columns.
 *
 * @param targets the contracts that may be named; without them nobody looks whether a target is there
 */
export function readRelationships(
  table: YamlNode,
  own: Own,
  targets: TargetContracts | undefined,
): Relationship[] {
  const stated = [
    ...table
      .get("relationships")
      .items()
      .map((node) => ({ node, from: namesOf(node.get("from")) })),
    ...table
      .get("properties")
      .items()
      .flatMap((property) =>
        property
          .get("relationships")
          .items()
          .map((node) => ({ node, from: [`${own.table}.${property.get("name").text() ?? ""}`] })),
      ),
  ];
  const found = stated.flatMap(({ node, from }) => readRelationship(node, from, own, targets) ?? []);
  for (const [index, { name }] of found.entries())
    if (found.findIndex((other) => other.name === name) !== index)
      table.get("relationships").report(`${name} is there twice`, "State each relationship once.");
  return found;
}

function namesOf(node: YamlNode): string[] {
  return node.kind === "list" ? node.items().map((item) => item.text() ?? "") : [node.text() ?? ""];
}

function readRelationship(
  node: YamlNode,
  from: readonly string[],
  own: Own,
  targets: TargetContracts | undefined,
): Relationship | undefined {
  const to = node.get("to");
  const [left, right] = [from.map(tableAndColumn), namesOf(to).map(tableAndColumn)];
  if (left.includes(undefined) || right.includes(undefined)) {
    to.report("refers to columns by the ids of elements", "Write table.column, such as `to: wards.id`.");
    return undefined;
  }
  const [mine, theirs] = [left.filter(isSome), right.filter(isSome)];
  if (mine.length !== theirs.length) {
    to.report(
      `names ${theirs.length} columns for ${mine.length}`,
      "Name as many as the key has, in its order.",
    );
    return undefined;
  }
  const contract = targetOf(node, theirs);
  const columns = ownColumns(node, mine, own);
  if (contract === undefined || !columns) return undefined;
  if (contract === own.id) {
    to.report(
      "refers to its own table, and rows of a batch are judged without each other",
      'State it as a quality rule of `type: sql` over "{table}", which sees the whole batch.',
    );
    return undefined;
  }
  const target = { contract, columns: theirs.map(({ column }) => column) };
  if (targets) checkTarget(to, columns, target, targets);
  const names = columns.map(({ name }) => name);
  return {
    name: `${names.join("+")}.references.${contract}`,
    columns: names,
    target,
    otherwise: severityOf(node),
  };
}

interface Named {
  readonly table: string;
  readonly column: string;
}

function tableAndColumn(text: string): Named | undefined {
  const [, table, column] = /^(\w+)\.(\w+)$/.exec(text) ?? [];
  return table === undefined || column === undefined ? undefined : { table, column };
}

function isSome<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** The id of the contract that is meant: that of its table, unless `portolan.contract` names another. */
function targetOf(node: YamlNode, theirs: readonly Named[]): string | undefined {
  const tables = new Set(theirs.map(({ table }) => table));
  if (tables.size !== 1) {
    node.get("to").report("names columns of several tables", "Write one relationship per table.");
    return undefined;
  }
  return customOf(node, "portolan.contract")?.text() ?? theirs[0]?.table;
}

function ownColumns(node: YamlNode, mine: readonly Named[], own: Own): ContractColumn[] | undefined {
  const columns = mine.flatMap(({ table, column }) => {
    const found = table === own.table ? own.columns.find(({ name }) => name === column) : undefined;
    if (!found)
      node
        .get("from")
        .report(`names ${table}.${column}, which is no column of ${own.table}`, "Name one of its own.");
    else if (keyless.includes(found.type))
      node
        .get("to")
        .report(
          `makes ${column} a key, and it is of the type ${found.type}`,
          "Refer by texts, integers, truth values, dates or times.",
        );
    else return [found];
    return [];
  });
  if (new Set(mine.map(({ column }) => column)).size !== mine.length)
    node.get("from").report("names a column twice", "Name each column once.");
  return columns.length === mine.length ? columns : undefined;
}

function checkTarget(
  to: YamlNode,
  columns: readonly ContractColumn[],
  target: Relationship["target"],
  targets: TargetContracts,
): void {
  const found = targets.get(target.contract);
  if (!found) {
    to.report(
      `refers to ${target.contract}, and there is no such contract`,
      "Publish it first, or name it in the custom property portolan.contract of the relationship.",
    );
    return;
  }
  for (const [index, name] of target.columns.entries()) {
    const theirs = found.columns.find((column) => column.name === name);
    const mine = columns[index];
    if (!theirs)
      to.report(
        `refers to ${target.contract}.${name}, which is no column of it`,
        `Name one of ${found.columns.map((column) => column.name).join(", ")}.`,
      );
    else if (mine && theirs.type !== mine.type)
      to.report(
        `refers to ${target.contract}.${name}, which is of the type ${theirs.type}`,
        `Give it the type of ${mine.name}, ${mine.type}, or refer to another.`,
      );
  }
}

function severityOf(node: YamlNode): Relationship["otherwise"] {
  const severity = customOf(node, "portolan.severity");
  if (!severity) return "quarantine";
  const text = severity.oneOf(Object.keys(severities));
  return severities[text ?? "error"] ?? "quarantine";
}

function customOf(node: YamlNode, name: string): YamlNode | undefined {
  return node
    .get("customProperties")
    .items()
    .find((item) => item.get("property").text() === name)
    ?.get("value");
}
