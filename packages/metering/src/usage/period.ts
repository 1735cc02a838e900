import {
  asEpochMicros,
  type EpochMicros,
  formatInstant,
  PortolanError,
  parseInstant,
} from "@portolan/kernel";
import type { MeteringErrorCode } from "../errors.ts";

/** A calendar month in UTC, `2026-11`: no summer time moves its ends. */
export type Period = string;

/** @throws PortolanError `metering.bad_period` */
export function parsePeriod(text: string): Period {
  if (/^20\d{2}-(?:0[1-9]|1[0-2])$/.test(text)) return text;
  throw new PortolanError<MeteringErrorCode>("metering.bad_period", {
    detail: `${JSON.stringify(text.slice(0, 40))} is no month`,
    mend: "Write a year and a month, e.g. 2026-11; months are in UTC.",
  });
}

export function periodOf(at: number): Period {
  return formatInstant(asEpochMicros(at)).slice(0, 7);
}

export interface Bounds {
  readonly start: EpochMicros;
  /** Exclusive. */
  readonly end: EpochMicros;
}

export function boundsOf(period: Period): Bounds {
  return { start: startOf(period), end: startOf(addMonths(period, 1)) };
}

export function addMonths(period: Period, months: number): Period {
  const count = Number(period.slice(0, 4)) * 12 + Number(period.slice(5)) - 1 + months;
  return `${String(Math.floor(count / 12)).padStart(4, "0")}-${String((count % 12) + 1).padStart(2, "0")}`;
}

function startOf(period: Period): EpochMicros {
  return parseInstant(`${period}-01T00:00:00Z`);
}
