import { expect, test } from "vitest";
import { readCsv } from "./index.ts";

const read = (text: string, columns = ["name", "count"]) =>
  readCsv({ text, file: "t.csv", columns }, (row) => ({
    name: row.named("name"),
    count: row.whole("count", 0, 9),
  }));

test("rows are read by the names in the header, in any order, with spaces, a byte order mark and CRLF", () => {
  const { rows, faults } = read("\uFEFFcount, other ,name\r\n3, x , a \r\n\r\n9,,b\r\n");
  expect(faults).toEqual([]);
  expect(rows).toEqual([
    { name: "a", count: 3 },
    { name: "b", count: 9 },
  ]);
});

test("every fault comes with its line, all at once", () => {
  const { faults } = read("name,count\n,1\na,ten\na,10\na,\na,1,2\n");
  expect(faults.map(({ at, detail }) => [at?.line, detail])).toEqual([
    [2, "name: it is empty"],
    [3, 'count: "ten" is no whole number of 0 to 9'],
    [4, 'count: "10" is no whole number of 0 to 9'],
    [5, 'count: "" is no whole number of 0 to 9'],
    [6, "it has 3 values, the header 2 columns"],
  ]);
});

test("a missing column, no rows and a file of faults are said once", () => {
  expect(read("name\na\n").faults).toMatchObject([{ detail: "the header has no column count" }]);
  expect(read("name,count\n\n").faults).toMatchObject([{ detail: "it has no rows" }]);
  expect(read(`name,count\n${"a,x\n".repeat(1000)}`).faults).toHaveLength(20);
});
