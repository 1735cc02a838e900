import {
  addMoney,
  asEpochMicros,
  compareMoney,
  type EpochMicros,
  formatInstant,
  formatMoney,
  type Money,
  money,
  multiplyMoney,
  parseInstant,
  zeroMoney,
} from "@portolan/kernel";

/** What training has cost in a month, and what one more run likely costs. */
export interface Spending {
  readonly spent: Money;
  /** As much as the run that succeeded last; absent where none did. */
  readonly nextRun?: Money;
}

/** `40 USD/month` as an amount. @throws PortolanError `kernel.bad_unit` */
export function parseMonthly(text: string): Money {
  const [amount = "", currency = ""] = text.replace(/\/month$/, "").split(/\s+/);
  return money(amount, currency);
}

/** The first moment of the month in UTC, as bills have it. Pure. */
export function startOfMonth(now: number): EpochMicros {
  return parseInstant(`${formatInstant(asEpochMicros(now)).slice(0, 7)}-01T00:00:00Z`);
}

const microsPerHour = 3_600_000_000n;

/** Time at work on so many cores, at the price of a core for an hour; rounded once, to a billionth. Pure. */
export function costOfWork(coreHour: Money, cores: number, micros: number): Money {
  return multiplyMoney(coreHour, BigInt(Math.max(0, Math.round(micros))) * BigInt(cores), microsPerHour);
}

/** Why one more run is more than a month's budget; absent where it is not. A budget is kept where what follows is likely within it, too. Pure. */
export function beyondBudget(budget: Money, { spent, nextRun }: Spending): string | undefined {
  const next = nextRun ?? zeroMoney(budget.currency);
  if (compareMoney(spent, budget) >= 0)
    return `training has cost ${formatMoney(spent)} of its ${formatMoney(budget)} this month`;
  return compareMoney(addMoney(spent, next), budget) > 0
    ? `training has cost ${formatMoney(spent)} of its ${formatMoney(budget)} this month, and another run likely costs ${formatMoney(next)}`
    : undefined;
}

/** The same for the record of a retraining. Pure. */
export function spendingEvidence(budget: Money, { spent, nextRun }: Spending): Record<string, string> {
  return {
    budget: `${formatMoney(budget)}/month`,
    spentThisMonth: formatMoney(spent),
    ...(nextRun ? { nextRunEstimate: formatMoney(nextRun) } : {}),
  };
}
