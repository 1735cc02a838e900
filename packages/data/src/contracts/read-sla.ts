import { parseDurationMs } from "@portolan/kernel";
import type { YamlNode } from "@portolan/yaml-source";
import type { AgreedLevel, DataContract } from "./contract-model.ts";

export type AgreedLevels = Pick<DataContract, "freshnessMs" | "retentionMs" | "levels">;

/**
 * Service levels. `freshness` and `latency` both mean the age of the newest event (the standard prefers the one, other tools execute
 * the other); where both stand, or one stands twice, the stricter holds. `retention` is how long data is kept. All else is kept as agreed, and
 * enforced by nothing.
 */
export function readSla(properties: YamlNode, eventTime: string | undefined): AgreedLevels {
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
    } else if (name !== undefined) levels.push(levelOf(property, name));
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
  return { property: name, value, ...(unit === undefined ? {} : { unit }) };
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
