import { durationText, type Forecast, type Series } from "@portolan/capacity";
import { colours, edge, picture, scales, text, width } from "../picture.ts";

/** Of the past, so many horizons are drawn. */
const pastHorizons = 3;

/** The end of the past, what is expected next, and between what it will be. */
export function forecastPicture({ values, stepMicros }: Series, { method, steps }: Forecast): string {
  const past = values.slice(-pastHorizons * steps.length);
  const mostX = past.length + steps.length - 1;
  const axes = {
    title: `What was, and the next ${steps.length} steps by ${method}`,
    across: `steps of ${durationText(stepMicros)}`,
    up: "quantity",
    mostX,
    mostY: Math.max(1e-9, ...past, ...steps.map(({ expected, high }) => Math.max(expected, high))),
  };
  const { x, y } = scales(axes);
  const points = (of: readonly number[], from: number): string =>
    of.map((value, at) => `${x(from + at).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const lows = steps.map(({ low }) => low);
  const band = [
    points(
      steps.map(({ high }) => high),
      past.length,
    ),
    points(lows, past.length).split(" ").toReversed().join(" "),
  ].join(" ");
  const [grey = "", , blue = ""] = colours;
  const label = (row: number, words: string, colour: string): string =>
    text(width - edge.right + 8, edge.top + 16 + 20 * row, words, `fill="${colour}"`);
  const drawn = [
    `<polygon points="${band}" fill="${blue}" fill-opacity="0.18"/>`,
    `<polyline points="${points(past, 0)}" fill="none" stroke="${grey}" stroke-width="1.5"/>`,
    `<polyline points="${points(
      steps.map(({ expected }) => expected),
      past.length,
    )}" fill="none" stroke="${blue}" stroke-width="2"/>`,
    label(0, "what was", grey),
    label(1, "expected", blue),
    label(2, "interval", blue),
  ];
  return picture(axes, drawn, shortNumber);
}

/** Four digits at most, without an exponent where people can read it. */
export function shortNumber(value: number): string {
  if (value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e7)) return value.toExponential(2);
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
}
