import type { Digest } from "@portolan/kernel";
import { expect, test } from "vitest";
import { matchSql, objectsRead } from "./match-sql.ts";
import type { RowMatch } from "./places.ts";

const dataset = `sha256:${"a".repeat(64)}` as Digest;
const byRow: RowMatch = {
  kind: "rows_of",
  object: dataset,
  match: { kind: "columns", columns: ["customer"] },
  by: { columns: ["order", "line"], isKey: true },
};

test("the subject's name is a literal, whatever it holds, and names of columns are names", () => {
  expect(matchSql({ kind: "columns", columns: ['a"b'] }, "o'neil; drop", () => "x")).toBe(
    `((cast("a""b" as varchar)) is not distinct from 'o''neil; drop')`,
  );
  expect(matchSql({ kind: "columns", columns: [] }, "x", () => "x")).toBe("false");
});

test("what was made of another object's rows is read beside it, and cannot be told once that is gone", () => {
  expect(objectsRead({ kind: "any", of: [{ kind: "columns", columns: [] }, byRow] })).toEqual([dataset]);
  expect(matchSql(byRow, "x", () => undefined)).toBe("false");
  expect(matchSql(byRow, "x", () => "/d.parquet")).toContain(
    `id in (select to_json([cast("order" as varchar), cast("line" as varchar)])::varchar from read_parquet('/d.parquet'`,
  );
});

test("a name that reads as a number is looked for in doubles however they are written, and one that a double cannot tell is not", () => {
  const match: RowMatch = { kind: "columns", columns: ["customer"] };
  expect(matchSql(match, "4711", () => "x")).toContain(`typeof("customer") in ('DOUBLE', 'FLOAT')`);
  for (const subject of ["9007199254740993", "customer-17", "0x12", "1e3"])
    expect(matchSql(match, subject, () => "x")).not.toContain("double");
});
