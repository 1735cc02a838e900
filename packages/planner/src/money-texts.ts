import { formatMoney, type Money, money } from "@portolan/kernel";
import { type Cost, mapRange, type Range } from "./range.ts";

/** A range of money as plans state it: exact text with its currency. */
export type MoneyTexts = Range<string>;

/** `-12.5 USD` as money, below zero too. */
export function moneyOf(text: string): Money {
  const [amount = "", currency = ""] = text.split(" ");
  if (!amount.startsWith("-")) return money(amount, currency);
  const { nanos } = money(amount.slice(1), currency);
  return { nanos: -nanos, currency };
}

export function costOfTexts(texts: MoneyTexts): Cost {
  return mapRange(texts, moneyOf);
}

export function textsOfCost(cost: Cost): MoneyTexts {
  return mapRange(cost, formatMoney);
}
