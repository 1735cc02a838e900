import { addMoney, type Money, multiplyMoney, zeroMoney } from "@portolan/kernel";
import type { LoadCurve } from "./load-curve.ts";

export const fixedWayNames = ["reserved_1y", "reserved_3y", "own"] as const;
export type FixedWayName = (typeof fixedWayNames)[number];

/** A way to have a unit around the clock. */
export interface FixedWay {
  readonly name: FixedWayName;
  /** A unit for the whole horizon, whether it works or not. */
  readonly fixed: Money;
  /** And for each hour in which it works. */
  readonly runningHour: Money;
}

export interface ProcurementQuestion {
  readonly curve: LoadCurve;
  /** The curve is repeated for so long, a whole number of hours. */
  readonly horizonHours: number;
  /** Those that are to be had, each name once. */
  readonly ways: readonly FixedWay[];
  /** Owned units come in servers of so many, and none without its server; 1 by default. */
  readonly ownedTogether?: number;
  /** What comes with the first unit that is owned, for the whole horizon: room, people. */
  readonly ownOnce: Money;
  readonly onDemandHour: Money;
  /** An hour of work where one may be interrupted, with what interruptions cost; absent: not to be had. */
  readonly spotHour?: Money;
}

/** Units of each way; what is above them is rented by the hour. */
export type Mix = Readonly<Record<FixedWayName, number>>;

export interface ProcurementCosts {
  readonly byWay: Readonly<Record<FixedWayName, Money>>;
  readonly onDemand: Money;
  readonly spot: Money;
  readonly total: Money;
  /** Hours over the horizon that are rented on demand, and on spot machines. */
  readonly onDemandHours: number;
  readonly spotHours: number;
}

/** Units of the load between two heights, had in one way. The first unit is the one that is wanted most. */
export interface Band {
  readonly from: number;
  readonly to: number;
  readonly way: FixedWayName | "by_the_hour";
  /** Share of the time in which its first and its last unit are wanted. */
  readonly use: { readonly first: number; readonly last: number };
}

export interface ProcurementAnswer {
  readonly mix: Mix;
  readonly costs: ProcurementCosts;
  readonly bands: readonly Band[];
  /** The most units at once. */
  readonly peak: number;
  /** Mean over peak. */
  readonly loadFactor: number;
  /**
   * Share of the time from which on a unit is cheaper so than rented by the hour on demand, or on spot machines; above 1: never. What comes with the first owned unit
   * is not in it.
   */
  readonly breakEven: readonly {
    readonly way: FixedWayName;
    readonly onDemand: number;
    readonly spot?: number;
  }[];
  /** All of the load in one way alone, beside the mix. */
  readonly alone: readonly { readonly way: FixedWayName | "by_the_hour"; readonly costs: ProcurementCosts }[];
}

/**
 * The cheapest units of each way, held for the whole horizon. Exact: the units of a load, stacked, are each wanted for a known time, at the bottom what must not be
 * interrupted; each takes what is cheapest for its time, and no other mix costs less, since which unit does which work is free. Owned units come in whole servers: for each
 * number of servers those units are owned that save most by it. Money is compared as whole numbers.
 */
export function procure(question: ProcurementQuestion): ProcurementAnswer {
  const levels = levelsOf(question.curve);
  const { chosen, unused } = choose(levels, question);
  const mix = mixOf(chosen, unused);
  const peak = levels.length;
  const none: Mix = { own: 0, reserved_1y: 0, reserved_3y: 0 };
  return {
    mix,
    costs: costsOf(levels, question, mix),
    bands: bandsOf(levels, chosen),
    peak,
    loadFactor: peak === 0 ? 0 : levels.reduce((sum, level) => sum + useOf(level), 0) / peak,
    breakEven: question.ways.map((way) => breakEvenOf(way, question)),
    alone: [
      { way: "by_the_hour" as const, costs: costsOf(levels, question, none) },
      ...question.ways.map(({ name }) => ({
        way: name,
        costs: costsOf(levels, question, {
          ...none,
          [name]: name === "own" ? inServers(peak, question) : peak,
        }),
      })),
    ],
  };
}

/** What some mix costs for the load, each unit doing the work for which it is cheapest; ways that are not to be had count for nothing. */
export function priceMix(question: ProcurementQuestion, mix: Mix): ProcurementCosts {
  return costsOf(levelsOf(question.curve), question, mix);
}

/** One unit of the load by its height: for how long it is wanted, by work that may and that must not be interrupted. */
interface Level {
  readonly firmMs: bigint;
  readonly interruptibleMs: bigint;
  readonly curveMs: bigint;
}

