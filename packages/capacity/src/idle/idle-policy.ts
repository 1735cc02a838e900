import { formatDurationMs, parseDurationMs } from "@portolan/kernel";
import type { YamlNode } from "@portolan/yaml-source";

/** What a file of quotas says of work that holds its part and does next to nothing; durations in microseconds. */
export interface IdlePolicy {
  /** Of what it holds, used below which it is idle: 0.05 is five percent. */
  readonly below: number;
  /** How long its use has to stay below before it is told. */
  readonly window: number;
  /** After each start nothing is judged for so long. */
  readonly grace: number;
  /** From the notice to the stop, at the least. */
  readonly notice: number;
  /** How long somebody may have it kept at once. */
  readonly longestKeep: number;
  /** Whom it stops; the others are told alone. */
  readonly stops: "preemptible" | "all" | "none";
}

const minute = 60_000_000;

/** Together they end before a trainer's hour does. */
export const defaultIdlePolicy: IdlePolicy = {
  below: 0.05,
  window: 15 * minute,
  grace: 5 * minute,
  notice: 15 * minute,
  longestKeep: 24 * 60 * minute,
  stops: "preemptible",
};

const day = 24 * 60 * minute;
/** `[least, most]` */
const bounds: Readonly<
  Record<"window" | "grace" | "notice" | "longestKeep", readonly [number, number, string]>
> = {
  window: [1_000_000, day, "1s to 1d"],
  grace: [0, day, "0s to 1d"],
  notice: [1_000_000, 7 * day, "1s to 7d"],
  longestKeep: [minute, 30 * day, "1min to 30d"],
};

/**
 * Reads `idle` of a file or of a team: `off`, or a map; what it leaves out is as the file has it, else the default.
 *
 * @returns undefined where idle work is not looked for
 */
export function readIdlePolicy(at: YamlNode, above: IdlePolicy | undefined): IdlePolicy | undefined {
  if (at.kind === "missing") return above;
  if (!at.isMap()) {
    if (at.value() !== "off") at.report("is no map", "Write off, or a map; {} takes the defaults.");
    return undefined;
  }
  at.only(["below", "window", "grace", "notice", "longestKeep", "stops"]);
  const base = above ?? defaultIdlePolicy;
  const duration = (key: keyof typeof bounds): number => readDuration(at.get(key), bounds[key]) ?? base[key];
  return {
    below: readShare(at.get("below")) ?? base.below,
    window: duration("window"),
    grace: duration("grace"),
    notice: duration("notice"),
    longestKeep: duration("longestKeep"),
    stops: at.get("stops").oneOf<IdlePolicy["stops"]>(["preemptible", "all", "none"]) ?? base.stops,
  };
}

function readShare(at: YamlNode): number | undefined {
  const text = at.text();
  if (text === undefined) return undefined;
  const [, percent] = /^(\d{1,2}(?:\.\d{1,3})?) ?%$/.exec(text) ?? [];
  const share = Number(percent) / 100;
  if (share > 0 && share <= 0.5) return share;
  at.report("is no share", "Write a percentage above 0% and at most 50%, such as 5%.");
  return undefined;
}

function readDuration(
  at: YamlNode,
  [least, most, range]: readonly [number, number, string],
): number | undefined {
  const text = at.text();
  if (text === undefined) return undefined;
  const micros = microsOf(text);
  if (micros >= least && micros <= most) return micros;
  at.report("is no such duration", `Write one of ${range}, such as 15min.`);
  return undefined;
}

function microsOf(text: string): number {
  try {
    return Math.round(parseDurationMs(text) * 1000);
  } catch {
    return Number.NaN;
  }
}

/** As people write it. Pure. */
export function durationOf(micros: number): string {
  return formatDurationMs(Math.round(micros / 1000));
}
