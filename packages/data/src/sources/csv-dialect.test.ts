import { expect, test } from "vitest";
import type { ContractColumn } from "../contracts/contract-model.ts";
import { dialectOf } from "./csv-dialect.ts";

const columns = ["id", "driver's name", "age"].map(
  (source): ContractColumn => ({ name: source, source, type: "string", required: false }),
);

test.each([
  ["an apostrophe within a name", `id,driver's name,age\n1,"Smith, John",4\n`, ",", '"'],
  ["two apostrophes in two names", "id;driver's name;owners'\n", ";", '"'],
  ["an apostrophe at the end of a name", "id,drivers',age\n", ",", '"'],
  ["cells in apostrophes", "'id'|'driver''s name'|'age'\n", "|", "'"],
  ["one cell in apostrophes", "id\t'age'\n", "\t", "'"],
  ["both marks", `"id","driver's name",age\n`, ",", '"'],
  ["no name that the contract knows", "x;y\n", ",", '"'],
] as const)("the quote of a CSV is the one that stands around a name: %s", (_, head, delimiter, quote) => {
  expect(dialectOf(head, columns)).toEqual({ delimiter, quote });
});
