import { expect, test } from "vitest";
import { readContract } from "../contracts/read-contract.ts";
import { missingColumns } from "./observe-sources.ts";

const contract = readContract(
  `apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - { name: id, logicalType: integer, physicalName: ORDER_ID }
      - { name: note, logicalType: string }
`,
  "orders.odcs.yaml",
  {},
);

test("a table that has no column of the contract is another table, and refused; one column is enough where none is required (D24)", () => {
  const missing = (...names: string[]) => {
    const columns = names.map((name) => ({ name, type: "bigint" }));
    return missingColumns(
      contract,
      [{ path: "/copy", name: "public.orders", format: "jsonl", relation: columns }],
      [columns],
    );
  };
  expect(missing("order_id", "other")).toEqual([]);
  expect(missing("other", "id")).toEqual([
    "public.orders lacks ORDER_ID, note; it has none of the contract's columns and 2 that the contract does not know",
  ]);
});
