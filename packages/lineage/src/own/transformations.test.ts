import { parseExpression } from "@portolan/expressions";
import { expect, test } from "vitest";
import { columnUses } from "./transformations.ts";

const types = { delay: "int", carrier: "text", seats: "int" } as const;
const uses = (text: string) =>
  columnUses(parseExpression(text, types))
    .map(({ column, use }) => `${column} ${use}`)
    .toSorted();

test("a column alone is itself, in an expression it is transformed, in the condition of an if it decides", () => {
  expect(uses("delay")).toEqual(["delay identity"]);
  expect(uses("delay > 15")).toEqual(["delay transformation"]);
  expect(uses("if(carrier = 'AA', delay + seats, 0)")).toEqual([
    "carrier condition",
    "delay transformation",
    "seats transformation",
  ]);
  expect(uses("if(delay > 0, delay, seats)")).toEqual([
    "delay condition",
    "delay transformation",
    "seats transformation",
  ]);
  expect(uses("1 + 2")).toEqual([]);
});
