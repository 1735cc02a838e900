import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addMoney,
  allocate,
  compareMoney,
  formatMoney,
  money,
  multiplyMoney,
  subtractMoney,
} from "./money.ts";

const nanos = fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n });
const weights = fc.array(fc.bigInt({ min: 0n, max: 10n ** 12n }), { minLength: 1, maxLength: 40 });

test("an allocation neither creates nor loses money", () => {
  fc.assert(
    fc.property(nanos, weights, (amount, shares) => {
      const parts = allocate({ nanos: amount, currency: "USD" }, shares);
      expect(parts.reduce((sum, part) => sum + part.nanos, 0n)).toBe(amount);
    }),
  );
});

test("no part of an allocation is a nano or more away from its exact share", () => {
  fc.assert(
    fc.property(nanos, weights, (amount, shares) => {
      const sum = shares.reduce((a, b) => a + b, 0n);
      fc.pre(sum > 0n);
      allocate({ nanos: amount, currency: "USD" }, shares).forEach((part, i) => {
        const distance = part.nanos * sum - amount * (shares[i] ?? 0n);
        expect(distance < sum && distance > -sum).toBe(true);
      });
    }),
  );
});

test("a negative weight or no weight at all is refused", () => {
  expect(() => allocate(money("1", "USD"), [])).toThrow(/at least one weight/);
  expect(() => allocate(money("1", "USD"), [1n, -1n])).toThrow(/none negative/);
});

test("text and amount are the same thing for every amount", () => {
  fc.assert(
    fc.property(nanos, (amount) => {
      const [decimal = "", currency = ""] = formatMoney({ nanos: amount, currency: "EUR" }).split(" ");
      expect(money(decimal, currency).nanos).toBe(amount);
    }),
  );
});

test("a price per thousand is divided once and rounded half to even", () => {
  expect(multiplyMoney(money("0.000000005", "USD"), 1n, 10n).nanos).toBe(0n);
  expect(multiplyMoney(money("0.000000015", "USD"), 1n, 10n).nanos).toBe(2n);
  expect(multiplyMoney(money("-0.000000015", "USD"), 1n, 10n).nanos).toBe(-2n);
  expect(formatMoney(multiplyMoney(money("0.10", "USD"), 1_825_000_000n, 1000n))).toBe("182500 USD");
});

test("currencies are never mixed", () => {
  expect(() => addMoney(money("1", "USD"), money("1", "EUR"))).toThrow(/USD and EUR/);
  expect(() => compareMoney(money("1", "USD"), money("1", "EUR"))).toThrow(/USD and EUR/);
  expect(subtractMoney(money("1", "USD"), money("0.1", "USD")).nanos).toBe(900_000_000n);
});

test.each(["1.0000000001", "1,5", "", "1e3", "Infinity", " 1"])("%j is not an amount", (text) => {
  expect(() => money(text, "USD")).toThrow(/not an amount/);
});
