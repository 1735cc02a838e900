import { PortolanError } from "./errors.ts";

const durationMillis: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
};

const byteFactors: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** `80ms`, `2s`, `15min`, `36h`, `30d`, `7y` (365 days each) in milliseconds. */
export function parseDurationMs(text: string): number {
  return parseQuantity(text, durationMillis, "a duration", "80ms, 2s, 15min, 36h, 30d or 7y");
}

/** `512MiB`, `2 GB` in bytes. */
export function parseBytes(text: string): number {
  return parseQuantity(text, byteFactors, "a size", "512MiB or 2GB");
}

/** The largest unit that loses nothing: 1500 → `1500ms`, 60000 → `1min`. */
export function formatDurationMs(millis: number): string {
  for (const unit of ["d", "h", "min", "s"] as const) {
    const factor = durationMillis[unit] ?? 1;
    if (millis >= factor && millis % factor === 0) return `${millis / factor}${unit}`;
  }
  return `${millis}ms`;
}

function parseQuantity(
  text: string,
  factors: Readonly<Record<string, number>>,
  what: string,
  examples: string,
): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*$/.exec(text);
  const factor =
    match?.[2] === undefined ? undefined : Object.hasOwn(factors, match[2]) ? factors[match[2]] : undefined;
  if (match?.[1] === undefined || factor === undefined) {
    throw new PortolanError("kernel.bad_unit", {
      detail: `"${text.slice(0, 40)}" is not ${what}`,
      mend: `Write a number and a unit, e.g. ${examples}.`,
    });
  }
  return Number(match[1]) * factor;
}
