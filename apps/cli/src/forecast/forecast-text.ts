import { durationText, type Forecast, type Scores, type Series } from "@portolan/capacity";
import { asEpochMicros, formatInstant } from "@portolan/kernel";
import { table } from "../output.ts";
import { shortNumber } from "./forecast-picture.ts";

/** What is forecast of, in words, and in which unit where it is known. */
export interface Subject {
  readonly of: string;
  readonly unit: string;
  readonly season: number;
  readonly level: number;
}

/** Of more steps only the first are shown. */
const mostRows = 24;

export function forecastJson(series: Series, subject: Subject, { steps, ...forecast }: Forecast): object {
  const times = timesOf(series, steps.length);
  return {
    ...subject,
    step: durationText(series.stepMicros),
    past: series.values.length,
    ...forecast,
    steps: steps.map((step, index) => ({ time: times[index], ...step })),
  };
}

export function forecastText(series: Series, subject: Subject, forecast: Forecast): string {
  const { steps, total, parameters, used } = forecast;
  const level = percent(subject.level);
  const times = timesOf(series, steps.length);
  const shown = Object.entries(parameters).map(([name, value]) => `${name} ${value.toFixed(3)}`);
  const rows = steps
    .slice(0, mostRows)
    .map(({ expected, low, high }, index) => [
      times[index] ?? "",
      shortNumber(expected),
      shortNumber(low),
      shortNumber(high),
    ]);
  const unit = subject.unit === "" ? "" : ` ${subject.unit}`;
  const ends =
    total.low === null || total.high === null
      ? ""
      : `, ${level}: ${shortNumber(total.low)} to ${shortNumber(total.high)}`;
  return [
    `${subject.of}: the ${steps.length} steps of ${durationText(series.stepMicros)} after ${series.values.length}, season ${subject.season}`,
    ...(used < series.values.length ? [`only the last ${used} values were looked at`] : []),
    `by ${forecast.method}${shown.length === 0 ? "" : ` (${shown.join(", ")})`}`,
    "",
    verdictText(forecast),
    scoresText(forecast, level),
    ...shortfallText(forecast, subject.level),
    "",
    `in all ${shortNumber(total.expected)}${unit}${ends}`,
    "",
    table(["time", "expected", "low", "high"], rows),
    ...(steps.length > mostRows ? [`… ${steps.length - mostRows} more with --json`] : []),
  ].join("\n");
}

function verdictText({ beatsBaseline, judged, origins, tried }: Forecast): string {
  if (beatsBaseline)
    return `Better than the baseline at the ${origins.judging} later origins, which had no part in the choice.`;
  const best = judged.challenger;
  if (best === null) return "No other method can be used on this series: this is the baseline.";
  return tried[0]?.method === "seasonal-naive"
    ? `No method was better than the baseline at the first ${origins.choosing} origins: this is the baseline.`
    : `${best.method} was the best at the first ${origins.choosing} origins, but no better than the baseline at the ${origins.judging} after them: this is the baseline.`;
}

function scoresText({ judged, isIntermittent, measure }: Forecast, level: string): string {
  const row = (name: string, { mase, pinball, coverage, bias }: Scores): string[] => [
    name,
    mase === null ? "-" : mase.toFixed(3),
    shortNumber(pinball),
    percent(coverage),
    bias === null ? "-" : `${bias >= 0 ? "+" : ""}${percent(bias)}`,
  ];
  return [
    table(
      ["at the later origins", "MASE", "pinball", `held of ${level}`, "bias"],
      [
        ...(judged.challenger === null ? [] : [row(judged.challenger.method, judged.challenger)]),
        row("seasonal-naive (baseline)", judged.baseline),
      ],
    ),
    isIntermittent
      ? "intermittent: fewer than three of four steps have a quantity, so methods are compared by pinball loss"
      : `methods are compared by ${measure === "mase" ? "MASE" : "pinball loss"}`,
  ].join("\n");
}

/** So much less than was said is more than chance. */
const shortfall = 0.1;

function shortfallText({ beatsBaseline, judged }: Forecast, level: number): string[] {
  const { coverage } = (beatsBaseline ? judged.challenger : undefined) ?? judged.baseline;
  return coverage >= level - shortfall
    ? []
    : [
        `The intervals held ${percent(coverage)} where ${percent(level)} was said: the past is short, or the series is not what it was. Do not rely on them.`,
      ];
}

function timesOf({ start, stepMicros, values }: Series, count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    formatInstant(asEpochMicros(start + (values.length + index) * stepMicros)),
  );
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(1))} %`;
}
