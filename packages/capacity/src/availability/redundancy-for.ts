import { PortolanError } from "@portolan/kernel";
import type { CapacityErrorCode } from "../errors.ts";
import { type Availabilities, darkShare, type Spread, shortShare } from "./instances-up.ts";

export interface RedundancyQuestion extends Availabilities {
  /** Instances that have to be up for the peak to be carried. */
  readonly needed: number;
  /** Share of the time in which they have to be, 0 to 1. */
  readonly target: number;
  /** Zones of one region, and regions, that may be used. */
  readonly mostZones: number;
  readonly mostRegions: number;
  /** Instances beyond: one for canaries answers few requests and counts for nothing; a spare is started where one is mended. */
  readonly canary: number;
  readonly spare: number;
}

/** Instances in so many zones of so many regions each, as even as they go. */
export interface RedundancyLayout {
  readonly regions: number;
  /** Of each region. */
  readonly zones: number;
  /** The fewest that reach the target there. */
  readonly serving: number;
  readonly spread: Spread;
  /** Share of the time in which as many are up as are needed. */
  readonly availability: number;
}

export interface RedundancyAnswer {
  /** In the fewest regions, then with the fewest instances, then in the fewest zones. */
  readonly layout: RedundancyLayout;
  readonly canary: number;
  readonly spare: number;
  /** Serving, canary and spare. */
  readonly instances: number;
  /** Minutes of 30 days in which the peak would not be carried. */
  readonly shortMinutesPerMonth: number;
  /** All numbers of regions and zones that reach it. */
  readonly layouts: readonly RedundancyLayout[];
}

/**
 * What is taken where nobody states better. Instance and region: what AWS promises of one EC2 instance and of instances in several zones of a region (its compute
 * SLA of May 2022); of zones nobody promises anything, so that is assumed.
 */
export const assumedAvailabilities: Availabilities = { instance: 0.995, zone: 0.999, region: 0.9999 };

const minutesPerMonth = 43_200;

/**
 * The fewest instances that keep enough of them up, spread evenly over zones and regions.
 *
 * @throws PortolanError `capacity.availability_impossible` where no number of instances in the zones and regions that may be used reaches it, with the reason
 */
export function redundancyFor(question: RedundancyQuestion): RedundancyAnswer {
  const { mostRegions, mostZones, canary, spare } = question;
  const layouts = counting(mostRegions).flatMap((regions) =>
    counting(mostZones).flatMap((zones) => layoutIn(regions, zones, question) ?? []),
  );
  const [layout] = layouts.toSorted(
    (a, b) => a.regions - b.regions || a.serving - b.serving || a.zones - b.zones,
  );
  if (!layout) throw impossible(question);
  return {
    layout,
    canary,
    spare,
    instances: layout.serving + canary + spare,
    shortMinutesPerMonth: (1 - layout.availability) * minutesPerMonth,
    layouts,
  };
}

function counting(most: number): number[] {
  return Array.from({ length: most }, (_, index) => index + 1);
}

/** An instance more never hurts, so the fewest are found by doubling, then by halving; `undefined`: none of any number do. */
function layoutIn(
  regions: number,
  zones: number,
  question: RedundancyQuestion,
): RedundancyLayout | undefined {
  const { needed, target } = question;
  const allowed = 1 - target;
  if (darkShare(Array<number>(regions).fill(zones), question) >= allowed) return undefined;
  const short = (serving: number): number => shortShare(evenly(serving, regions, zones), needed, question);
  let low = Math.max(needed, regions * zones) - 1;
  let high = low + 1;
  while (short(high) > allowed) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (short(middle) > allowed) low = middle;
    else high = middle;
  }
  return {
    regions,
    zones,
    serving: high,
    spread: evenly(high, regions, zones),
    availability: 1 - short(high),
  };
}

/** Region after region, zone after zone: counts differ by one at most, between regions as between zones. */
export function evenly(instances: number, regions: number, zones: number): Spread {
  const share = (total: number, parts: number, part: number): number =>
    Math.floor(total / parts) + (part < total % parts ? 1 : 0);
  return Array.from({ length: regions }, (_, region) => {
    const here = share(instances, regions, region);
    return Array.from({ length: zones }, (_zone, zone) => share(here, zones, zone));
  });
}

function impossible(question: RedundancyQuestion): PortolanError<CapacityErrorCode> {
  const { target, mostRegions: regions, mostZones: zones, region, zone } = question;
  const percent = (share: number): string => `${Number((100 * share).toPrecision(12))} %`;
  const lost = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;
  const byRegions = (1 - region) ** regions;
  const dark = darkShare(Array<number>(regions).fill(zones), question);
  const place = `${regions === 1 ? "one region" : `${regions} regions`} of ${zones === 1 ? "one zone" : `${zones} zones`}`;
  const mostly = byRegions >= 1 - target;
  const why = mostly
    ? `${regions === 1 ? "a region alone is" : "all of them are"} down for ${lost(byRegions)} of the time`
    : `no zone of them is up for ${lost(dark)} of the time (a zone is down for ${lost(1 - zone)})`;
  return new PortolanError<CapacityErrorCode>("capacity.availability_impossible", {
    detail: `an availability of ${percent(target)} is reached by no number of instances in ${place}: ${why}, and the target leaves ${lost(1 - target)}`,
    mend: mostly
      ? "Allow one more region (--regions), state what yours are available for, or promise less."
      : "Allow more zones (--zones) or one more region (--regions), or promise less.",
  });
}
