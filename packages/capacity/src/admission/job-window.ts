import { asEpochMicros, type EpochMicros } from "@portolan/kernel";
import type { JobTimes, JobWindow } from "../contract.ts";

const minutesPerDay = 1440;
const msPerMinute = 60_000;

/** Milliseconds until work may go on: 0 within a window, or where there is none. `nowMs` since the epoch. Pure. */
export function untilWindow(windows: readonly JobWindow[] | undefined, nowMs: number): number {
  if (!windows || windows.length === 0) return 0;
  const sinceMidnight = nowMs % (minutesPerDay * msPerMinute);
  return Math.min(
    ...windows.map(({ from, to }) => {
      const start = minuteOf(from) * msPerMinute;
      const end = minuteOf(to) * msPerMinute;
      const day = minutesPerDay * msPerMinute;
      const length = end > start ? end - start : end - start + day;
      const into = (sinceMidnight - start + day) % day;
      return into < length ? 0 : day - into;
    }),
  );
}

/** When work may go on: the first moment within its windows that is not before it may begin at all; undefined where that is now. Pure. */
export function opensAt({ windows, notBefore }: JobTimes, now: EpochMicros): EpochMicros | undefined {
  const from = Math.max(now, notBefore ?? 0);
  const at = from + 1000 * untilWindow(windows, Math.floor(from / 1000));
  return at > now ? asEpochMicros(at) : undefined;
}

function minuteOf(text: string): number {
  const [hours = "0", minutes = "0"] = text.split(":");
  return Number(hours) * 60 + Number(minutes);
}
