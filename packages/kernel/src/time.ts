import { Temporal as Polyfill } from "temporal-polyfill";
import { PortolanError } from "./errors.ts";

declare const epochMicros: unique symbol;

/** Microseconds since 1970-01-01T00:00:00Z, an integer; exact in a double until the year 2255. */
export type EpochMicros = number & { readonly [epochMicros]: true };

/** Source of the present. Injected everywhere, so that tests own time. */
export interface Clock {
  now(): EpochMicros;
  /** Monotonic nanoseconds, for durations only: a jump of the wall clock does not touch it. */
  monotonicNanos(): bigint;
}

export const systemClock: Clock = {
  now: () => Math.round((performance.timeOrigin + performance.now()) * 1000) as EpochMicros,
  monotonicNanos: () => process.hrtime.bigint(),
};

export const microsPerSecond = 1_000_000;
export const microsPerDay = 86_400 * microsPerSecond;

/** Checks that a number is an integer of microseconds in the exact range. */
export function asEpochMicros(value: number): EpochMicros {
  if (!Number.isSafeInteger(value)) {
    throw new PortolanError("kernel.bad_unit", { detail: `${value} is not a whole number of microseconds` });
  }
  return value as EpochMicros;
}

export function addMicros(instant: EpochMicros, micros: number): EpochMicros {
  return asEpochMicros(instant + micros);
}

/** Reads an RFC 3339 instant with an offset; digits below the microsecond are refused, not dropped. */
export function parseInstant(text: string): EpochMicros {
  let nanos: bigint;
  try {
    nanos = Polyfill.Instant.from(text).epochNanoseconds;
  } catch (cause) {
    throw new PortolanError("kernel.bad_unit", {
      detail: `"${text.slice(0, 64)}" is not an instant`,
      mend: "Write RFC 3339 with an offset, e.g. 2026-11-23T08:00:00Z.",
      cause,
    });
  }
  if (nanos % 1000n !== 0n) {
    throw new PortolanError("kernel.bad_unit", { detail: `"${text}" is finer than a microsecond` });
  }
  return asEpochMicros(Number(nanos / 1000n));
}

/** RFC 3339 in UTC with as many fraction digits as needed (none, 3 or 6). */
export function formatInstant(instant: EpochMicros): string {
  // A `Date` knows the calendar to the second; what it would drop is written beside it. Temporal takes ten times as long, and an answer may have hundreds.
  const second = Math.floor(instant / microsPerSecond);
  const micros = instant - second * microsPerSecond;
  const text = second === lastSecond.second ? lastSecond.text : secondText(second);
  if (micros === 0) return `${text}Z`;
  return `${text}.${String(micros).padStart(6, "0").replace(/0+$/, "")}Z`;
}

/** Most instants that are told are of this second. */
let lastSecond = { second: 0, text: "1970-01-01T00:00:00" };

function secondText(second: number): string {
  lastSecond = { second, text: new Date(second * 1000).toISOString().slice(0, -".000Z".length) };
  return lastSecond.text;
}

/** The UTC instant of a wall-clock time (`2001-01-14T21:35`) in an IANA zone; DST gaps go forward, overlaps take the earlier. */
export function zonedInstant(wallClock: string, timeZone: string): EpochMicros {
  const zoned = Polyfill.PlainDateTime.from(wallClock).toZonedDateTime(timeZone, {
    disambiguation: "compatible",
  });
  return asEpochMicros(Number(zoned.epochNanoseconds / 1000n));
}

/** The same for microseconds on the wall clock, in and out, of any year. @throws RangeError for a zone that is not known */
export function zonedMicros(wallClock: bigint, timeZone: string): bigint {
  const local = Polyfill.Instant.fromEpochNanoseconds(wallClock * 1000n).toZonedDateTimeISO("UTC");
  const zoned = local.toPlainDateTime().toZonedDateTime(timeZone, { disambiguation: "compatible" });
  return zoned.epochNanoseconds / 1000n;
}

/** As HTTP headers write a moment (RFC 9110, IMF-fixdate); what is less than a second is dropped. */
export function formatHttpDate(instant: EpochMicros): string {
  return new Date(instant / 1000).toUTCString();
}

/** `undefined` for what is no date of HTTP. */
export function parseHttpDate(text: string): EpochMicros | undefined {
  const millis = Date.parse(text);
  return Number.isFinite(millis) ? asEpochMicros(millis * 1000) : undefined;
}