function levelsOf(curve: LoadCurve): readonly Level[] {
  const peak = curve.reduce((most, { units }) => Math.max(most, units), 0);
  // At a height: by how much less there is above it.
  const [ends, firmEnds] = [Array<number>(peak + 1).fill(0), Array<number>(peak + 1).fill(0)];
  for (const { ms, units, interruptible } of curve) {
    ends[units] = (ends[units] ?? 0) + ms;
    firmEnds[units - interruptible] = (firmEnds[units - interruptible] ?? 0) + ms;
  }
  const curveMs = curve.reduce((sum, { ms }) => sum + ms, 0);
  let [wanted, firm] = [curveMs, curveMs];
  return Array.from({ length: peak }, (_, height) => {
    wanted -= ends[height] ?? 0;
    firm -= firmEnds[height] ?? 0;
    return {
      firmMs: BigInt(firm),
      interruptibleMs: BigInt(wanted - firm),
      curveMs: BigInt(curveMs),
    };
  });
}

function useOf({ firmMs, interruptibleMs, curveMs }: Level): number {
  return Number(firmMs + interruptibleMs) / Number(curveMs);
}

/** Nanos times milliseconds of the curve: whole numbers, divided once at the end. */
interface LevelCost {
  readonly fixed: bigint;
  readonly running: bigint;
  readonly onDemand: bigint;
  readonly spot: bigint;
  readonly onDemandMs: bigint;
  readonly spotMs: bigint;
}

/** One unit that is had in a way, or by the hour where there is none; where renting is cheaper than letting it run it stands. */
function levelCost(level: Level, question: ProcurementQuestion, way: FixedWay | undefined): LevelCost {
  const hours = BigInt(question.horizonHours);
  const onDemand = question.onDemandHour.nanos;
  const spot = question.spotHour?.nanos;
  const running = way?.runningHour.nanos;
  const onSpot = spot !== undefined && spot < onDemand;
  const rented = onSpot ? spot : onDemand;
  const runsFirm = running !== undefined && running <= onDemand;
  const runsRest = running !== undefined && running <= rented;
  const firmMs = runsFirm ? 0n : level.firmMs;
  const restMs = runsRest ? 0n : level.interruptibleMs;
  const onDemandMs = firmMs + (onSpot ? 0n : restMs);
  const spotMs = onSpot ? restMs : 0n;
  const runMs = level.firmMs + level.interruptibleMs - onDemandMs - spotMs;
  return {
    fixed: (way?.fixed.nanos ?? 0n) * level.curveMs,
    running: (running ?? 0n) * runMs * hours,
    onDemand: onDemand * onDemandMs * hours,
    spot: (spot ?? 0n) * spotMs * hours,
    onDemandMs,
    spotMs,
  };
}

type Choice = FixedWay | undefined;

interface Chosen {
  /** By height. */
  readonly chosen: readonly Choice[];
  /** Owned for the servers' sake alone. */
  readonly unused: number;
}

/** Where two cost the same, what binds for less long; of servers the fewest. */
function choose(levels: readonly Level[], question: ProcurementQuestion): Chosen {
  const own = question.ways.find(({ name }) => name === "own");
  const others = byName(question.ways.filter((way) => way !== own));
  const rest = levels.map((level) => cheapest(level, question, [undefined, ...others]));
  const without = { chosen: rest.map(({ way }) => way), unused: 0 };
  const curveMs = levels[0]?.curveMs;
  if (!own || curveMs === undefined) return without;
  const fixed = own.fixed.nanos * curveMs;
  // What it saves where an owned unit that is paid for anyhow does the work; where it saves nothing, it stands.
  const saved = levels
    .map((level, height) => ({
      height,
      by: (rest[height]?.cost ?? 0n) - costOf(level, question, own) + fixed,
    }))
    .filter(({ by }) => by > 0n)
    .toSorted((a, b) => (a.by === b.by ? a.height - b.height : a.by > b.by ? -1 : 1));
  const size = question.ownedTogether ?? 1;
  let [least, fewest, sum] = [0n, 0, question.ownOnce.nanos * curveMs];
  for (let units = 1; units <= inServers(levels.length, question); units++) {
    sum += fixed - (saved[units - 1]?.by ?? 0n);
    if (units % size === 0 && sum < least) [least, fewest] = [sum, units];
  }
  const owned = new Set(saved.slice(0, fewest).map(({ height }) => height));
  return {
    chosen: without.chosen.map((way, height) => (owned.has(height) ? own : way)),
    unused: fewest - owned.size,
  };
}

