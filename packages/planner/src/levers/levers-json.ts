import { formatMoney } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { type Cost, mapRange } from "../range.ts";
import type { LeverPlan } from "./lever-plan.ts";

const MoneyRange = Type.Object({ low: Type.String(), expected: Type.String(), high: Type.String() });

/** What each lever saves of a month's infrastructure; money is exact text. */
export const LeversDocument = Type.Object({
  levers: Type.Array(
    Type.Object({
      name: Type.String(),
      title: Type.String(),
      applies: Type.Boolean(),
      why: Type.String({ description: "What is done, or why it does not apply" }),
      assumptions: Type.Array(Type.String(), { description: "Keys of the figures that it alone rests on" }),
      saving: Type.Optional(MoneyRange),
    }),
  ),
  together: Type.Object(
    {
      before: MoneyRange,
      steps: Type.Array(
        Type.Object({ name: Type.String(), title: Type.String(), saving: MoneyRange, after: MoneyRange }),
      ),
      after: MoneyRange,
    },
    { description: "One lever after the other, the greatest saving first: before less all of them is after" },
  ),
});
export type LeversDocument = Static<typeof LeversDocument>;

export function leversJson({ levers, together }: LeverPlan): LeversDocument {
  return {
    levers: levers.map((lever) => ({
      name: lever.name,
      title: lever.title,
      applies: lever.applies,
      why: lever.why,
      assumptions: [...lever.assumptions],
      ...(lever.applies ? { saving: texts(lever.saving) } : {}),
    })),
    together: {
      before: texts(together.before),
      steps: together.steps.map(({ name, title, saving, after }) => ({
        name,
        title,
        saving: texts(saving),
        after: texts(after),
      })),
      after: texts(together.after),
    },
  };
}

function texts(cost: Cost) {
  return mapRange(cost, formatMoney);
}
