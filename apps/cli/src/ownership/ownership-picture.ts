import type { OwnershipAnswer, OwnershipQuestion } from "@portolan/planner/contract";
import { colours, edge, picture, scales, text, width } from "../picture.ts";

/** What each way has cost after so many months, expected: where the lines of owning and renting meet, the purchase has paid for itself. */
export function ownershipPicture(
  { lifeMonths, currency }: OwnershipQuestion,
  { ways }: OwnershipAnswer,
): string {
  const amount = ({ nanos }: { readonly nanos: bigint }): number => Number(nanos) / 1e9;
  const ends = ways.map(({ overLife }) => amount(overLife.expected));
  const axes = {
    title: `Cost over ${lifeMonths} months, expected`,
    across: `months, 0 to ${lifeMonths}`,
    up: currency,
    mostX: lifeMonths,
    mostY: Math.max(1, ...ends),
  };
  const { x, y } = scales(axes);
  // Ends of lines lie close together: their names are spread, from the dearest down.
  const order = ways.toSorted((a, b) => amount(b.overLife.expected) - amount(a.overLife.expected));
  const drawn = ways.flatMap(({ name, upfront, overLife }, index) => {
    const colour = colours[index % colours.length] ?? "#000000";
    const place = order.findIndex((way) => way.name === name);
    const from = `x1="${x(0)}" y1="${y(amount(upfront.expected)).toFixed(1)}"`;
    const to = `x2="${x(lifeMonths).toFixed(1)}" y2="${y(amount(overLife.expected)).toFixed(1)}"`;
    return [
      `<line ${from} ${to} stroke="${colour}" stroke-width="2"/>`,
      text(
        width - edge.right + 8,
        edge.top + 16 + 20 * place,
        `${name.replace("_", " ")} ${short(amount(overLife.expected))}`,
        `fill="${colour}"`,
      ),
    ];
  });
  return picture(axes, drawn, short);
}

function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  return value >= 1e4 ? `${(value / 1e3).toFixed(0)} k` : value.toFixed(0);
}
