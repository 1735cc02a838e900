import type { AgreedLevel, DataContract } from "./contract-model.ts";

/** What a contract may agree of its data and the platform measures, by the name of the service level (docs/spec/data-contracts.md, D28). */
export const measures = ["rowCount", "schemaDrift", "nullShare", "nullShareRise", "reprocessing"] as const;
export type Measure = (typeof measures)[number];

/** A level that a figure of the data meets or misses. */
export interface MeasuredLevel {
  readonly measure: Measure | "freshness";
  /** Of `nullShare`: whose nulls are meant. */
  readonly column?: string;
  readonly op: "lte" | "gte";
  /** Rows, columns, a share from 0 to 1, or seconds. */
  readonly bound: number;
}

export function isMeasure(name: string): name is Measure {
  return measures.some((measure) => measure === name);
}

/** The levels of a contract that are measured, in its order, its freshness first. Pure. */
export function measuredLevels({
  freshnessMs,
  levels = [],
}: Pick<DataContract, "freshnessMs" | "levels">): MeasuredLevel[] {
  return [
    ...(freshnessMs === undefined
      ? []
      : [{ measure: "freshness", op: "lte", bound: freshnessMs / 1000 } as const]),
    ...levels.flatMap((level) => measuredLevel(level) ?? []),
  ];
}

const secondsOf: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600, d: 86_400 };

/** Undefined where the level is none that is measured, or says nothing that a figure could be held against. */
export function measuredLevel({ property, value, unit, element }: AgreedLevel): MeasuredLevel | undefined {
  if (!isMeasure(property) || typeof value !== "number" || !(value >= 0)) return undefined;
  switch (property) {
    case "rowCount":
      return whole(value) && (unit ?? "rows") === "rows"
        ? { measure: property, op: "gte", bound: value }
        : undefined;
    case "schemaDrift":
      return whole(value) && (unit ?? "columns") === "columns"
        ? { measure: property, op: "lte", bound: value }
        : undefined;
    case "nullShare":
    case "nullShareRise": {
      const bound = unit === "percent" ? value / 100 : unit === undefined ? value : Number.NaN;
      const column = element?.split(".").at(-1);
      if (!(bound <= 1) || (property === "nullShare") !== (column !== undefined)) return undefined;
      return { measure: property, op: "lte", bound, ...(column === undefined ? {} : { column }) };
    }
    case "reprocessing": {
      const seconds = secondsOf[unit ?? ""];
      return seconds === undefined ? undefined : { measure: property, op: "lte", bound: value * seconds };
    }
  }
}

function whole(value: number): boolean {
  return Number.isSafeInteger(value);
}
