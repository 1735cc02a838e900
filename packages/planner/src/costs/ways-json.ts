import { formatMoney } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { type Cost, mapRange } from "../range.ts";
import type { WaysToPay } from "./ways-to-pay.ts";

const MoneyRange = Type.Object({ low: Type.String(), expected: Type.String(), high: Type.String() });
const NumberRange = Type.Object({ low: Type.Number(), expected: Type.Number(), high: Type.Number() });
const Months = Type.Union([Type.String(), Type.Null()]);

/** Ways to pay, side by side; money is exact text. */
export const WaysDocument = Type.Object({
  ways: Type.Array(
    Type.Object({
      name: Type.String(),
      title: Type.String(),
      planned: Type.Boolean(),
      excludedBy: Type.Array(Type.String(), { description: "Lines of the charter that rule it out" }),
      why: Type.String(),
      infrastructure: Type.Optional(MoneyRange),
      total: Type.Optional(MoneyRange),
      upfront: Type.Optional(MoneyRange),
      lines: Type.Optional(
        Type.Array(
          Type.Object({
            category: Type.String(),
            what: Type.String(),
            cost: MoneyRange,
            priceRecords: Type.Array(Type.String()),
          }),
        ),
      ),
    }),
  ),
  least: Type.Optional(Type.String()),
  purchases: Type.Array(
    Type.Object({
      what: Type.String(),
      cards: Type.Integer(),
      usedHours: NumberRange,
      upfront: MoneyRange,
      breakEvenMonths: Type.Object(
        { low: Months, expected: Months, high: Months },
        {
          description:
            "Beside renting on demand; null: not within their life. low is the best case for owning",
        },
      ),
      breakEvenUse: Type.Object(
        {
          low: Type.Union([Type.Number(), Type.Null()]),
          expected: Type.Union([Type.Number(), Type.Null()]),
          high: Type.Union([Type.Number(), Type.Null()]),
        },
        { description: "Share of all hours; null: at none" },
      ),
      priceRecords: Type.Array(Type.String()),
    }),
  ),
  spot: Type.Optional(
    Type.Object({ checkpointHours: NumberRange, paidPerHour: NumberRange, interruptedRuns: NumberRange }),
  ),
});
export type WaysDocument = Static<typeof WaysDocument>;

export function waysJson({ ways, least, purchases, spot }: WaysToPay): WaysDocument {
  return {
    ways: ways.map(({ name, title, planned, excludedBy, why, costs, upfront }) => ({
      name,
      title,
      planned,
      excludedBy: [...excludedBy],
      why,
      ...(costs
        ? {
            infrastructure: texts(costs.infrastructure),
            total: texts(costs.total),
            lines: costs.lines.map(({ category, what, cost, price }) => ({
              category,
              what,
              cost: texts(cost),
              priceRecords: [...(price?.records ?? [])],
            })),
          }
        : {}),
      ...(upfront ? { upfront: texts(upfront) } : {}),
    })),
    ...(least === undefined ? {} : { least }),
    purchases: purchases.map(
      ({ what, cards, usedHours, upfront, breakEvenMonths, breakEvenUse, records }) => ({
        what,
        cards,
        usedHours: { ...usedHours },
        upfront: texts(upfront),
        breakEvenMonths: mapRange(breakEvenMonths, monthsText),
        breakEvenUse: mapRange(breakEvenUse, (share) =>
          Number.isFinite(share) && share <= 1 ? share : null,
        ),
        priceRecords: [...records],
      }),
    ),
    ...(spot
      ? {
          spot: {
            checkpointHours: { ...spot.checkpointHours },
            paidPerHour: { ...spot.paidPerHour },
            interruptedRuns: { ...spot.interruptedRuns },
          },
        }
      : {}),
  };
}

function monthsText(hundredths: bigint | undefined): string | null {
  return hundredths === undefined
    ? null
    : `${hundredths / 100n}.${String(hundredths % 100n).padStart(2, "0")}`;
}

function texts(cost: Cost) {
  return mapRange(cost, formatMoney);
}