/** The least whole servers that hold so many units, in units. */
function inServers(units: number, { ownedTogether = 1 }: ProcurementQuestion): number {
  return Math.ceil(units / ownedTogether) * ownedTogether;
}

function costOf(level: Level, question: ProcurementQuestion, way: Choice): bigint {
  const { fixed, running, onDemand, spot } = levelCost(level, question, way);
  return fixed + running + onDemand + spot;
}

function cheapest(
  level: Level,
  question: ProcurementQuestion,
  [first, ...others]: readonly [Choice, ...Choice[]],
): { readonly way: Choice; readonly cost: bigint } {
  let best = { way: first, cost: costOf(level, question, first) };
  for (const way of others) {
    const cost = costOf(level, question, way);
    if (cost < best.cost) best = { way, cost };
  }
  return best;
}

function byName(ways: readonly FixedWay[]): FixedWay[] {
  return fixedWayNames.flatMap((name) => ways.find((way) => way.name === name) ?? []);
}

function mixOf(chosen: readonly Choice[], unused: number): Mix {
  const count = (name: FixedWayName) => chosen.filter((way) => way?.name === name).length;
  return { own: count("own") + unused, reserved_1y: count("reserved_1y"), reserved_3y: count("reserved_3y") };
}

/** What costs least to run does the work that is wanted most. */
function costsOf(levels: readonly Level[], question: ProcurementQuestion, mix: Mix): ProcurementCosts {
  const { currency } = question.onDemandHour;
  const order = byName(question.ways).toSorted((a, b) => Number(a.runningHour.nanos - b.runningHour.nanos));
  const units = order.flatMap((way) => Array<FixedWay>(mix[way.name]).fill(way));
  const curveMs = levels[0]?.curveMs ?? 1n;
  const unused = { firmMs: 0n, interruptibleMs: 0n, curveMs };
  const sums = {
    own: 0n,
    reserved_1y: 0n,
    reserved_3y: 0n,
    onDemand: 0n,
    spot: 0n,
    demandMs: 0n,
    spotMs: 0n,
  };
  for (let height = 0; height < Math.max(levels.length, units.length); height++) {
    const way = units[height];
    const cost = levelCost(levels[height] ?? unused, question, way);
    if (way) sums[way.name] += cost.fixed + cost.running;
    sums.onDemand += cost.onDemand;
    sums.spot += cost.spot;
    sums.demandMs += cost.onDemandMs;
    sums.spotMs += cost.spotMs;
  }
  if (mix.own > 0) sums.own += question.ownOnce.nanos * curveMs;
  const exact = (nanos: bigint): Money => multiplyMoney({ nanos, currency }, 1n, curveMs);
  const byWay = {
    own: exact(sums.own),
    reserved_1y: exact(sums.reserved_1y),
    reserved_3y: exact(sums.reserved_3y),
  };
  const parts = { onDemand: exact(sums.onDemand), spot: exact(sums.spot) };
  const hoursOf = (ms: bigint): number => (Number(ms) / Number(curveMs)) * question.horizonHours;
  return {
    byWay,
    ...parts,
    total: [...Object.values(byWay), ...Object.values(parts)].reduce(addMoney, zeroMoney(currency)),
    onDemandHours: hoursOf(sums.demandMs),
    spotHours: hoursOf(sums.spotMs),
  };
}

function bandsOf(levels: readonly Level[], chosen: readonly Choice[]): Band[] {
  const bands: Band[] = [];
  chosen.forEach((way, height) => {
    const name = way?.name ?? "by_the_hour";
    const level = levels[height];
    const use = level ? useOf(level) : 0;
    const last = bands.at(-1);
    if (last?.way === name)
      bands[bands.length - 1] = { ...last, to: height + 1, use: { ...last.use, last: use } };
    else bands.push({ from: height + 1, to: height + 1, way: name, use: { first: use, last: use } });
  });
  return bands;
}

function breakEvenOf(
  { name, fixed, runningHour }: FixedWay,
  { onDemandHour, spotHour, horizonHours }: ProcurementQuestion,
): ProcurementAnswer["breakEven"][number] {
  const from = (hour: Money): number => {
    const saved = hour.nanos - runningHour.nanos;
    if (saved <= 0n) return Number.POSITIVE_INFINITY;
    return Number(fixed.nanos) / Number(saved) / horizonHours;
  };
  return {
    way: name,
    onDemand: from(onDemandHour),
    ...(spotHour ? { spot: from(spotHour) } : {}),
  };
}
