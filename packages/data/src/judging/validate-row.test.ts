import { digestBytes } from "@portolan/kernel";
import { expect, test } from "vitest";
import { readContract } from "../contracts/read-contract.ts";
import { membersOf, readJsonCell } from "../values/json-cell.ts";
import { RowValidator } from "./validate-row.ts";

/**
 * docs/spec/data-contracts.md D4 to D5b, D7 and D7a in figures that a reader can check by hand. That DuckDB reads and judges every row like the
 * validator is for validator-parity.test.ts.
 */

type Property = Readonly<Record<string, unknown>>;

function aContract(...properties: Property[]) {
  const document = {
    apiVersion: "v3.1.0",
    kind: "DataContract",
    id: "anything",
    version: "1.0.0",
    status: "active",
    schema: [{ name: "anything", properties }],
  };
  const zones = { "zones.csv": digestBytes(new Uint8Array()) };
  return readContract(JSON.stringify(document), "anything.odcs.yaml", zones);
}

/** What becomes of one text in the column `c`: its value, or the rules that it breaks. */
function ofText(property: Property, text: string | null): unknown {
  const verdict = new RowValidator(aContract({ name: "c", ...property })).judgeText(
    new Map([["c", text]]),
    0,
  );
  return verdict.violations.length > 0 ? verdict.violations.join() : verdict.values["c"];
}

/** The same of one JSON text. */
function ofJson(property: Property, json: string): unknown {
  const cells = membersOf(readJsonCell(`{"c":${json}}`)) ?? new Map();
  const verdict = new RowValidator(aContract({ name: "c", ...property })).judgeJson(cells, 0);
  return verdict.violations.length > 0 ? verdict.violations.join() : verdict.values["c"];
}

const day = 86_400_000_000n;

test.each([
  ["integer", "9223372036854775807", 2n ** 63n - 1n],
  ["integer", "9223372036854775808", "c.type"],
  ["integer", " -7.00 ", -7n],
  ["integer", "1.5", "c.type"],
  ["integer", "+1", "c.type"],
  ["integer", "1e3", "c.type"],
  ["number", "-1.5e3", -1500],
  ["number", "1e400", "c.type"],
  ["number", "NaN", "c.type"],
  ["boolean", "YES", true],
  ["boolean", "f", false],
  ["boolean", "on", "c.type"],
  ["date", "2001-01-31", 11_353n],
  ["date", "2001-02-29", "c.type"],
  ["date", "2001-1-31", "c.type"],
  ["time", "10:00", 36_000_000_000n],
  ["time", "10:00:00.000001", 36_000_000_001n],
  ["time", "24:00", "c.type"],
  ["timestamp", "1970-01-02T00:00:00+01:00", day - 3_600_000_000n],
  ["timestamp", "1970-01-02 00:00", day],
  ["timestamp", "1970-01-02T00:00Z", "c.type"],
] as const)("a text of %s: %j is %s (D4, D7, D7a)", (logicalType, text, expected) => {
  expect(ofText({ logicalType }, text)).toBe(expected);
});

test("a naive time is UTC, a wall clock, or the time of the zone that is stated (D4)", () => {
  const at = (options: object) =>
    ofText({ logicalType: "timestamp", logicalTypeOptions: options }, "2001-07-01 12:00:00");
  const noon = BigInt(Date.UTC(2001, 6, 1, 12)) * 1000n;
  expect(at({})).toBe(noon);
  expect(at({ timezone: false })).toBe(noon);
  // Paris is two hours ahead in summer.
  expect(at({ defaultTimezone: "Europe/Paris" })).toBe(noon - 7_200_000_000n);
  expect(
    aContract({ name: "c", logicalType: "timestamp", logicalTypeOptions: { timezone: false } }).columns,
  ).toEqual([expect.objectContaining({ type: "local" })]);
});

test.each([
  ["integer", "1.0", 1n],
  ["integer", '"12"', 12n],
  ["integer", "true", "c.type"],
  ["number", "9007199254740993", 9_007_199_254_740_992],
  ["string", "12", "c.type"],
  ["string", '"12"', "12"],
  ["boolean", "1", true],
  ["boolean", "2", "c.type"],
  ["date", "20010131", "c.type"],
] as const)("JSON of %s: %s is %s, a number being no text (D7a)", (logicalType, json, expected) => {
  expect(ofJson({ logicalType }, json)).toBe(expected);
});

