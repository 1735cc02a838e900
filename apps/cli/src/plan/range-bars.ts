import { barPicture } from "./bar-picture.ts";
import { grouped, nanos, type Texts } from "./page-parts.ts";

export interface Bar {
  readonly name: string;
  readonly cost: Texts;
}

/** A line from low to high with the expected case as a bar: the axis begins at 0 and ends at the greatest high case. */
export function rangeBars(bars: readonly Bar[], title: string): string {
  if (bars.length === 0) return "";
  const most = bars.reduce((top, { cost }) => (nanos(cost.high) > top ? nanos(cost.high) : top), 1n);
  const share = (text: string): number => Number((nanos(text) * 100_000n) / most) / 100_000;
  return barPicture(
    title,
    bars.map(({ name, cost }) => ({
      name: name.slice(0, 30),
      figure: grouped(cost.expected),
      words: `${name}: ${grouped(cost.expected)}, ${grouped(cost.low)} to ${grouped(cost.high)}`,
      from: 0,
      to: share(cost.expected),
      fill: "#1d4ed8",
      line: { from: share(cost.low), to: share(cost.high) },
    })),
  );
}
