import type { StatementDocument } from "@portolan/metering";

type Line = StatementDocument["lines"][number];

/** A decimal with at most nine decimals as billionths. */
export function nanosOfText(text: string): bigint {
  const [whole = "0", fraction = ""] = text.replace("-", "").split(".");
  const nanos = BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
  return text.startsWith("-") ? -nanos : nanos;
}

/** Half away from zero: what is printed, and nothing is reckoned with it. */
export function cents(text: string): string {
  const nanos = nanosOfText(text);
  const rounded = ((nanos < 0n ? -nanos : nanos) + 5_000_000n) / 10_000_000n;
  const whole = (rounded / 100n).toString().replaceAll(/\B(?=(\d{3})+$)/g, ",");
  return `${nanos < 0n ? "-" : ""}${whole}.${(rounded % 100n).toString().padStart(2, "0")}`;
}

export function nameOf({ names }: Pick<Line, "names">): string {
  return names.filter(Boolean).join("/");
}

export function usedText(used: Readonly<Record<string, string>>): string {
  return Object.entries(used)
    .map(([line, quantity]) => `${readable(quantity)} ${line}`)
    .join(", ");
}

/** A part of a card, such as `3/7`, as it is; other fractions to six digits, for nobody reads `193499/24000000`. Exact in files. */
function readable(quantity: string): string {
  const [numerator = "", divisor] = quantity.split("/");
  if (divisor === undefined || divisor.length < 3) return quantity;
  return String(Number((Number(numerator) / Number(divisor)).toPrecision(6)));
}

const countedWords: Readonly<Record<string, string>> = {
  inferences: "inferences",
  scored_rows: "scored rows",
  training_runs: "training run",
};

/** `2.41 for 1000 inferences, 4,100.00 for 1 training run`; small ones to six digits. */
export function unitCostText({ unitCosts = [] }: Line): string {
  return unitCosts
    .map(
      ({ what, per, cost, of }) =>
        `${fine(cost)} for ${per} ${countedWords[what] ?? what}${of === "all" ? " (of all costs)" : ""}`,
    )
    .join(", ");
}

function fine(cost: string): string {
  return nanosOfText(cost) < 1_000_000_000n ? String(Number(Number(cost).toPrecision(6))) : cents(cost);
}

/** Beside the newest earlier month, such as `+12.5 %`; `new` where it owed nothing then. */
export function trendText({ trend = [], total }: Line): string {
  const last = trend.at(-1);
  if (last === undefined) return "";
  const [before, now] = [nanosOfText(last.total), nanosOfText(total)];
  if (before === 0n) return now === 0n ? "" : "new";
  const perMille = Number(((now - before) * 1000n) / (before < 0n ? -before : before));
  return `${perMille > 0 ? "+" : ""}${(perMille / 10).toFixed(1)} %`;
}

export function shareText(amount: string, total: string): string {
  const all = nanosOfText(total);
  return all === 0n ? "" : `${(Number((nanosOfText(amount) * 100_000n) / all) / 1000).toFixed(1)} %`;
}

export function planText(plan: NonNullable<StatementDocument["plans"]>[number]): string {
  const verdicts = {
    below: "below the plan",
    as_planned: "as planned",
    above: "above the plan",
    over_ceiling: "over the charter's ceiling",
  };
  const ceiling = plan.ceiling === undefined ? "" : `, at most ${cents(plan.ceiling)}`;
  return `${plan.useCase}: ${cents(plan.actual)}, planned ${cents(plan.expected)} (${cents(plan.low)} to ${cents(plan.high)}${ceiling}): ${verdicts[plan.verdict]}`;
}

/** What kind of statement it is, since or from when, and to whom, in words. */
export function modeText(document: StatementDocument): string {
  const { mode, month, chargebackFrom, notCharged = [], charged = [], currency } = document;
  const of = month === undefined ? "" : ` of ${month}`;
  if (mode === "showback")
    return `Showback${of}: shown, and charged to nobody${chargebackFrom === undefined ? "" : `; business units are charged from ${chargebackFrom} on`}.`;
  const since = chargebackFrom === undefined ? "" : `, as every month since ${chargebackFrom}`;
  const whom = charged.map(({ businessUnit, amount }) => `${businessUnit} ${currency} ${cents(amount)}`);
  const platform =
    notCharged.length === 0
      ? ""
      : ` Nothing to ${notCharged.join(", ")}, who run${notCharged.length === 1 ? "s" : ""} the platform: the others share what it costs.`;
  return `Chargeback${of}: charged to the business units${since}: ${whom.join(", ") || "none"}.${platform}`;
}
