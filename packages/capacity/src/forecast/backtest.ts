import { conformalMargins, fewestErrors, type Interval, pinballLoss } from "./conformal.ts";
import type { FittedMethod } from "./forecast-methods.ts";
import { mean } from "./holt-winters.ts";

/** Where forecasts are made again, as if what comes after were not known. */
export interface Origins {
  /** Numbers of values that are seen, ascending. */
  readonly all: readonly number[];
  /** The first of them: by these a method is chosen and its intervals are found. */
  readonly choosing: readonly number[];
  /** Those after: by these both are judged. */
  readonly judging: readonly number[];
}

export const mostOrigins = 100;
const fewestOrigins = 10;
const choosingShare = 0.6;

const choosingOf = (origins: number): number => Math.round(choosingShare * origins);

/** How many origins the first of which have errors enough for intervals; more than `mostOrigins` where there are never enough. Pure. */
export function originsFor(horizon: number, level: number): number {
  let origins = fewestOrigins;
  while (choosingOf(origins) * horizon < fewestErrors(level) && origins <= mostOrigins) origins++;
  return origins;
}

/** Fewest values with so many origins: two seasons to begin with, what the last of the first origins and the last of all are tested on, and a step for each. Pure. */
export function fewestValues(season: number, horizon: number, origins: number): number {
  return 2 * season + 2 * horizon + origins - 2;
}

/**
 * As many origins in the second half of a series, evenly apart, as there is room for, a hundred at most. All that comes after the first ones has come
 * before the later ones begin, so that what is judged had no part in the choice. Where they would all lie at the same place of a season they are a step
 * closer. Pure.
 *
 * @param fewest of them, even where they reach into the first half
 */
export function originsOf(length: number, season: number, horizon: number, fewest: number): Origins {
  const between = horizon - 1;
  const last = length - horizon - between;
  const first = Math.min(Math.max(2 * season, Math.ceil(length / 2)), last - fewest + 1);
  const evenly = Math.max(1, Math.floor((last - first) / (mostOrigins - 1)));
  const stride = evenly > 1 && evenly % season === 0 ? evenly - 1 : evenly;
  const count = Math.min(mostOrigins, Math.floor((last - first) / stride) + 1);
  const places = Array.from({ length: count }, (_, index) => last - (count - 1 - index) * stride);
  const choosing = places.slice(0, choosingOf(count));
  const judging = places.slice(choosingOf(count)).map((place) => place + between);
  return { all: [...choosing, ...judging], choosing, judging };
}

/** Of one origin: what was forecast, and what came. */
export interface Trial {
  readonly forecast: readonly number[];
  readonly came: readonly number[];
  /** Mean absolute change from season to season of what was seen. */
  readonly scale: number;
}

/** Forecasts of a method from each origin; `undefined` where one of them is no number. A quantity is never below 0. Pure. */
export function trialsOf(
  fitted: FittedMethod,
  values: readonly number[],
  origins: readonly number[],
  { season, horizon }: { readonly season: number; readonly horizon: number },
): readonly Trial[] | undefined {
  const scales = seasonalScales(values, season);
  const trials: Trial[] = [];
  for (const origin of origins) {
    const forecast = quantitiesOf(fitted.after(values.slice(0, origin), horizon));
    if (forecast === undefined) return undefined;
    trials.push({
      forecast,
      came: values.slice(origin, origin + horizon),
      scale: scales[origin - season] ?? 0,
    });
  }
  return trials;
}

export function quantitiesOf(forecast: readonly number[]): readonly number[] | undefined {
  return forecast.every(Number.isFinite) ? forecast.map((value) => Math.max(0, value)) : undefined;
}

type Errors = Pick<Trial, "forecast" | "came">;

/** How far what comes lies from the forecast, by lead. */
export interface Margins {
  readonly of: (lead: number) => Interval;
  /** Of the sum of all leads; `undefined` where there are too few origins. */
  readonly total: Interval | undefined;
}

/**
 * Errors of the leads of one season are one pool, or of more seasons where one has too few; what is left at the end of the horizon joins the last pool.
 *
 * @returns `undefined` where all leads together have too few errors for the level
 */
