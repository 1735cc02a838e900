import { expect, test } from "vitest";
import { inOrderOfReference } from "./contract-order.ts";

const file = (id: string, to?: string) => ({
  path: `${id}.odcs.yaml`,
  text: `apiVersion: v3.1.0
kind: DataContract
id: ${id}
version: 1.0.0
status: active
schema:
  - name: ${id}
    properties:
      - { name: id, logicalType: string${to === undefined ? "" : `, relationships: [{ to: ${to}.id }]`} }
`,
});
const order = (...contracts: ReturnType<typeof file>[]) =>
  inOrderOfReference({ contracts, tables: {} }).map(({ path }) => path.split(".")[0]);

test("a contract is applied after those that it refers to, and files without references keep their order", () => {
  expect(
    order(file("beds", "wards"), file("flats"), file("stays", "beds"), file("wards", "sites"), file("sites")),
  ).toEqual(["flats", "sites", "wards", "beds", "stays"]);
});

test("contracts that refer to each other, and files that are no contract, are all sent: the server says what is wrong", () => {
  const none = { path: "none.odcs.yaml", text: "kind: 3" };
  expect(order(file("a", "b"), none, file("b", "a"), file("c", "elsewhere"))).toEqual([
    "none",
    "c",
    "a",
    "b",
  ]);
});
