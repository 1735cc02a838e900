/** Exponential smoothing after Holt and Winters: what it follows, and how its season joins the level. */
export interface HoltWinters {
  readonly trend: "none" | "additive" | "damped";
  readonly seasonal: "none" | "additive" | "multiplicative";
  /** Steps of one season; not looked at without one. */
  readonly season: number;
}

/** Of each, how much of the newest error is taken over, 0 to 1. */
export interface Smoothing {
  readonly level: number;
  readonly trend: number;
  readonly seasonal: number;
  /** What is left of the trend with every step, where it is damped. */
  readonly damping: number;
}

/** Before the first value. */
export interface StartingState {
  readonly level: number;
  readonly trend: number;
  /** One for each step of the season, that of the first value first; empty without one. */
  readonly seasonal: readonly number[];
}

/** After the last value. */
export interface SmoothedSeries extends StartingState {
  /** Sum of the squared errors of forecasts one step ahead. */
  readonly squaredError: number;
}

/**
 * Runs the recursions over a series: those of Hyndman and others (2008), which statsmodels' `ExponentialSmoothing` has, too. Where a multiplicative season
 * meets a level of nothing, what comes out is not finite. Pure.
 */
export function smooth(
  values: readonly number[],
  shape: HoltWinters,
  smoothing: Smoothing,
  start: StartingState,
): SmoothedSeries {
  const { seasonal: kind } = shape;
  const damping = dampingOf(shape, smoothing);
  const seasonal = [...start.seasonal];
  let { level, trend } = start;
  let squaredError = 0;
  let place = 0;
  for (const value of values) {
    const expected = level + damping * trend;
    const part = seasonal[place] ?? 0;
    const error = value - withSeason(kind, expected, part);
    squaredError += error * error;
    const next = smoothing.level * withoutSeason(kind, value, part) + (1 - smoothing.level) * expected;
    if (shape.trend !== "none")
      trend = smoothing.trend * (next - level) + (1 - smoothing.trend) * damping * trend;
    level = next;
    if (kind === "none") continue;
    seasonal[place] = smoothing.seasonal * ofSeason(kind, value, expected) + (1 - smoothing.seasonal) * part;
    place = place + 1 === seasonal.length ? 0 : place + 1;
  }
  return {
    level,
    trend,
    seasonal: [...seasonal.slice(place), ...seasonal.slice(0, place)],
    squaredError,
  };
}

/** What comes next, as far as asked for. Pure. */
export function project(
  shape: HoltWinters,
  smoothing: Smoothing,
  { level, trend, seasonal }: StartingState,
  horizon: number,
): number[] {
  const damping = dampingOf(shape, smoothing);
  let rise = 0;
  let factor = 1;
  return Array.from({ length: horizon }, (_, step) => {
    factor *= damping;
    rise += factor * trend;
    return withSeason(shape.seasonal, level + rise, seasonal[step % Math.max(1, seasonal.length)] ?? 0);
  });
}

/** Seasons of the start that the first state is taken from. */
const seasonsOfStart = 4;

/**
 * The state before the first value: the line through the means of the first seasons (four at most), and by how much each step of a season is off it on
 * average. Without a season the first value, and the mean rise of the first ten. Pure.
 *
 * @param values two whole seasons at least
 */
export function startingState(values: readonly number[], shape: HoltWinters): StartingState {
  const { season, seasonal, trend } = shape;
  if (seasonal === "none") {
    const last = Math.min(values.length, 10) - 1;
    const rise = trend === "none" || last < 1 ? 0 : ((values[last] ?? 0) - (values[0] ?? 0)) / last;
    return { level: (values[0] ?? 0) - rise, trend: rise, seasonal: [] };
  }
  const seasons = Math.min(seasonsOfStart, Math.floor(values.length / season));
  const means = Array.from({ length: seasons }, (_, index) =>
    mean(values.slice(index * season, (index + 1) * season)),
  );
  const rise =
    trend === "none" || seasons < 2 ? 0 : ((means.at(-1) ?? 0) - (means[0] ?? 0)) / ((seasons - 1) * season);
  const middle = mean(means) - rise * ((seasons * season - 1) / 2);
  const off = Array.from({ length: season }, (_, place) =>
    mean(
      Array.from({ length: seasons }, (_unused, index) => {
        const at = index * season + place;
        return ofSeason(seasonal, values[at] ?? 0, middle + rise * at);
      }),
    ),
  );
  const usual = mean(off);
  return {
    level: middle - rise,
    trend: rise,
    seasonal: off.map((one) => (seasonal === "additive" ? one - usual : one / usual)),
  };
}

function dampingOf({ trend }: HoltWinters, { damping }: Smoothing): number {
  return trend === "damped" ? damping : trend === "additive" ? 1 : 0;
}

function withSeason(kind: HoltWinters["seasonal"], level: number, part: number): number {
  return kind === "multiplicative" ? level * part : kind === "additive" ? level + part : level;
}

function withoutSeason(kind: HoltWinters["seasonal"], value: number, part: number): number {
  return kind === "multiplicative" ? value / part : kind === "additive" ? value - part : value;
}

function ofSeason(kind: "additive" | "multiplicative", value: number, level: number): number {
  return kind === "multiplicative" ? value / level : value - level;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