export function marginsOf(trials: readonly Trial[], season: number, level: number): Margins | undefined {
  const horizon = trials[0]?.forecast.length ?? 0;
  const width = season * Math.ceil(fewestErrors(level) / Math.max(1, trials.length * season));
  const count = Math.max(1, Math.floor(horizon / width));
  const pools = Array.from({ length: count }, (_, pool) => {
    const end = pool === count - 1 ? horizon : (pool + 1) * width;
    const part = ({ forecast, came }: Trial): Errors => ({
      forecast: forecast.slice(pool * width, end),
      came: came.slice(pool * width, end),
    });
    return quantityMargins(trials.map(part), level);
  });
  const known = pools.filter((margins) => margins !== undefined);
  if (known.length < pools.length) return undefined;
  const sums = trials.map(({ forecast, came }) => ({ forecast: [sum(forecast)], came: [sum(came)] }));
  return {
    of: (lead) => known[Math.min(count - 1, Math.floor(lead / width))] ?? { low: 0, high: 0 },
    total: quantityMargins(sums, level),
  };
}

/**
 * Where nothing came as often as the low end may be missed, that end is 0: errors alone would put it a hair above 0 whenever the forecast is above its own
 * past, and all that is 0 would lie outside.
 */
function quantityMargins(trials: readonly Errors[], level: number): Interval | undefined {
  const errors = trials.flatMap(({ forecast, came }) =>
    came.map((value, lead) => value - (forecast[lead] ?? 0)),
  );
  const margins = conformalMargins(
    errors.toSorted((a, b) => a - b),
    level,
  );
  const nothing = sum(trials.map(({ came }) => came.filter((value) => value === 0).length));
  return margins && nothing / errors.length >= (1 - level) / 2
    ? { ...margins, low: Number.NEGATIVE_INFINITY }
    : margins;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function intervalAround(forecast: number, { low, high }: Interval): Interval {
  return { low: Math.max(0, forecast + low), high: Math.max(0, forecast + high) };
}

export interface Scores {
  /** Mean absolute error, in the series' unit. */
  readonly meanAbsoluteError: number;
  /** That of each origin beside the mean absolute change from season to season before it (Hyndman and Koehler 2006), their mean; `null` where nothing had changed. */
  readonly mase: number | null;
  /** Mean pinball loss of the interval's ends, in the series' unit. */
  readonly pinball: number;
  /** Share of what came that lies within the interval, 0 to 1. */
  readonly coverage: number;
  /** By which share of what came the sums of the forecasts are too high; `null` where nothing came. */
  readonly bias: number | null;
}

/** Pure. */
export function scoresOf(trials: readonly Trial[], margins: Margins, level: number): Scores {
  const tail = (1 - level) / 2;
  const steps = trials.flatMap(({ forecast, came }) =>
    came.map((value, lead) => {
      const expected = forecast[lead] ?? 0;
      const { low, high } = intervalAround(expected, margins.of(lead));
      return {
        value,
        expected,
        error: Math.abs(value - expected),
        pinball: (pinballLoss(value, low, tail) + pinballLoss(value, high, 1 - tail)) / 2,
        within: Number(value >= low && value <= high),
      };
    }),
  );
  const meanAbsoluteError = mean(steps.map(({ error }) => error));
  const came = steps.reduce((sum, { value }) => sum + value, 0);
  const expected = steps.reduce((sum, step) => sum + step.expected, 0);
  return {
    meanAbsoluteError,
    mase: trials.every(({ scale }) => scale > 0) ? mean(trials.map(scaledError)) : null,
    pinball: mean(steps.map(({ pinball }) => pinball)),
    coverage: mean(steps.map(({ within }) => within)),
    bias: came > 0 ? (expected - came) / came : null,
  };
}

function scaledError({ forecast, came, scale }: Trial): number {
  return mean(came.map((value, lead) => Math.abs(value - (forecast[lead] ?? 0)))) / scale;
}

/** Mean absolute change from season to season of the first so many values, beginning with those of one season. */
function seasonalScales(values: readonly number[], season: number): readonly number[] {
  let total = 0;
  return [
    0,
    ...values.slice(season).map((value, at) => {
      total += Math.abs(value - (values[at] ?? 0));
      return total / (at + 1);
    }),
  ];
}
