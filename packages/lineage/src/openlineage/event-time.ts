import type { EpochMicros } from "@portolan/kernel";
import { Temporal } from "temporal-polyfill";

/** When an event was, to the nanosecond. */
export interface EventTime {
  readonly micros: EpochMicros;
  /** Below the microsecond, 0 to 999. */
  readonly nanos: number;
}

/**
 * Reads `eventTime`: ISO 8601 with up to nine digits of a second. Producers leave the zone out (Airflow's and Marquez's own fixtures do);
 * what has none is UTC, as Marquez reads it.
 *
 * @returns `undefined` for what is no such time, or lies outside the years 1 to 2255
 */
export function parseEventTime(text: string): EventTime | undefined {
  if (!/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d/.test(text)) return undefined;
  const instant = instantOf(text) ?? instantOf(`${text}Z`);
  if (instant === undefined) return undefined;
  const micros = floorDivide(instant, 1000n);
  const whole = Number(micros);
  return Number.isSafeInteger(whole)
    ? { micros: whole as EpochMicros, nanos: Number(instant - micros * 1000n) }
    : undefined;
}

function instantOf(text: string): bigint | undefined {
  try {
    return Temporal.Instant.from(text).epochNanoseconds;
  } catch {
    return undefined;
  }
}

/** Towards the past, so that what is left over is never negative. */
function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}
