import { expect, test } from "vitest";
import { moneyOf } from "./score.ts";

test("the cost of a server is an amount and a currency, with or without a space", () => {
  expect([moneyOf("0.02EUR"), moneyOf("3 USD")]).toEqual(["0.02 EUR", "3 USD"]);
  for (const text of ["0.02", "EUR", "-1EUR", "0.02 eur"])
    expect(() => moneyOf(text)).toThrow("is no sum of money");
});
