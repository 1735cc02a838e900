import { isPortolanError } from "@portolan/kernel";
import { expect, test } from "vitest";
import { judgeBatch } from "../judging/batch-metrics.ts";
import { diffContracts } from "./diff/diff-contracts.ts";
import { readContract } from "./read-contract.ts";
import type { TargetContracts } from "./read-relationships.ts";

const document = (atTable: string, atWard = "", wardType = "string") => `apiVersion: v3.1.0
kind: DataContract
id: stays
version: 1.0.0
status: active
schema:
  - name: stays
    relationships: [${atTable}]
    properties:
      - { name: ward, logicalType: ${wardType}${atWard === "" ? "" : `, relationships: [${atWard}]`} }
      - { name: bed, logicalType: integer }
      - { name: cost, logicalType: number }
`;
const targets: TargetContracts = new Map([
  ["wards", { id: "wards", columns: [{ name: "id", type: "string" }] }],
  [
    "beds",
    {
      id: "beds",
      columns: [
        { name: "ward", type: "string" },
        { name: "number", type: "integer" },
      ],
    },
  ],
]);
const beds = (severity?: string) =>
  `{ from: [stays.ward, stays.bed], to: [beds.ward, beds.number]${severity === undefined ? "" : `, customProperties: [{ property: portolan.severity, value: ${severity} }]`} }`;
const read = (text: string) => readContract(text, "stays.odcs.yaml", {}, targets);
const findings = (text: string): string[] => {
  try {
    read(text);
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    return error.violations.map(({ detail, mend, at }) => `${at?.line ?? "?"}: ${detail}. ${mend ?? ""}`);
  }
  return [];
};

test("foreign keys are read at the table and at columns, composite ones in their order, with what their severity does (D27)", () => {
  expect(read(document(beds("critical"), "{ to: wards.id }")).relationships).toEqual([
    {
      name: "ward+bed.references.beds",
      columns: ["ward", "bed"],
      target: { contract: "beds", columns: ["ward", "number"] },
      otherwise: "refuse",
    },
    {
      name: "ward.references.wards",
      columns: ["ward"],
      target: { contract: "wards", columns: ["id"] },
      otherwise: "quarantine",
    },
  ]);
  expect(read(document(beds("warning"))).relationships?.[0]?.otherwise).toBe("warn");
  expect(read(document("")).relationships).toBeUndefined();
});

test("the contract of a table with another name is named in a custom property", () => {
  const named = "{ to: t_wards.id, customProperties: [{ property: portolan.contract, value: wards }] }";
  expect(read(document("", named)).relationships?.[0]?.target.contract).toBe("wards");
});

test.each([
  [
    "an unknown target",
    document("", "{ to: rooms.id }"),
    /^10: .*refers to rooms, and there is no such contract\. Publish it first/,
  ],
  [
    "an unknown column of the target",
    document("", "{ to: wards.name }"),
    /^10: .*wards\.name, which is no column of it\. Name one of id\./,
  ],
  [
    "a column of another type",
    document("", "{ to: beds.number }"),
    /^10: .*beds\.number, which is of the type integer\. Give it the type of ward, string/,
  ],
  [
    "an unknown column of its own",
    document("{ from: stays.room, to: wards.id }"),
    /^8: .*stays\.room, which is no column of stays/,
  ],
  [
    "another table's column as its own",
    document("{ from: beds.ward, to: wards.id }"),
    /^8: .*beds\.ward, which is no column of stays/,
  ],
  [
    "a key of other length",
    document("{ from: [stays.ward, stays.bed], to: beds.ward }"),
    /^8: .*names 1 columns for 2/,
  ],
  [
    "columns of two tables",
    document("{ from: [stays.ward, stays.bed], to: [wards.id, beds.number] }"),
    /^8: .*columns of several tables/,
  ],
  [
    "a double as a key",
    document("{ from: stays.cost, to: wards.id }"),
    /^8: .*makes cost a key, and it is of the type number/,
  ],
  ["its own table", document("", "{ to: stays.ward }"), /^10: .*refers to its own table.*quality rule/],
  [
    "ids of elements",
    document("", "{ to: schema/wards/properties/id }"),
    /^10: .*ids of elements\. Write table\.column/,
  ],
  [
    "a severity that nobody knows",
    document(beds("grave")),
    /^8: .*"grave"\. Use one of: info, warning, error, critical/,
  ],
  [
    "the same twice",
    document("{ from: stays.ward, to: wards.id }", "{ to: wards.id }"),
    /^8: .*is there twice/,
  ],
])("%s is refused with its line and its mend", (_, text, expected) => {
  expect(findings(text)).toEqual([expect.stringMatching(expected)]);
});

test("without the other contracts nobody looks whether they are there: a version that was published reads as it did (D27b)", () => {
  expect(readContract(document("", "{ to: rooms.id }"), "stays.odcs.yaml").relationships).toHaveLength(1);
});

test.each([
  ["new", "", beds(), "breaking", "producer"],
  ["new and only reported", "", beds("info"), "compatible", "consumer"],
  ["gone", beds(), "", "breaking", "consumer"],
  ["gone, and was only reported", beds("info"), "", "compatible", "consumer"],
  ["stricter", beds("error"), beds("critical"), "breaking", "producer"],
  ["looser", beds("critical"), beds("error"), "compatible", "consumer"],
  ["only reported from now on", beds("error"), beds("warning"), "breaking", "consumer"],
  ["enforced from now on", beds("warning"), beds("error"), "breaking", "producer"],
  ["to other columns", beds(), beds().replace("beds.number", "beds.ward"), "breaking", "producer"],
])("a relationship that is %s has its class (D18)", (_, before, after, kind, affects) => {
  const without = (text: string) => readContract(document(text), "stays.odcs.yaml");
  const { changes } = diffContracts(without(before), without(after));
  expect(changes).toEqual([
    expect.objectContaining({ kind, affects, path: "relationships.ward+bed.references.beds" }),
  ]);
  expect(diffContracts(without(after), without(after)).changes).toEqual([]);
});

test("one row without a counterpart refuses the batch where the severity is critical, and is reported where it is a warning", () => {
  const figures = { accepted: 10, quarantined: 0, deadLetters: 0, values: [] };
  const dangling = { "ward+bed.references.beds": 1 };
  const said = "ward+bed.references.beds: 1 rows have no counterpart in beds";
  const judge = (severity: string, more: object) =>
    judgeBatch(read(document(beds(severity))), { ...figures, ...more }, 0);
  expect(judge("critical", { dangling })).toEqual({ kind: "failed", failures: [said], warnings: [] });
  expect(judge("warning", { dangling })).toEqual({ kind: "passed", warnings: [said] });
  expect(judge("critical", {})).toEqual({ kind: "passed", warnings: [] });
});
