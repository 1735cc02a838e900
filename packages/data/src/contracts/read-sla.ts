import { parseDurationMs } from "@portolan/kernel";
import type { YamlNode } from "@portolan/yaml-source";
import type { AgreedLevel, ContractColumn, DataContract } from "./contract-model.ts";
import { isMeasure, type Measure, measuredLevel } from "./measured-levels.ts";

export type AgreedLevels = Pick<DataContract, "freshnessMs" | "retentionMs" | "levels">;

/**
 * Service levels. `freshness` and `latency` both mean the age of the newest event (the standard prefers the one, other tools execute
 * the other); where both stand, or one stands twice, the stricter holds. `retention` is how long data is kept. All else is kept as agreed, and
 * enforced by nothing.
 */
export function readSla(
  properties: YamlNode,
  eventTime: string | undefined,
  columns: readonly Pick<ContractColumn, "name">[],
): AgreedLevels {
  let freshnessMs: number | undefined;
  let retentionMs: number | undefined;
  const levels: AgreedLevel[] = [];
  for (const property of properties.items()) {
    const name = property.get("property").text();
    if (name === "latency" || name === "freshness") {
      checkElement(property, eventTime);
      freshnessMs = Math.min(durationOf(property), freshnessMs ?? Number.POSITIVE_INFINITY);
    } else if (name === "retention") {
      retentionMs = Math.min(durationOf(property), retentionMs ?? Number.POSITIVE_INFINITY);
    } else if (name !== undefined) {
      const level = levelOf(property, name);
      if (isMeasure(name)) checkMeasured(property, level, columns);
      levels.push(level);
    }
  }
  return {
    ...(freshnessMs === undefined ? {} : { freshnessMs }),
    ...(retentionMs === undefined ? {} : { retentionMs }),
    ...(levels.length === 0 ? {} : { levels }),
  };
}

/** The age of data is that of its event time: no other column's is measured. */
function checkElement(property: YamlNode, eventTime: string | undefined): void {
  const element = property.get("element").text();
  if (eventTime === undefined)
    property.report(
      "speaks of the age of data that has no event time",
      "Name the column in the table's custom property portolan.eventTime.",
    );
  else if (element !== undefined && element !== eventTime && !element.endsWith(`.${eventTime}`))
    property.get("element").report(`is ${element}; the event time is ${eventTime}`, "Name the event time.");
}

function levelOf(property: YamlNode, name: string): AgreedLevel {
  const unit = property.get("unit").text();
  const value = property.get("value").value() ?? null;
  const element = isMeasure(name) ? property.get("element").text() : undefined;
  return {
    property: name,
    value,
    ...(unit === undefined ? {} : { unit }),
    ...(element === undefined ? {} : { element }),
  };
}

const measureMends: Readonly<Record<Measure, string>> = {
  rowCount: "Write the least number of rows of a batch: `value: 1000`.",
  schemaDrift: "Write how many columns may differ at most: `value: 0`.",
  nullShare: "Write a share and a column: `value: 0.05` and `element: flights.delay`.",
  nullShareRise:
    "Write by how much a share of nulls may rise from one batch to the next: `value: 0.1`, without an element.",
  reprocessing:
    "Write how long judging again may take in thirty days: `value: 2` and `unit: h` (s, min, h or d).",
};

/** A level that no figure can be held against would be a promise that nobody keeps. */
function checkMeasured(
  property: YamlNode,
  level: AgreedLevel,
  columns: readonly Pick<ContractColumn, "name">[],
): void {
  const measured = measuredLevel(level);
  if (!measured) {
    const name = level.property;
    property.report(
      `states ${name} in a way that is not measured`,
      isMeasure(name) ? measureMends[name] : undefined,
    );
  } else if (measured.column !== undefined && !columns.some(({ name }) => name === measured.column))
    property
      .get("element")
      .report(`is ${level.element ?? ""}, which is no column`, "Name a column of the contract.");
}

const unitNames: Readonly<Record<string, string>> = {
  s: "s",
  second: "s",
  seconds: "s",
  m: "min",
  min: "min",
  minute: "min",
  minutes: "min",
  h: "h",
  hour: "h",
  hours: "h",
  d: "d",
  day: "d",
  days: "d",
  y: "y",
  yr: "y",
  year: "y",
  years: "y",
};

function durationOf(property: YamlNode): number {
  const value = property.get("value").number();
  const unit = property.get("unit").text() ?? "d";
  const short = Object.hasOwn(unitNames, unit) ? unitNames[unit] : undefined;
  if (value === undefined || value < 0 || !short) {
    property.report("is not a duration", "Write `value: 24` and `unit: h` (s, min, h, d or y).");
    return 0;
  }
  return parseDurationMs(`${value}${short}`);
}
