import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allocateBill, focusTable, focusType, readBill, readUsageLines } from "@portolan/metering";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readBillTable } from "../src/bill/read-table.ts";
import type { CliContext } from "../src/context.ts";
import { focusFile } from "../src/statement/statement-files.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-focus-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const usage = `business_unit,team,use_case,model,environment,resource,quantity
finance,risk,fraud,mlp,production,gpu_hours,5760
research,lab,,,dev,gpu_hours,60/7
`;
const table = focusTable(
  allocateBill(
    readBill(
      "line,kind,amount,currency,capacity\ngpu_hours,metered,138600.000000001,USD,36000\n",
      "bill.csv",
    ),
    readUsageLines(usage, "usage.csv"),
    { idle: "separate", shared: "proportional" },
  ),
  { name: "Platform", accountId: "ai", accountName: "AI" },
  { start: "2026-11-01T00:00:00Z", end: "2026-12-01T00:00:00Z" },
);

/** Without zeroes at its end, as instants without their zone's way of writing. */
function plain(column: string, cell: string | null): string | null {
  if (cell === null) return null;
  const type = focusType(column as Parameters<typeof focusType>[0]);
  if (type === "decimal") return cell.includes(".") ? cell.replace(/0+$/, "").replace(/\.$/, "") : cell;
  return type === "instant" ? cell.replace(" ", "T").replace(/\+00(?::00)?$/, "Z") : cell;
}

test("FOCUS as Parquet reads back cell by cell as it is in CSV, its costs as decimals and its periods as instants", async () => {
  const path = join(folder, "november.parquet");
  const content = await focusFile(path, table);
  expect(
    Buffer.from(content as Uint8Array)
      .subarray(0, 4)
      .toString(),
  ).toBe("PAR1");
  await writeFile(path, content);
  const found = await readBillTable({ cwd: folder } as CliContext, path);
  expect(found.columns).toEqual(table.columns);
  const types = new Map(found.columns.map((column, at) => [column, found.types?.[at]]));
  expect(["BilledCost", "ChargePeriodStart", "ServiceName"].map((column) => types.get(column))).toEqual([
    "DECIMAL(38,18)",
    "TIMESTAMP WITH TIME ZONE",
    "VARCHAR",
  ]);
  const cells = (rows: typeof table.rows) =>
    rows.map((row) => row.map((cell, at) => plain(table.columns[at] ?? "", cell)));
  expect(cells(found.rows)).toEqual(cells(table.rows));
});

test("the name of the file says which: JSON is an array of rows, anything else CSV", async () => {
  const rows = JSON.parse(String(await focusFile("november.JSON", table))) as Record<string, unknown>[];
  expect(rows).toHaveLength(table.rows.length);
  expect(rows[0]).toMatchObject({ BillingCurrency: "USD", ChargePeriodStart: "2026-11-01T00:00:00Z" });
  expect(String(await focusFile("november.csv", table)).split("\r\n")[0]).toBe(table.columns.join(","));
});
