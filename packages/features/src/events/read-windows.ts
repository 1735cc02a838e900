import { asEpochMicros, type EpochMicros } from "@portolan/kernel";
import { historyMicros } from "../log/log-record.ts";
import type { OnlineVector, OnlineViewHeader, ValueStatus } from "../ports.ts";
import { type EntityReader, entityWindowsAt } from "./entity-windows.ts";

/**
 * What an online store says of an entity's windows at T (docs/spec/features.md, F34): exact from a minute before its events are known up to on, stale
 * once that is longer ago than the view's ttl. An entity without events has windows without events. Reads only.
 *
 * @param knownUntil up to when the events are known: the moment of the last fold, epoch microseconds
 */
export function readWindows(
  header: OnlineViewHeader & Required<Pick<OnlineViewHeader, "windows">>,
  knownUntil: number,
  entity: EntityReader,
  at: EpochMicros,
): OnlineVector {
  const outside = at < knownUntil - historyMicros || at - knownUntil > header.ttlMicros;
  const values = outside ? [] : entityWindowsAt(header.windows, entity, at);
  return {
    status: outside ? "outside_max_age" : "found",
    asOf: asEpochMicros(Math.min(at, knownUntil)),
    values: Object.fromEntries(
      header.featureNames.map((name, index) => [name, valueOf(values[index])] as const),
    ),
  };
}

/** A window that would reach events which are not kept has no value of this age (F35). */
function valueOf(value: number | null | undefined): {
  readonly value: number | null;
  readonly status: ValueStatus;
} {
  if (value === undefined) return { value: null, status: "outside_max_age" };
  return { value, status: value === null ? "null" : "present" };
}
