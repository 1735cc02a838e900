import { shownMoney } from "../shown-money.ts";
import type { WaysDocument } from "./ways-json.ts";

/** Ways to pay, for a terminal. */
export function wayLines({ ways, least, purchases, spot }: WaysDocument): string[] {
  const columns = (texts: readonly string[]) => texts.map((text) => text.padStart(16)).join("");
  return [
    `${"ways to pay: infrastructure of a month".padEnd(48)}${columns(["low", "expected", "high"])}`,
    ...ways.flatMap(({ name, title, planned, infrastructure, upfront, why, excludedBy }) => {
      const marks = [...(planned ? ["as planned"] : []), ...(name === least ? ["least"] : [])];
      const head = `  ${title}`;
      const { low, expected, high } = infrastructure ?? {};
      const cells = [low, expected, high].map((text) => (text === undefined ? "-" : shownMoney(text)));
      return [
        infrastructure ? `${head.padEnd(48)}${columns(cells)}` : `${head}: no price`,
        `      ${[...marks, why].join("; ")}${upfront ? `; ${shownMoney(upfront.expected)} at once` : ""}`,
        ...(excludedBy.length === 0 ? [] : [`      the charter excludes it: ${excludedBy.join("; ")}`]),
      ];
    }),
    ...purchaseLines(purchases),
    ...(spot ? [spotLine(spot)] : []),
    "",
  ];
}

/** Break-even of each group of cards, in words. */
export function purchaseLines(purchases: WaysDocument["purchases"]): string[] {
  const until = (months: string | null) => months ?? "never";
  const share = (use: number | null) => (use === null ? "never" : `${(100 * use).toFixed(0)} %`);
  return purchases.map(
    ({ what, cards, upfront, breakEvenMonths: months, breakEvenUse: use }) =>
      `${cards} cards for ${what}, bought for ${shownMoney(upfront.expected)}, have paid for themselves after ${until(months.low)} / ${until(months.expected)} / ${until(months.high)} months beside renting on demand (best, expected, worst), and do so from a use of ${share(use.low)} / ${share(use.expected)} / ${share(use.high)} of all hours.`,
  );
}

export function spotLine({
  checkpointHours,
  paidPerHour,
  interruptedRuns,
}: NonNullable<WaysDocument["spot"]>): string {
  const range = ({ low, expected, high }: typeof paidPerHour, digits: number, times = 1) =>
    [low, expected, high].map((value) => (times * value).toFixed(digits)).join(" / ");
  return `On spot machines: a checkpoint every ${range(checkpointHours, 1)} hours, ${range(paidPerHour, 3)} hours paid for one of work; ${range(interruptedRuns, 0, 100)} % of runs are interrupted.`;
}
