import { readFileSync } from "node:fs";
import { digestBytes, isPortolanError } from "@portolan/kernel";
import { expect, test } from "vitest";
import { judgeBatch } from "../judging/batch-metrics.ts";
import { adviseContract } from "./advise-contract.ts";
import { contractDigest, readContract } from "./read-contract.ts";

const airports = { "airports.csv": digestBytes(new Uint8Array()) };
const flights = readFileSync(
  new URL("../../../../examples/flight-delays/contracts/flights.odcs.yaml", import.meta.url),
  "utf8",
);
const read = (text: string) => readContract(text, "flights.odcs.yaml", airports);

test("the contract of the example is understood whole", () => {
  const contract = read(flights);
  expect(contract).toMatchObject({
    id: "flights",
    eventTime: "departed_at",
    maxBadShare: 0.01,
    table: "flights",
  });
  expect(contract.columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
    "departure_local local",
    "departed_at instant",
    "delay integer",
    "distance integer",
    "origin string",
    "destination string",
  ]);
  expect(contract.rowRules.map((rule) => rule.name)).toContain("origin.pattern");
  expect(contract.batchRules).toHaveLength(2);
});

test("a query's percent, which is read in one of two ways, is said (D11)", () => {
  const text = `apiVersion: v3.1.0
kind: DataContract
id: stays
version: 1.0.0
status: active
schema:
  - name: stays
    properties:
      - { name: ward, logicalType: string }
    quality:
      - { type: sql, name: few, query: "select count(*) from {table}", unit: percent, mustBeLessThan: 5 }
`;
  expect(adviseContract(read(text)).join("; ")).toContain("the rule few has the unit percent");
});

test("comments and layout change no digest; what a contract demands does (D3)", () => {
  const digest = contractDigest(read(flights));
  expect(contractDigest(read(`# note\n${flights}`))).toBe(digest);
  expect(contractDigest(read(flights.replace("maximum: 2880", "maximum: 2881")))).not.toBe(digest);
  expect(
    contractDigest(readContract(flights, "f", { "airports.csv": digestBytes(new Uint8Array([1])) })),
  ).not.toBe(digest);
});

test.each([
  [
    "an unknown key",
    (text: string) => text.replace("status: active", "status: active\nfreshness: 1d"),
    /freshness.*not known/,
  ],
  [
    "a rule that nothing executes",
    (text: string) => text.replace("- metric: rowCount", "- type: custom\n        metric: rowCount"),
    /custom/,
  ],
  [
    "a look-around pattern",
    (text: string) => text.replace('"^[A-Z]{3}$"', '"^(?=A)[A-Z]{3}$"'),
    /look-around/,
  ],
  [
    "a table that did not come along",
    (text: string) => text.replace("zones: airports.csv", "zones: other.csv"),
    /did not come/,
  ],
  [
    "an event time that is a wall clock",
    (text: string) => text.replace("value: departed_at", "value: departure_local"),
    /portolan.eventTime/,
  ],
  [
    "two thresholds",
    (text: string) => text.replace("mustBeGreaterThan: 0", "mustBeGreaterThan: 0\n        mustBe: 1"),
    /exactly one threshold/,
  ],
  [
    "a duplicate rule without columns",
    (text: string) => text.replace(/arguments: .*\n/, "description: x\n"),
    /which columns/,
  ],
  [
    "another version of the standard",
    (text: string) => text.replace("apiVersion: v3.1.0", "apiVersion: v2.2.2"),
    /v2.2.2/,
  ],
  [
    "a second table",
    (text: string) => text.replace("schema:\n", "schema:\n  - { name: more, properties: [{ name: a }] }\n"),
    /exactly one table/,
  ],
  [
    "an age of data without an event time",
    (text: string) =>
      text.replace(/^.*portolan\.eventTime\n.*\n/m, "").replace("property: retention", "property: freshness"),
    /no event time/,
  ],
  ["an alias", (text: string) => text.replace("id: flights", "id: &a flights\ntenant: *a"), /alias/i],
  ["two documents", (text: string) => `${text}\n---\nid: x\n`, /document/i],
])("%s is refused with its line (D1, D2)", (_, edit, message) => {
  const broken = edit(flights);
  expect(broken).not.toBe(flights);
  try {
    read(broken);
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    expect(error.code).toBe("data.contract_invalid");
    expect(error.violations.map((one) => one.detail).join("\n")).toMatch(message);
    return;
  }
  expect.unreachable("it was accepted");
});

