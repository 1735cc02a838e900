import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readContract } from "@portolan/data/policy";
import { isPortolanError } from "@portolan/kernel";
import { readYaml } from "@portolan/yaml-source";
import { Ajv2019, type ValidateFunction } from "ajv/dist/2019.js";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { pythonClient } from "../../../tools/python-client.ts";

/**
 * The published JSON Schema of Open Data Contract Standard v3.1.0, from the standard's own Python package, against `portolan
 * contract lint`: what we call well formed is, and what the schema refuses we refuse with a line.
 */
const python = await pythonClient("odcs");

const base = {
  apiVersion: "v3.1.0",
  kind: "DataContract",
  id: "orders",
  name: "Orders",
  version: "1.0.0",
  status: "active",
  tenant: "shop",
  domain: "sales",
  dataProduct: "orders",
  tags: ["sales"],
  contractCreatedTs: "2026-11-26T08:00:00Z",
  description: { purpose: "p", usage: "u", limitations: "l" },
  price: { priceAmount: 9.95, priceCurrency: "USD", priceUnit: "megabyte" },
  support: [{ channel: "orders", tool: "slack", scope: "issues", url: "https://example.com" }],
  team: { name: "orders", members: [{ username: "lee", role: "owner", dateIn: "2026-01-01" }] },
  roles: [{ role: "reader", access: "read", firstLevelApprovers: "lee" }],
  servers: [
    { server: "files", type: "local", path: "orders", format: "csv" },
    { server: "db", type: "postgres", host: "db", port: 5432, database: "shop", schema: "public" },
    { server: "bus", type: "kafka", host: "bus:9092", format: "json", environment: "prod" },
  ],
  slaProperties: [
    { property: "latency", value: 4, unit: "d", element: "t.at", driver: "regulatory" },
    { property: "retention", value: 3, unit: "y" },
    { property: "availability", value: "99.9" },
  ],
  customProperties: [{ property: "any", value: [1] }],
  authoritativeDefinitions: [{ url: "https://example.com", type: "tutorial" }],
  schema: [
    {
      name: "t",
      logicalType: "object",
      physicalName: "orders_1",
      customProperties: [{ property: "portolan.eventTime", value: "at" }],
      properties: [
        {
          name: "id",
          logicalType: "string",
          primaryKey: true,
          primaryKeyPosition: 1,
          logicalTypeOptions: { minLength: 1, maxLength: 9, pattern: "^[A-Z]+$" },
        },
        {
          name: "at",
          logicalType: "timestamp",
          required: true,
          logicalTypeOptions: { minimum: "2001-01-01T00:00:00Z", timezone: true, defaultTimezone: "Etc/UTC" },
        },
        {
          name: "day",
          logicalType: "date",
          logicalTypeOptions: { minimum: "2001-01-01", format: "yyyy-MM-dd" },
        },
        { name: "clock", logicalType: "time" },
        {
          name: "n",
          logicalType: "integer",
          unique: true,
          logicalTypeOptions: { minimum: 0, exclusiveMaximum: 10, multipleOf: 2, format: "i32" },
        },
        {
          name: "x",
          logicalType: "number",
          classification: "internal",
          logicalTypeOptions: { format: "f64" },
        },
        { name: "b", logicalType: "boolean", examples: [true], criticalDataElement: true },
        {
          name: "o",
          logicalType: "object",
          logicalTypeOptions: { minProperties: 1, required: ["a"] },
          properties: [
            { name: "a", logicalType: "integer", required: true, logicalTypeOptions: { minimum: 0 } },
            {
              name: "l",
              logicalType: "array",
              items: { logicalType: "object", properties: [{ name: "b", logicalType: "date" }] },
            },
          ],
        },
        {
          name: "a",
          logicalType: "array",
          logicalTypeOptions: { minItems: 1, uniqueItems: true },
          quality: [{ type: "text", description: "good" }],
        },
      ],
      quality: [
        { metric: "rowCount", mustBeGreaterThan: 0, dimension: "completeness", severity: "error" },
        {
          type: "library",
          metric: "duplicateValues",
          arguments: { properties: ["id", "n"] },
          mustBeLessThan: 1,
          unit: "percent",
        },
        { type: "sql", query: "select count(*) from {table}", mustBeBetween: [0, 9] },
      ],
    },
  ],
};

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
/** Every place of a document, as a path. */
function places(value: Json, path: readonly (string | number)[] = []): (string | number)[][] {
  if (typeof value !== "object" || value === null) return [[...path]];
  const entries: [string | number, Json][] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value);
  return [[...path], ...entries.flatMap(([key, child]) => places(child, [...path, key]))];
}
const all = places(base as Json).filter((path) => path.length > 0);
const mutation = fc.record({
  at: fc.constantFrom(...all),
  what: fc.oneof(
    fc.constant({ kind: "remove" as const }),
    fc.constant({ kind: "add" as const }),
    fc.record({
      kind: fc.constant("set" as const),
      value: fc.constantFrom<Json>("text", 3, -1, 0.5, true, null, [], {}, ["a", "a"], [1, 2]),
    }),
  ),
});

