import { compareMoney, type Money, subtractMoney } from "@portolan/kernel";
import type { Assumption, Measurements } from "../assumptions.ts";
import { assumptionOption, kindOf } from "../costs/assumption-catalogue.ts";
import type { CostQuestion } from "../costs/cost-line.ts";
import { priceOrWhy } from "../costs/price-or-why.ts";
import { productionCosts } from "../costs.ts";
import { type Cost, mapRange, type Range } from "../range.ts";
import { apartNotes } from "./apart-notes.ts";
import { type LeverKind, type LeverName, type LeverQuestion, leverKinds, withCase } from "./levers.ts";

/** One lever for itself. */
export type Lever = {
  readonly name: LeverName;
  readonly title: string;
  /** What is done, or why it cannot be. */
  readonly why: string;
  /** Names of the figures that it alone rests on. */
  readonly assumptions: readonly string[];
} & (
  | {
      readonly applies: true;
      /**
       * Infrastructure of a month less the same with the lever on: the least, the expected and the most over the cases of the plan and of the lever's own
       * figures. Below zero: it would cost more.
       */
      readonly saving: Cost;
    }
  | { readonly applies: false }
);

/** One lever after the other: what each saves of what those before it have left. */
export interface LeverStep {
  readonly name: LeverName;
  readonly title: string;
  readonly saving: Cost;
  readonly after: Cost;
}

export interface LeverPlan {
  readonly levers: readonly Lever[];
  /** Case by case `before` less all savings is `after`, exactly. Only levers that save are pulled, the greatest first. */
  readonly together: { readonly before: Cost; readonly steps: readonly LeverStep[]; readonly after: Cost };
}

/** What each lever saves, by planning again with it on. Pure. */
export function planLevers(question: CostQuestion, measured: Measurements): LeverPlan {
  const asked: LeverQuestion = { question, measured };
  const before = productionCosts(question).infrastructure;
  return {
    levers: leverKinds.map((kind) => leverAlone(kind, asked, before)),
    together: leversTogether(asked, before),
  };
}

function leverAlone(kind: LeverKind, asked: LeverQuestion, before: Cost): Lever {
  const { name, title, assumptions: keys } = kind;
  const told = { name, title, assumptions: keys.map(assumptionOption) };
  const pulled = kind.pull(asked);
  const notes = apartNotes(name, asked);
  if (pulled.kind === "off") return { ...told, applies: false, why: `${pulled.why}${notes}` };
  const priced = infrastructureOf(pulled.asked);
  if ("why" in priced) return { ...told, applies: false, why: `${priced.why}${notes}` };
  const savings = (["worst", "expected", "best"] as const).map((which) =>
    savingOf(kind, asked, before, which),
  );
  const [worst = zeroOf(before), expected = worst, best = worst] = savings;
  const all = [worst, expected, best].flatMap(({ low, expected: middle, high }) => [low, middle, high]);
  if (all.every(({ nanos }) => nanos === 0n))
    return { ...told, applies: false, why: `${pulled.how}: it changes no line of the plan${notes}` };
  const sorted = all.toSorted(compareMoney);
  const saving = {
    low: sorted[0] ?? expected.low,
    expected: expected.expected,
    high: sorted.at(-1) ?? expected.high,
  };
  return { ...told, applies: true, why: `${pulled.how}${notes}`, saving };
}

/** Before less after, case by case of the plan, with the lever's figures at one end. */
function savingOf(
  kind: LeverKind,
  { question, measured }: LeverQuestion,
  before: Cost,
  which: "worst" | "expected" | "best",
): Cost {
  const assumptions = withCase(question.assumptions, kind.assumptions, (one) => at(one, which));
  const pulled = kind.pull({ question: { ...question, assumptions }, measured });
  if (pulled.kind === "off") return zeroOf(before);
  const priced = infrastructureOf(pulled.asked);
  return "why" in priced ? zeroOf(before) : differenceOf(before, priced.cost);
}

/** A lever may ask for another card, which the book need not have. */
function infrastructureOf({ question }: LeverQuestion): { readonly cost: Cost } | { readonly why: string } {
  return priceOrWhy(() => ({ cost: productionCosts(question).infrastructure }));
}

function at({ key, value }: Assumption, which: "worst" | "expected" | "best"): number {
  if (which === "expected") return value.expected;
  const isHigh = (which === "best") === (kindOf(key).moreIsCheaper === true);
  return isHigh ? value.high : value.low;
}

/** The lever that saves the most as expected, then the one that saves the most of what is left, while one saves. */
function leversTogether(asked: LeverQuestion, before: Cost): LeverPlan["together"] {
  const steps: LeverStep[] = [];
  let [current, left] = [asked, before];
  let kinds = leverKinds;
  for (;;) {
    const [best] = kinds
      .flatMap((kind) => {
        const pulled = kind.pull(current);
        if (pulled.kind === "off") return [];
        const priced = infrastructureOf(pulled.asked);
        if ("why" in priced) return [];
        return [{ kind, after: priced.cost, asked: pulled.asked, saving: differenceOf(left, priced.cost) }];
      })
      .toSorted((a, b) => compareMoney(b.saving.expected, a.saving.expected));
    if (!best || best.saving.expected.nanos <= 0n) return { before, steps, after: left };
    const { name, title } = best.kind;
    steps.push({ name, title, saving: best.saving, after: best.after });
    [current, left] = [best.asked, best.after];
    kinds = kinds.filter((kind) => kind !== best.kind);
  }
}

function differenceOf(a: Cost, b: Cost): Cost {
  return mapRange(a, (amount, which) => subtractMoney(amount, b[which]));
}

function zeroOf(cost: Cost): Range<Money> {
  return mapRange(cost, ({ currency }) => ({ nanos: 0n, currency }));
}
