import type { CharterDocument, Regulation } from "@portolan/charter/contract";
import { exposureOf } from "@portolan/charter/policy";
import { compareMoney, formatMoney, type Money, money, multiplyMoney } from "@portolan/kernel";
import type { FineRule, PriceBook } from "../price-book.ts";

export interface FineExposure {
  readonly regulation: Regulation;
  readonly rule: string;
  /** Absent where the charter does not say what it takes. */
  readonly amount?: Money;
  /** How it was reckoned, or what is missing. */
  readonly reckoning: string;
  readonly source: string;
}

/** What each regulation of a charter may fine, by every rule that the book has of it. Pure, exact. */
export function fineExposure(document: CharterDocument, book: PriceBook): FineExposure[] {
  const rules = (book.fines ?? []).filter(({ regulation }) =>
    document.nonNegotiables.regulations.includes(regulation),
  );
  return rules.map((rule) => ({
    regulation: rule.regulation,
    rule: rule.id,
    ...amountOf(rule, exposureOf(document)),
    source: rule.source,
  }));
}

function amountOf(
  rule: FineRule,
  { records, yearlyRevenue }: ReturnType<typeof exposureOf>,
): { readonly amount?: Money; readonly reckoning: string } {
  const { currency } = rule;
  if (rule.perRecord !== undefined) {
    if (records === undefined) return { reckoning: "state nonNegotiables.exposure.records" };
    const all = multiplyMoney(money(rule.perRecord, currency), BigInt(records), 1n);
    const product = `${rule.perRecord} x ${records} records`;
    if (rule.atMost === undefined) return { amount: all, reckoning: product };
    const cap = money(rule.atMost, currency);
    return compareMoney(all, cap) > 0
      ? { amount: cap, reckoning: `${product}, at most ${formatMoney(cap)} a year` }
      : { amount: all, reckoning: product };
  }
  const least = rule.amount === undefined ? undefined : money(rule.amount, currency);
  if (rule.shareOfRevenue === undefined)
    return least ? { amount: least, reckoning: "up to" } : { reckoning: "the rule states no amount" };
  if (yearlyRevenue === undefined || yearlyRevenue.currency !== currency) {
    return {
      ...(least ? { amount: least } : {}),
      reckoning: `at least up to this; state nonNegotiables.exposure.yearlyRevenue in ${currency}`,
    };
  }
  const share = multiplyMoney(yearlyRevenue, money(rule.shareOfRevenue, currency).nanos, 1_000_000_000n);
  return {
    amount: least && compareMoney(least, share) > 0 ? least : share,
    reckoning: `${rule.shareOfRevenue} of ${formatMoney(yearlyRevenue)}${least ? `, or ${formatMoney(least)} where that is more` : ""}`,
  };
}
