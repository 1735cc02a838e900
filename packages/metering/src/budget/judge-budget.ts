import { type Money, zeroMoney } from "@portolan/kernel";
import type { Forecast } from "./forecast.ts";

/** Of the ceiling, in percent: whoever passes one is told, as the charter derives. */
export const alertPercents = [50, 80, 100] as const;

export interface BudgetStanding {
  readonly ceiling: Money;
  readonly spent: Money;
  readonly forecast?: Forecast;
  /** The charter: what more than the ceiling means. */
  readonly beyond: "alert" | "hold";
}

export interface BudgetVerdict {
  /** Thresholds that are passed. */
  readonly passed: readonly (typeof alertPercents)[number][];
  /** `will`: also at the low end of the forecast; `may`: as expected; `unlikely`: neither, or nobody knows. */
  readonly exceeds: "did" | "will" | "may" | "unlikely";
  /** No new training runs and scorings. What serves is never stopped. */
  readonly holds: boolean;
}

/** How a budget stands. Pure. */
export function judgeStanding({ ceiling, spent, forecast, beyond }: BudgetStanding): BudgetVerdict {
  const passed = alertPercents.filter((percent) => spent.nanos * 100n >= ceiling.nanos * BigInt(percent));
  const isSpent = spent.nanos >= ceiling.nanos;
  const limit = Number(ceiling.nanos);
  const exceeds = isSpent
    ? "did"
    : forecast === undefined || forecast.expected <= limit
      ? "unlikely"
      : forecast.low > limit
        ? "will"
        : "may";
  return { passed, exceeds, holds: beyond === "hold" && isSpent };
}

/** A forecast's figure as money; it is an estimate, and rounded to cents. Pure. */
export function estimated(nanos: number, { currency }: Money): Money {
  if (!Number.isFinite(nanos)) return zeroMoney(currency);
  return { nanos: BigInt(Math.round(nanos / 1e7)) * 10_000_000n, currency };
}