test("members and items are counted, required and told apart; a text is neither (D4)", () => {
  const object = {
    logicalType: "object",
    logicalTypeOptions: { minProperties: 1, maxProperties: 2, required: ["a"] },
  };
  const array = { logicalType: "array", logicalTypeOptions: { minItems: 1, maxItems: 2, uniqueItems: true } };
  expect(ofJson(object, '{"a":null,"b":1}')).toMatchObject({ json: {} });
  expect(ofJson(object, "{}")).toBe("c.minProperties,c.required.a");
  expect(ofJson(object, '{"a":1,"b":1,"d":1}')).toBe("c.maxProperties");
  expect(ofJson(object, "[1]")).toBe("c.type");
  expect(ofJson(array, "[1,2]")).toMatchObject({ json: [{ number: "1" }, { number: "2" }] });
  expect(ofJson(array, "[1,1]")).toBe("c.uniqueItems");
  expect(ofJson(array, "[]")).toBe("c.minItems");
  expect(ofText(array, "[1]")).toBe("c.type");
});

const lines = {
  name: "lines",
  logicalType: "array",
  items: {
    logicalType: "object",
    properties: [
      { name: "sku", logicalType: "string", required: true, logicalTypeOptions: { pattern: "^[A-Z]+$" } },
      { name: "count", logicalType: "integer", logicalTypeOptions: { minimum: 1 } },
      { name: "tags", logicalType: "array", items: { logicalType: "string", required: true } },
    ],
  },
};
const shipped = {
  name: "shipped",
  logicalType: "object",
  properties: [
    { name: "at", logicalType: "timestamp", required: true },
    {
      name: "to",
      logicalType: "object",
      properties: [
        {
          name: "country",
          logicalType: "string",
          quality: [
            { metric: "invalidValues", name: "known", arguments: { validValues: ["CH", "AT"] }, mustBe: 0 },
          ],
        },
      ],
    },
  ],
};

test.each([
  ['{"lines":[{"sku":"A","count":1,"tags":["x"]},{"sku":"B"}],"shipped":{"at":"2001-01-01","to":null}}', []],
  // A column that is null, or of another kind, is judged by its own rules alone.
  ["{}", []],
  ['{"lines":{"sku":1},"shipped":[]}', ["lines.type", "shipped.type"]],
  ['{"lines":[1,{"sku":null},{"count":"2"}]}', ["lines[].type", "lines[].sku.required"]],
  [
    '{"lines":[{"sku":"a","count":0},{"sku":1,"count":1.5}]}',
    ["lines[].sku.type", "lines[].sku.pattern", "lines[].count.type", "lines[].count.minimum"],
  ],
  ['{"lines":[{"sku":"A","tags":["x",null,1]}]}', ["lines[].tags[].type", "lines[].tags[].required"]],
  ['{"shipped":{"at":"soon","to":{"country":"DE"}}}', ["shipped.at.type", "known"]],
  ['{"shipped":{"to":{"country":"CH"}}}', ["shipped.at.required"]],
] as const)("of what lies within columns %s breaks %j (D4b)", (json, expected) => {
  const cells = membersOf(readJsonCell(json)) ?? new Map();
  expect(new RowValidator(aContract(lines, shipped)).judgeJson(cells, 0).violations).toEqual(expected);
});

test("a tag, and the one class, of what lies within a column is the column's; a column of two classes is refused (D4b)", () => {
  const holder = (more: object, ...classes: string[]) => ({
    name: "patient",
    logicalType: "object",
    ...more,
    properties: classes.map((classification, index) => ({
      name: `p${index}`,
      logicalType: "string",
      classification,
      tags: ["phi"],
    })),
  });
  expect(aContract(holder({ tags: ["care"] }, "restricted")).columns).toMatchObject([
    { classification: "restricted", tags: ["care", "phi"] },
  ]);
  for (const column of [holder({}, "a", "b"), holder({ classification: "public" }, "restricted")])
    expect(() => aContract(column)).toThrow(
      expect.objectContaining({ code: "data.contract_invalid" }) as Error,
    );
});

test.each([
  ["a key of rows", { primaryKey: true }],
  ["a custom property", { customProperties: [{ property: "portolan.subject", value: true }] }],
  ["a rule that judges batches", { quality: [{ metric: "nullValues", mustBeLessThan: 3 }] }],
  ["a name that no path can hold", { physicalName: 'a"b' }],
  ["a name that is every member of a path", { name: "*" }],
  ["a name that comes twice", { name: "b", physicalName: "c" }],
  ["a member that comes twice", { physicalName: "b" }],
])("%s within a column is refused (D4b)", (_, more) => {
  const inner = { name: "a", logicalType: "string", ...more };
  const other = { name: "b", logicalType: "string" };
  expect(aContract({ name: "c", logicalType: "object", properties: [other] }).columns).toHaveLength(1);
  expect(() => aContract({ name: "c", logicalType: "object", properties: [inner, other] })).toThrow(
    expect.objectContaining({ code: "data.contract_invalid" }) as Error,
  );
});