function mutated({ at, what }: { at: (string | number)[]; what: { kind: string; value?: Json } }): Json {
  const copy = structuredClone(base) as Json;
  const last = at.at(-1) ?? "";
  let parent = copy as Record<string | number, Json>;
  for (const key of at.slice(0, -1)) parent = parent[key] as Record<string | number, Json>;
  if (what.kind === "set") parent[last] = what.value ?? null;
  else if (what.kind === "remove") {
    if (Array.isArray(parent)) parent.splice(Number(last), 1);
    else Reflect.deleteProperty(parent, last);
  } else if (!Array.isArray(parent)) parent["unknownMember"] = "x";
  return copy;
}

/** Findings by which we refuse more than the schema: what is well formed and would mean nothing, or what nothing here executes. */
const ours =
  /must hold|exactly one table|repeats|is not understood|no column|no time zone|is no (timestamp|date|time|share)|event time|portolan\.|not a duration|nothing here|understood|column name|says not|names |judges|RE2|age of data|larger number|not one SELECT|does not read|lists no|element|exactly one threshold|must be a whole number|is well formed|not well formed|must be above zero|must be a list of two numbers|value must be a number|\barguments\b|metric is missing|customProperties.*must be text|nested value|describes members and items|quality\.\d+\.unit is |no name that a member can have/;

describe.skipIf(python === undefined)("the published schema of the standard", () => {
  let validate: ValidateFunction;
  beforeAll(() => {
    const [file] = globSync(
      join(dirname(python ?? ""), "../lib/python*/site-packages/open_data_contract_standard/schema.json"),
    );
    const ajv = new Ajv2019({ strict: false, validateFormats: false });
    validate = ajv.compile(JSON.parse(readFileSync(file ?? "", "utf8")) as object);
  });

  test("the contract of the example is one of the standard's", () => {
    const file = new URL("../../../examples/flight-delays/contracts/flights.odcs.yaml", import.meta.url);
    const reading = readYaml(readFileSync(file, "utf8"), { noun: "contract", maximumBytes: 100_000 });
    expect(reading.kind === "read" && validate(reading.value), JSON.stringify(validate.errors)).toBe(true);
  });

  test("whatever the schema refuses is refused with its line, and what it takes only for reasons of our own (D1)", () => {
    let refused = 0;
    fc.assert(
      fc.property(mutation, (change) => {
        const document = mutated(change);
        const theirs = validate(document);
        if (!theirs) refused += 1;
        const findings = lint(document);
        if (!theirs) return findings.length > 0;
        const foreign = findings.filter((finding) => !ours.test(finding));
        if (foreign.length > 0) throw new Error(`${JSON.stringify(change)}: ${foreign.join("; ")}`);
        return true;
      }),
      { numRuns: 3000, seed: 20_261_126 },
    );
    expect(refused).toBeGreaterThan(1000);
  });
});

function lint(document: Json): string[] {
  try {
    readContract(JSON.stringify(document), "orders.odcs.yaml");
    return [];
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    for (const violation of error.violations) expect(violation.at?.line, violation.detail).toBeGreaterThan(0);
    return error.violations.map(({ detail }) => detail);
  }
}
