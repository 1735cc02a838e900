import { type HoltWinters, project, type Smoothing, smooth, startingState } from "./holt-winters.ts";
import { croston, isIntermittent, type Rates, syntetosBoylan, teunterSyntetosBabai } from "./intermittent.ts";
import { leastLoss, type SearchSpace } from "./parameter-search.ts";

/** A way to forecast, before it has seen anything. */
export interface ForecastMethod {
  readonly name: string;
  /** Searches its parameters; `undefined` where it is of no use for the series. */
  fit(values: readonly number[]): FittedMethod | undefined;
}

export interface FittedMethod {
  /** By name; they stay when more values come. */
  readonly parameters: Readonly<Record<string, number>>;
  /** What follows these values. May be below 0, or not finite. */
  after(values: readonly number[], horizon: number): readonly number[];
}

/** Each step is what it was a season before; every other method is measured by it. */
export function seasonalNaive(season: number): ForecastMethod {
  return {
    name: "seasonal-naive",
    fit: () => ({
      parameters: {},
      after: (values, horizon) =>
        Array.from({ length: horizon }, (_, step) => values[values.length - season + (step % season)] ?? 0),
    }),
  };
}

/** Those that may beat the baseline: nine kinds of smoothing, and for intermittent series three of their own. */
export function challengers(season: number): readonly ForecastMethod[] {
  const seasonals = season > 1 ? (["none", "additive", "multiplicative"] as const) : (["none"] as const);
  const trends = ["none", "additive", "damped"] as const;
  return [
    ...seasonals.flatMap((seasonal) => trends.map((trend) => holtWinters({ trend, seasonal, season }))),
    intermittent("croston", croston),
    intermittent("sba", syntetosBoylan),
    intermittent("tsb", teunterSyntetosBabai),
  ];
}

const unit = { least: 0.001, most: 0.999 };
/** Hyndman and Athanasopoulos: less has no effect, more cannot be told from a trend that is not damped. */
const dampings = { least: 0.8, most: 0.98 };

function holtWinters(shape: HoltWinters): ForecastMethod {
  const hasTrend = shape.trend !== "none";
  const hasSeason = shape.seasonal !== "none";
  const bounds = [
    unit,
    ...(hasTrend ? [unit] : []),
    ...(hasSeason ? [unit] : []),
    ...(shape.trend === "damped" ? [dampings] : []),
  ];
  const smoothingOf = (point: readonly number[]): Smoothing => {
    const rest = [...point];
    const next = (): number => rest.shift() ?? 0;
    return {
      level: next(),
      trend: hasTrend ? next() : 0,
      seasonal: hasSeason ? next() : 0,
      damping: shape.trend === "damped" ? next() : 1,
    };
  };
  const startAt = (level: number, seasonal: number): readonly number[] => [
    level,
    ...(hasTrend ? [0.02] : []),
    ...(hasSeason ? [seasonal] : []),
    ...(shape.trend === "damped" ? [0.95] : []),
  ];
  const space = { bounds, starts: [startAt(0.1, 0.1), startAt(0.5, 0.1), startAt(0.9, 0.5)] };
  return {
    name: nameOf(shape),
    fit(values) {
      if (shape.seasonal === "multiplicative" && values.some((value) => value <= 0)) return undefined;
      const start = startingState(values, shape);
      const point = leastLoss(space, (at) => smooth(values, shape, smoothingOf(at), start).squaredError);
      if (point === undefined) return undefined;
      const smoothing = smoothingOf(point);
      return {
        parameters: { ...shown(smoothing, shape) },
        after: (seen, horizon) =>
          project(shape, smoothing, smooth(seen, shape, smoothing, startingState(seen, shape)), horizon),
      };
    },
  };
}

function nameOf({ trend, seasonal }: HoltWinters): string {
  const parts = [
    trend === "none" ? "" : trend === "damped" ? "damped trend" : "trend",
    seasonal === "none" ? "" : `${seasonal} season`,
  ].filter(Boolean);
  if (parts.length === 0) return "exponential-smoothing";
  return `${seasonal === "none" ? "holt" : "holt-winters"} (${parts.join(", ")})`;
}

function shown({ level, trend, seasonal, damping }: Smoothing, shape: HoltWinters): Record<string, number> {
  return {
    level,
    ...(shape.trend === "none" ? {} : { trend }),
    ...(shape.seasonal === "none" ? {} : { seasonal }),
    ...(shape.trend === "damped" ? { damping } : {}),
  };
}

/** Beyond, a few demands would decide all. */
const gentle = { least: 0.02, most: 0.5 };
const gentleSpace: SearchSpace = { bounds: [gentle, gentle], starts: [[0.1, 0.1]] };

/** Their forecast is one rate, for all steps; parameters are those with the least squared error one step ahead. */
function intermittent(name: string, ratesOf: Rates): ForecastMethod {
  return {
    name,
    fit(values) {
      if (!isIntermittent(values)) return undefined;
      const point = leastLoss(gentleSpace, ([demand = 0, occurrence = 0]) => {
        const rates = ratesOf(values, { demand, occurrence });
        return values.slice(1).reduce((sum, value, at) => sum + (value - (rates[at] ?? 0)) ** 2, 0);
      });
      if (point === undefined) return undefined;
      const [demand = 0, occurrence = 0] = point;
      return {
        parameters: { demand, occurrence },
        after: (seen, horizon) =>
          Array<number>(horizon).fill(ratesOf(seen, { demand, occurrence }).at(-1) ?? 0),
      };
    },
  };
}
