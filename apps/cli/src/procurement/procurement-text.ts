import type { Band, FixedWayName, Mix, ProcurementAnswer, ProcurementCosts } from "@portolan/capacity";
import { fixedWayNames, priceMix, procure } from "@portolan/capacity";
import { formatMoney, type Money } from "@portolan/kernel";
import { toCents } from "@portolan/planner/policy";
import { priceLines } from "../ownership/card-prices.ts";
import type { AskedProcurement } from "./procurement-question.ts";

/** The mix that is cheapest at expected prices, what it costs at low and high ones, and the mixes that would be cheapest there. */
export interface Procurement {
  readonly answer: ProcurementAnswer;
  readonly costs: Readonly<Record<"low" | "expected" | "high", ProcurementCosts>>;
  readonly mixes: Readonly<Record<"low" | "expected" | "high", Mix>>;
}

export function procurementOf({ low, expected, high }: AskedProcurement["questions"]): Procurement {
  const answer = procure(expected);
  return {
    answer,
    costs: { low: priceMix(low, answer.mix), expected: answer.costs, high: priceMix(high, answer.mix) },
    mixes: { low: procure(low).mix, expected: answer.mix, high: procure(high).mix },
  };
}

export const wayWords: Readonly<Record<FixedWayName | "by_the_hour", string>> = {
  own: "owned",
  reserved_1y: "reserved for a year",
  reserved_3y: "reserved for three years",
  by_the_hour: "rented by the hour",
};

export function procurementJson(
  { horizonMonths, monthlyGrowth, questions, prices, leftOut }: AskedProcurement,
  of: Procurement,
) {
  const { onDemandHour, spotHour, ways, ownOnce, ownedTogether = 1 } = questions.expected;
  const { peak, loadFactor, bands, alone, breakEven } = of.answer;
  return {
    horizonMonths,
    monthlyGrowth,
    serverCards: ownedTogether,
    peak,
    loadFactor,
    prices: {
      ...prices,
      onDemandHour: formatMoney(onDemandHour),
      spotHourOfWork: spotHour ? formatMoney(spotHour) : null,
      ownOnce: formatMoney(ownOnce),
      ways: ways.map(({ name, fixed, runningHour }) => ({
        name,
        fixed: formatMoney(fixed),
        runningHour: formatMoney(runningHour),
      })),
      leftOut,
    },
    mix: of.mixes.expected,
    mixes: of.mixes,
    bands,
    costs: {
      low: costsJson(of.costs.low),
      expected: costsJson(of.costs.expected),
      high: costsJson(of.costs.high),
    },
    alone: alone.map(({ way, costs }) => ({ way, ...costsJson(costs) })),
    // JSON has no infinity.
    breakEven: breakEven.map(({ way, onDemand, spot }) => ({
      way,
      onDemand: onDemand > 1 ? null : onDemand,
      spot: spot === undefined || spot > 1 ? null : spot,
    })),
  };
}

function costsJson({ byWay, onDemand, spot, total, onDemandHours, spotHours }: ProcurementCosts) {
  const { own, reserved_1y, reserved_3y } = byWay;
  return {
    own: formatMoney(own),
    reserved_1y: formatMoney(reserved_1y),
    reserved_3y: formatMoney(reserved_3y),
    onDemand: formatMoney(onDemand),
    spot: formatMoney(spot),
    total: formatMoney(total),
    onDemandHours,
    spotHours,
  };
}

const mostBands = 12;

export function procurementText(
  { horizonMonths, monthlyGrowth, questions, prices, leftOut }: AskedProcurement,
  of: Procurement,
): string {
  const { answer, costs, mixes } = of;
  const { bands, peak, loadFactor, alone, breakEven } = answer;
  const heading = `${`${horizonMonths} months`.padEnd(34)}${columns("low", "expected", "high")}`;
  const line = (name: string, pick: (of: ProcurementCosts) => Money): string =>
    `${name.padEnd(34)}${columns(...(["low", "expected", "high"] as const).map((which) => toCents(formatMoney(pick(costs[which])))))}`;
  const held = fixedWayNames.filter((name) => mixes.expected[name] > 0);
  return [
    `${peak} cards at the most, ${percent(loadFactor)} of them on average. Cheapest at expected prices: ${mixText(mixes.expected, peak)}.`,
    ...(monthlyGrowth === 0
      ? []
      : [
          `the load changes by ${percent(monthlyGrowth)} a month; what is bound is bound from the first month on`,
        ]),
    ...serverLines(mixes.expected, peak, questions.expected.ownedTogether),
    ...priceLines(prices),
    ...leftOut.map(({ way, why }) => `without ${way.replace("_", " ")}: ${why}`),
    "",
    ...bands.slice(0, mostBands).map(bandText),
    ...(bands.length > mostBands ? [`  … ${bands.length - mostBands} more (--json has all)`] : []),
    "",
    heading,
    ...held.map((name) => line(`${mixes.expected[name]} ${wayWords[name]}`, ({ byWay }) => byWay[name])),
    line(`${costs.expected.onDemandHours.toFixed(0)} hours on demand`, ({ onDemand }) => onDemand),
    ...(questions.expected.spotHour
      ? [line(`${costs.expected.spotHours.toFixed(0)} hours of work on spot machines`, ({ spot }) => spot)]
      : []),
    line("together", ({ total }) => total),
    "",
    ...alone.map(
      ({ way, costs: other }) =>
        `  all of it ${wayWords[way].padEnd(26)}${toCents(formatMoney(other.total)).padStart(20)}, expected`,
    ),
    "",
    ...breakEven.map(
      ({ way, onDemand, spot }) =>
        `  ${wayWords[way]}: cheaper than on demand ${share(onDemand)}${spot === undefined ? "" : `, than spot machines ${share(spot)}`}`,
    ),
    "",
    `Cheapest at low prices: ${mixText(mixes.low, peak)}; at high ones: ${mixText(mixes.high, peak)}.`,
  ].join("\n");
}

/** In how many servers the owned cards are, and what of them nobody ever wants. */
function serverLines({ own }: Mix, peak: number, cards = 1): string[] {
  if (cards === 1 || own === 0) return [];
  const spare = Math.max(0, own - peak);
  return [
    `owned cards come in ${own / cards} servers of ${cards}${spare === 0 ? "" : `; ${spare} of them are never wanted`}`,
  ];
}

function mixText(mix: Mix, peak: number): string {
  const parts = fixedWayNames.filter((name) => mix[name] > 0).map((name) => `${mix[name]} ${wayWords[name]}`);
  const rest = peak - fixedWayNames.reduce((sum, name) => sum + mix[name], 0);
  return [...parts, ...(rest > 0 ? [`up to ${rest} rented by the hour`] : [])].join(", ") || "nothing";
}

function bandText({ from, to, way, use }: Band): string {
  const cards = from === to ? `card ${from}` : `cards ${from} to ${to}`;
  const wanted =
    use.first === use.last ? percent(use.first) : `${percent(use.first)} down to ${percent(use.last)}`;
  return `  ${cards}: ${wayWords[way]}, wanted ${wanted} of the time`;
}

function share(of: number): string {
  return of > 1 ? "never" : `from ${percent(of)} of the time on`;
}

function percent(of: number): string {
  return `${(100 * of).toFixed(1)} %`;
}

function columns(...texts: readonly string[]): string {
  return texts.map((text) => text.padStart(20)).join("");
}
