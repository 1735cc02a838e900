import type { ContractColumn, DataContract } from "../contract-model.ts";
import { breaking, type ContractChange, compatible, same } from "./contract-change.ts";

/** Columns that came, went or changed. */
export function diffColumns(before: DataContract, after: DataContract): ContractChange[] {
  const old = new Map(before.columns.map((column) => [column.name, column]));
  const kept = new Set(after.columns.map(({ name }) => name));
  return [
    ...after.columns.flatMap((column) => {
      const was = old.get(column.name);
      return was ? diffColumn(was, column) : [added(column)];
    }),
    ...before.columns
      .filter(({ name }) => !kept.has(name))
      .map(({ name, type }) =>
        breaking("consumer", `columns.${name}`, "a column is gone: who reads it finds nothing", {
          before: type,
        }),
      ),
  ];
}

function added({ name, type, required, localTime }: ContractColumn): ContractChange {
  const path = `columns.${name}`;
  if (required && !localTime)
    return breaking("producer", path, "a required column is new: sources that lack it are refused", {
      after: type,
    });
  const reason = localTime
    ? "a derived column is new: no source has to change"
    : "an optional column is new: sources without it read as null";
  return compatible("consumer", path, reason, { after: type });
}

const reasons = {
  type: ["consumer", "the type changed: stored values, and expressions over them, no longer fit"],
  source: ["producer", "it is read from a column of another name: sources that have the old one lack it"],
  format: ["producer", "the source writes it otherwise: what was written the old way is no value now"],
  scale: ["consumer", "numbers are rounded otherwise: sums of old and new values differ"],
  defaultTimeZone: ["consumer", "the same text now means another instant"],
  localTime: ["consumer", "the same row now means another instant"],
} as const;

function diffColumn(was: ContractColumn, is: ContractColumn): ContractChange[] {
  const changes: ContractChange[] = [];
  for (const [key, [affects, reason]] of Object.entries(reasons)) {
    const [before, after] = [was[key as keyof typeof reasons], is[key as keyof typeof reasons]];
    if (!same(before, after))
      changes.push(breaking(affects, `columns.${is.name}.${key}`, reason, { before, after }));
  }
  if (was.classification !== is.classification)
    changes.push(
      compatible(
        "consumer",
        `columns.${is.name}.classification`,
        "who may read it, and how, may change; no row is judged by it",
        { before: was.classification, after: is.classification },
      ),
    );
  for (const key of ["tags", "subject"] as const)
    if (!same(was[key], is[key]))
      changes.push(
        compatible("consumer", `columns.${is.name}.${key}`, readings[key], {
          before: was[key],
          after: is[key],
        }),
      );
  return changes;
}

const readings = {
  tags: "who may read it, and how, may change; no row is judged by it",
  subject: "erasure looks for data subjects in other columns, also of what is stored already",
} as const;