test("a batch is judged by its share of bad rows, its age and every figure, at the edge of each (D10)", () => {
  const contract = read(
    flights.replace(
      "property: retention\n    value: 30\n    unit: y",
      "property: latency\n    value: 2\n    unit: h",
    ),
  );
  const hour = 3_600_000_000;
  const good = { accepted: 99, quarantined: 1, deadLetters: 0, maxEventTime: 10 * hour, values: [99, 0] };
  const kind = (changes: Partial<typeof good>, asOf = 12 * hour) =>
    judgeBatch(contract, { ...good, ...changes }, asOf).kind;
  expect(kind({})).toBe("passed");
  expect(kind({ quarantined: 2, accepted: 98 })).toBe("failed");
  expect(kind({ deadLetters: 1, accepted: 98 })).toBe("failed");
  expect(kind({}, 12 * hour + 1000)).toBe("failed");
  expect(kind({ values: [0, 0] })).toBe("failed");
  expect(kind({ values: [99, 1] })).toBe("failed");
  expect(kind({ values: [99] })).toBe("failed");
  expect(kind({ accepted: 0, quarantined: 0, values: [1, 0] })).toBe("failed");
});

const small = (quality: string, sla = "") => `apiVersion: v3.1.0
kind: DataContract
id: stays
version: 1.0.0
status: active
schema:
  - name: stays
    customProperties: [{ property: portolan.eventTime, value: at }]
    properties:
      - { name: at, logicalType: timestamp }
      - name: ward
        quality: [${quality}]
${sla}`;

test("what everybody reads of the age of data is one figure, the stricter of two (D3a)", () => {
  const levels = (...of: string[]) =>
    read(small("", `slaProperties: [${of.map((one) => `{ ${one} }`).join(", ")}]\n`));
  const [day, twelve] = ["property: freshness, value: 1, unit: d", "property: latency, value: 12, unit: h"];
  expect(levels(day).freshnessMs).toBe(86_400_000);
  expect(levels(twelve).freshnessMs).toBe(43_200_000);
  expect(levels(day, twelve).freshnessMs).toBe(43_200_000);
  expect(levels(twelve, day).freshnessMs).toBe(43_200_000);
  expect(levels("property: retention, value: 2, unit: d")).toMatchObject({ retentionMs: 172_800_000 });
  expect(levels("property: availability, value: 99.9, unit: percent").levels).toEqual([
    { property: "availability", value: 99.9, unit: "percent" },
  ]);
});

test("a rule that each row can meet alone judges rows, any other the batch, and a text rule nothing (D2, D9)", () => {
  const kinds = (quality: string) => {
    const { rowRules, batchRules } = read(small(quality));
    return [rowRules.map(({ name }) => name), batchRules.map(({ name }) => name)];
  };
  const valid = "metric: invalidValues, name: known, arguments: { validValues: [a, b] }";
  expect(kinds(`{ ${valid}, mustBe: 0 }`)).toEqual([["known"], []]);
  expect(kinds(`{ ${valid}, mustBeLessThan: 3 }`)).toEqual([[], ["known"]]);
  expect(kinds("{ metric: duplicateValues, name: once, mustBe: 0 }")).toEqual([[], ["once"]]);
  expect(kinds("{ type: text, description: for people }")).toEqual([[], []]);
});

test.each([
  ["info", "passed", 1],
  ["warning", "passed", 1],
  ["error", "failed", 0],
] as const)(
  "a figure whose severity is %s leaves a batch %s, with a warning or none (D11a)",
  (severity, kind, warnings) => {
    const contract = read(
      small(`{ metric: nullValues, name: gaps, mustBeLessThan: 1, severity: ${severity} }`),
    );
    const figures = { accepted: 9, quarantined: 0, deadLetters: 0, maxEventTime: 1, values: [1] };
    const verdict = judgeBatch(contract, figures, 1);
    expect(verdict.kind).toBe(kind);
    expect(verdict.warnings).toHaveLength(warnings);
  },
);

/** A table of columns with so many members each. */
function nestedIn(...columns: readonly number[]): string {
  const members = (count: number): string =>
    Array.from({ length: count }, (_, n) => `          - { name: m${n}, logicalType: string }`).join("\n");
  return `apiVersion: v3.1.0
kind: DataContract
id: wide
version: 1.0.0
status: active
schema:
  - name: wide
    properties:
${columns.map((count, n) => `      - name: c${n}\n        logicalType: object\n        properties:\n${members(count)}\n`).join("")}`;
}

test("nested values are bounded in a column, and in all columns of a table together (D4b)", () => {
  const refused = (...columns: readonly number[]): readonly string[] => {
    try {
      read(nestedIn(...columns));
      return [];
    } catch (error) {
      if (!isPortolanError(error)) throw error;
      return error.violations.map(({ at, detail }) => `${JSON.stringify(at)} ${detail}`);
    }
  };
  expect(refused(200, 200, 100)).toEqual([]);
  expect(refused(201)).toEqual([expect.stringContaining("is one nested value too many")]);
  const [why, ...more] = refused(200, 200, 101, 5);
  expect(why).toContain("/schema/0/properties/2");
  expect(why).toContain("brings the nested values that the table describes to 501");
  expect(more).toEqual([]);
});
