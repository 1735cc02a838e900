import { asEpochMicros, type EpochMicros } from "@portolan/kernel";

/** Times of a schedule: which minutes, hours, days and months; days of the week from Sunday, 0. */
export interface CronTimes {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: readonly number[];
  readonly months: readonly number[];
  readonly weekdays: readonly number[];
  /** Where both days of the month and of the week are named, one of them is enough, as in Vixie's cron. */
  readonly isEitherDay: boolean;
}

export type CronReading =
  | { readonly kind: "times"; readonly times: CronTimes }
  | { readonly kind: "unreadable"; readonly because: string };

const fields = [
  { name: "minute", least: 0, most: 59 },
  { name: "hour", least: 0, most: 23 },
  { name: "day of the month", least: 1, most: 31 },
  { name: "month", least: 1, most: 12 },
  { name: "day of the week", least: 0, most: 7 },
] as const;

/** Reads five fields of numbers, `*`, lists, ranges and steps; 7 is Sunday too. Pure. */
export function readCron(text: string): CronReading {
  const parts = text.trim().split(/\s+/);
  if (parts.length !== fields.length)
    return unreadable(`it has ${parts.length} fields where ${fields.length} are needed`);
  const read = fields.map((field, at) => readField(parts[at] ?? "", field));
  const bad = read.find((one) => typeof one === "string");
  if (typeof bad === "string") return unreadable(bad);
  const [minutes = [], hours = [], days = [], months = [], weekdays = []] = read.filter(
    (one): one is number[] => typeof one !== "string",
  );
  const times: CronTimes = {
    minutes,
    hours,
    days,
    months,
    weekdays: [...new Set(weekdays.map((day) => day % 7))],
    isEitherDay: !parts[2]?.startsWith("*") && !parts[4]?.startsWith("*"),
  };
  // The 30th of February: a schedule that never comes is a mistake.
  if (nextTime(times, asEpochMicros(0)) === undefined) return unreadable("it names a day that never comes");
  return { kind: "times", times };
}

function unreadable(because: string): CronReading {
  return { kind: "unreadable", because };
}

/** @returns the numbers in order, or what is wrong with them */
function readField(text: string, { name, least, most }: (typeof fields)[number]): number[] | string {
  const found = new Set<number>();
  for (const part of text.split(",")) {
    const [, range = "", first, last, step] =
      /^(\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(part) ?? [];
    if (range === "") return `its ${name} is "${text}"`;
    const from = range === "*" ? least : Number(first);
    // `5/15` is from 5 on, each fifteenth.
    const open = range === "*" || (last === undefined && step !== undefined);
    const to = open ? most : Number(last ?? first);
    const by = Number(step ?? 1);
    if (from < least || to > most || from > to || by < 1)
      return `its ${name} is "${part}", where ${least} to ${most} are possible`;
    for (let value = from; value <= to; value += by) found.add(value);
  }
  return [...found].sort((a, b) => a - b);
}

const microsPerMinute = 60_000_000;
const microsPerDay = 1440 * microsPerMinute;
/** Leap years are eight years apart at most. */
const mostDays = 8 * 366 + 1;

/** The first time of a schedule after a moment, in UTC; `undefined` where there is none. Pure. */
export function nextTime(times: CronTimes, after: EpochMicros): EpochMicros | undefined {
  const firstDay = Math.floor(after / microsPerDay);
  for (let day = firstDay; day < firstDay + mostDays; day++) {
    if (!isDay(times, day)) continue;
    for (const hour of times.hours)
      for (const minute of times.minutes) {
        const at = day * microsPerDay + (hour * 60 + minute) * microsPerMinute;
        if (at > after) return asEpochMicros(at);
      }
  }
  return undefined;
}

/** @param day days since 1970-01-01, a Thursday */
function isDay({ days, months, weekdays, isEitherDay }: CronTimes, day: number): boolean {
  const { month, dayOfMonth } = civilDate(day);
  if (!months.includes(month)) return false;
  const isDate = days.includes(dayOfMonth);
  const isWeekday = weekdays.includes((day + 4) % 7);
  return isEitherDay ? isDate || isWeekday : isDate && isWeekday;
}

/** Howard Hinnant's `civil_from_days`, for days from 1970 on. */
function civilDate(day: number): { readonly month: number; readonly dayOfMonth: number } {
  const shifted = day + 719_468;
  const ofEra = shifted % 146_097;
  const year = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const dayOfMonth = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  return { month: fromMarch < 10 ? fromMarch + 3 : fromMarch - 9, dayOfMonth };
}