test("the instant of a wall clock: twice is the earlier, never is moved forward, an unknown key breaks a rule (D5)", () => {
  const contract = aContract(
    { name: "wall", logicalType: "timestamp", logicalTypeOptions: { timezone: false } },
    { name: "airport", logicalType: "string" },
    {
      name: "at",
      logicalType: "timestamp",
      customProperties: [
        { property: "portolan.localTime", value: { from: "wall", key: "airport", zones: "zones.csv" } },
      ],
    },
  );
  const validator = new RowValidator(contract, { "zones.csv": new Map([["BOS", "America/New_York"]]) });
  const judge = (wall: string, airport: string) =>
    validator.judgeText(
      new Map([
        ["wall", wall],
        ["airport", airport],
      ]),
      0,
    );
  const utc = (hour: number, month: number, of: number) =>
    BigInt(Date.UTC(2001, month, of, hour, 30)) * 1000n;
  // 01:30 on 28 October came at 05:30 UTC, in summer time, and again at 06:30.
  expect(judge("2001-10-28 01:30:00", "BOS").values["at"]).toBe(utc(5, 9, 28));
  // There was no 02:30 on 1 April: 03:30 of summer time is 07:30 UTC.
  expect(judge("2001-04-01 02:30:00", "BOS").values["at"]).toBe(utc(7, 3, 1));
  expect(judge("2001-04-01 02:30:00", "ZZZ").violations).toEqual(["at.time_zone"]);
});

test.each([
  ["integer", { minimum: 3 }, ["3"], ["2"], "minimum"],
  ["integer", { exclusiveMaximum: 3 }, ["2"], ["3"], "exclusiveMaximum"],
  ["integer", { multipleOf: 3 }, ["-6"], ["7"], "multipleOf"],
  ["number", { multipleOf: 0.1 }, ["0.3", "1.1"], ["0.35"], "multipleOf"],
  ["integer", { format: "i8" }, ["-128", "127"], ["128", "-129"], "format"],
  ["number", { format: "f32" }, ["3.4e38"], ["3.5e38"], "format"],
  ["string", { minLength: 2, maxLength: 2 }, ["👍👍", "é1"], ["👍👍👍"], "maxLength"],
  ["string", { pattern: "^[A-Z]{3}$" }, ["BOS"], ["BOSS"], "pattern"],
  ["string", { format: "email" }, ["a@b.org"], ["a@b", "a b@c.org"], "format"],
  ["string", { format: "uuid" }, ["0190a5b4-0000-7000-8000-00000000abcd"], ["0190a5b4"], "format"],
  ["string", { format: "uri" }, ["https://a.org/b?c=%20"], ["a.org", "x: y"], "format"],
  ["string", { format: "hostname" }, ["a-1.example"], ["-a.example"], "format"],
  ["string", { format: "ipv4" }, ["10.0.0.255"], ["10.0.0.256", "10.0.0"], "format"],
  ["string", { format: "ipv6" }, ["::1", "1:2::8"], ["1::2::3"], "format"],
  ["string", { format: "byte" }, ["YWI="], ["YWI"], "format"],
  ["date", { minimum: "2000-02-29" }, ["2000-02-29"], ["2000-02-28"], "minimum"],
  ["date", { format: "dd.MM.yyyy", maximum: "2001-01-31" }, ["31.01.2001"], ["01.02.2001"], "maximum"],
] as const)("of %s the options %j take %j and refuse %j (D5a)", (logicalType, options, good, wrong, rule) => {
  const column = { logicalType, logicalTypeOptions: options };
  for (const text of good) expect(String(ofText(column, text)), text).not.toMatch(/^c\./);
  for (const text of wrong) expect(ofText(column, text), text).toBe(`c.${rule}`);
});

test("an option that nothing checks is refused (D5a)", () => {
  expect(() =>
    aContract({ name: "c", logicalType: "string", logicalTypeOptions: { format: "iban" } }),
  ).toThrow(expect.objectContaining({ code: "data.contract_invalid" }) as Error);
});

test("columns of a primary key are required, and unique together (D5b)", () => {
  const key = (name: string, primaryKeyPosition: number) => ({
    name,
    logicalType: "integer",
    primaryKey: true,
    primaryKeyPosition,
  });
  const contract = aContract(key("second", 2), key("first", 1), { name: "other", logicalType: "string" });
  expect(contract.rowRules.map(({ name }) => name)).toEqual(["second.required", "first.required"]);
  expect(contract.batchRules).toEqual([
    expect.objectContaining({
      metric: "duplicateValues",
      columns: ["first", "second"],
      operator: "mustBe",
      limits: [0],
    }),
  ]);
});

test("null breaks required alone; a value of the wrong type is not a missing one (D7)", () => {
  const column = { logicalType: "integer", logicalTypeOptions: { minimum: 3, multipleOf: 2 } };
  expect(ofText(column, null)).toBeNull();
  expect(ofText({ ...column, required: true }, null)).toBe("c.required");
  expect(ofText({ ...column, required: true }, "x")).toBe("c.type");
});
