import { expect, test } from "vitest";
import { jobTermsOf, moneyOf } from "./score.ts";

test("the cost of a server is an amount and a currency, with or without a space", () => {
  expect([moneyOf("0.02EUR"), moneyOf("3 USD")]).toEqual(["0.02 EUR", "3 USD"]);
  for (const text of ["0.02", "EUR", "-1EUR", "0.02 eur"])
    expect(() => moneyOf(text)).toThrow("is no sum of money");
});

test("what says when a job works is read before anything is asked, also by a dry run", () => {
  expect(
    jobTermsOf({ window: ["22:00-06:00", "12:30-13:00"], priority: "-3", upstreamCost: "0.02EUR" }),
  ).toEqual({
    windows: [
      { from: "22:00", to: "06:00" },
      { from: "12:30", to: "13:00" },
    ],
    priority: -3,
    upstreamCost: "0.02 EUR",
  });
  for (const window of ["25:00-06:00", "22:00", "22:60-06:00", "a-b", "22:00-06:00-07:00"])
    expect(() => jobTermsOf({ window: [window] })).toThrow("is no window of a day");
  for (const priority of ["99", "-11", "high", "1.5", ""])
    expect(() => jobTermsOf({ priority })).toThrow("is no priority");
});
