import { PortolanError } from "@portolan/kernel";
import type { CapacityErrorCode } from "../errors.ts";
import {
  fewestValues,
  intervalAround,
  type Margins,
  marginsOf,
  mostOrigins,
  originsFor,
  originsOf,
  quantitiesOf,
  type Scores,
  scoresOf,
  type Trial,
  trialsOf,
} from "./backtest.ts";
import { fewestErrors, type Interval } from "./conformal.ts";
import { challengers, type FittedMethod, type ForecastMethod, seasonalNaive } from "./forecast-methods.ts";
import { isIntermittent } from "./intermittent.ts";

export interface ForecastQuestion {
  /** One for each step of time, none below 0. */
  readonly values: readonly number[];
  /** Steps after which things come again; 1 where they do not. */
  readonly season: number;
  /** Steps to forecast. */
  readonly horizon: number;
  /** Of the intervals, 0.5 to 0.99. */
  readonly level: number;
}

export interface MethodScores {
  readonly method: string;
  readonly parameters: Readonly<Record<string, number>>;
  /** Over the origins by which one is chosen. */
  readonly chosenBy: Scores;
}

export interface Forecast {
  readonly method: string;
  readonly parameters: Readonly<Record<string, number>>;
  readonly steps: readonly ({ readonly expected: number } & Interval)[];
  /** Of all steps together; ends are `null` where there are too few origins. */
  readonly total: { readonly expected: number; readonly low: number | null; readonly high: number | null };
  readonly isIntermittent: boolean;
  /** What methods are chosen by. */
  readonly measure: "mase" | "pinball";
  readonly origins: { readonly choosing: number; readonly judging: number };
  /** All that could be tried, the best first. */
  readonly tried: readonly MethodScores[];
  /** Over the later origins, which had no part in the choice: of the baseline, and of the best of the others. */
  readonly judged: {
    readonly baseline: Scores;
    readonly challenger: ({ readonly method: string } & Scores) | null;
  };
  /** Whether the best of the others was better than the baseline there, too; else the baseline is the forecast. */
  readonly beatsBaseline: boolean;
  /** Values of the end that were looked at. */
  readonly used: number;
}

/** More of the past says little and takes long. */
const mostValues = 20_000;

interface Tested {
  readonly method: ForecastMethod;
  readonly fitted: FittedMethod;
  readonly choosing: readonly Trial[];
  readonly judging: readonly Trial[];
  readonly margins: Margins;
  readonly chosenBy: Scores;
}

/**
 * A forecast with intervals. Methods find their parameters before the first origin, are chosen by the first origins, and the best one is the forecast
 * only if it beats the seasonal naive forecast at the later ones, too. Pure: the same values give the same forecast.
 *
 * @throws PortolanError `capacity.series_not_valid` where there are too few values
 */
export function forecastSeries(question: ForecastQuestion): Forecast {
  const { season, horizon, level } = question;
  const values = question.values.slice(-mostValues);
  const fewest = requireEnough(values.length, question);
  const origins = originsOf(values.length, season, horizon, fewest);
  const known = values.slice(0, origins.all[0]);
  const test = (method: ForecastMethod): Tested[] => {
    const fitted = method.fit(known);
    const choosing = fitted && trialsOf(fitted, values, origins.choosing, question);
    const judging = fitted && trialsOf(fitted, values, origins.judging, question);
    const margins = choosing && marginsOf(choosing, season, level);
    if (!fitted || !choosing || !judging || !margins) return [];
    const chosenBy = scoresOf(choosing, margins, level);
    return [{ method, fitted, choosing, judging, margins, chosenBy }];
  };
  const [baseline] = test(seasonalNaive(season));
  if (!baseline) throw new Error("the baseline has a forecast wherever there are enough values");
  const intermittent = isIntermittent(values);
  const lossOf = ({ pinball, mase, meanAbsoluteError }: Scores) =>
    intermittent ? pinball : (mase ?? meanAbsoluteError);
  const ranked = challengers(season)
    .flatMap(test)
    .toSorted((a, b) => lossOf(a.chosenBy) - lossOf(b.chosenBy));
  const [best] = ranked;
  const judge = (one: Tested) => scoresOf(one.judging, one.margins, level);
  const judged = {
    baseline: judge(baseline),
    challenger: best ? { method: best.method.name, ...judge(best) } : null,
  };
  const beatsBaseline =
    best !== undefined &&
    judged.challenger !== null &&
    lossOf(best.chosenBy) < lossOf(baseline.chosenBy) &&
    lossOf(judged.challenger) < lossOf(judged.baseline);
  return {
    ...answerOf(question, values, beatsBaseline ? best : baseline),
    isIntermittent: intermittent,
    measure: intermittent ? "pinball" : "mase",
    origins: { choosing: origins.choosing.length, judging: origins.judging.length },
    tried: [baseline, ...ranked]
      .toSorted((a, b) => lossOf(a.chosenBy) - lossOf(b.chosenBy))
      .map(({ method, fitted, chosenBy }) => ({
        method: method.name,
        parameters: fitted.parameters,
        chosenBy,
      })),
    judged,
    beatsBaseline,
    used: values.length,
  };
}

/** The forecast itself: parameters found again with all values, margins of the errors of all origins. */
function answerOf(
  { season, horizon, level }: ForecastQuestion,
  values: readonly number[],
  { method, fitted: before, choosing, judging, margins: fewer }: Tested,
): Pick<Forecast, "method" | "parameters" | "steps" | "total"> {
  const again = method.fit(values);
  const found = again && quantitiesOf(again.after(values, horizon));
  const fitted = again && found ? again : before;
  const expected = found ?? quantitiesOf(before.after(values, horizon)) ?? [];
  const margins = marginsOf([...choosing, ...judging], season, level) ?? fewer;
  const sum = expected.reduce((total, value) => total + value, 0);
  const total = margins.total && intervalAround(sum, margins.total);
  return {
    method: method.name,
    parameters: fitted.parameters,
    steps: expected.map((value, lead) => ({
      expected: value,
      ...intervalAround(value, margins.of(lead)),
    })),
    total: { expected: sum, low: total?.low ?? null, high: total?.high ?? null },
  };
}

/** @returns how many origins there are at least */
function requireEnough(count: number, { season, horizon, level }: ForecastQuestion): number {
  const origins = originsFor(horizon, level);
  if (origins > mostOrigins)
    throw notValid(
      `with a horizon of ${horizon} there are never the ${fewestErrors(level)} errors that intervals of ${Number((100 * level).toPrecision(4))} % rest on`,
      "Ask for a lower --level, or a longer --horizon.",
    );
  const least = fewestValues(season, horizon, origins);
  if (least > mostValues)
    throw notValid(
      `a season of ${season} and a horizon of ${horizon} take more than the ${mostValues} values that are looked at`,
      "Forecast by longer steps, such as days, or less far.",
    );
  if (count < least)
    throw notValid(
      `${count} values are too few: a season of ${season} and a horizon of ${horizon} take ${least}`,
      `Two seasons, two horizons and ${origins - 2} more are needed, to choose by what came, and to judge by what came then. Bring more of the past, or forecast less far.`,
    );
  return origins;
}

function notValid(detail: string, mend: string): PortolanError<CapacityErrorCode> {
  return new PortolanError<CapacityErrorCode>("capacity.series_not_valid", { detail, mend });
}
