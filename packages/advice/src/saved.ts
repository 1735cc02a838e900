import { compareMoney, type Money, money, multiplyMoney, subtractMoney, zeroMoney } from "@portolan/kernel";

const monthMicros = 30n * 86_400_000_000n;

/** Of `12.5 USD`, as it is kept. */
export function parseMoneyText(text: string | null): Money | undefined {
  const [amount, currency] = text?.split(" ") ?? [];
  return amount === undefined || currency === undefined ? undefined : money(amount, currency);
}

/** What a thing costs less in a month than it did; never below nothing: what costs more has saved nothing. */
export function savedMonthly(before: Money | undefined, after: Money | undefined): Money | undefined {
  if (!before || !after || before.currency !== after.currency) return undefined;
  const saved = subtractMoney(before, after);
  return compareMoney(saved, zeroMoney(saved.currency)) < 0 ? zeroMoney(saved.currency) : saved;
}

/** The same for the time since; months have thirty days. */
export function savedSince(monthly: Money, micros: number): Money {
  return multiplyMoney(monthly, BigInt(Math.max(0, micros)), monthMicros);
}
