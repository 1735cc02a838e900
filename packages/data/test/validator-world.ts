import { digestBytes } from "@portolan/kernel";
import fc from "fast-check";
import type { DataContract } from "../src/contracts/contract-model.ts";
import { readContract } from "../src/contracts/read-contract.ts";

export const zones = new Map([
  ["BOS", "America/New_York"],
  ["LHR", "Europe/London"],
  ["KTM", "Asia/Kathmandu"],
]);

type Options = Readonly<Record<string, unknown>>;
const invalidValues = (validValues: readonly unknown[]) => ({
  metric: "invalidValues",
  name: "listed",
  arguments: { validValues },
  mustBe: 0,
});
/** The rule's name is that of the value, and its metric. */
const unnamed = (validValues: readonly unknown[]) => ({
  metric: "invalidValues",
  arguments: { validValues },
  mustBe: 0,
});
/** What a column of each kind may demand; one of each is drawn per contract. */
const variants: Readonly<Record<string, readonly Options[]>> = {
  string: [
    {},
    { logicalTypeOptions: { minLength: 2, maxLength: 5 } },
    { logicalTypeOptions: { pattern: "^[A-Z]{3}$" } },
    { logicalTypeOptions: { pattern: "\\s.|\\p{L}\\d?$" } },
    { logicalTypeOptions: { format: "email" } },
    { logicalTypeOptions: { format: "ipv6" } },
    { quality: [invalidValues(["a", "é", "👍", "1"])] },
  ],
  integer: [
    { required: true },
    { logicalTypeOptions: { minimum: -3, exclusiveMaximum: 2 ** 60 } },
    { logicalTypeOptions: { minimum: 0.5, multipleOf: 3 } },
    { logicalTypeOptions: { format: "i8", multipleOf: 0.5 } },
    { quality: [invalidValues([1, 2, 7, -1])] },
  ],
  number: [
    {},
    { logicalTypeOptions: { exclusiveMinimum: 0.1, maximum: 1e18 } },
    { logicalTypeOptions: { multipleOf: 0.01 } },
    { logicalTypeOptions: { format: "f32" } },
    { quality: [invalidValues([0.5, 1, -0.25])] },
    { customProperties: [{ property: "portolan.scale", value: 2 }] },
    {
      logicalTypeOptions: { exclusiveMinimum: 0.1, multipleOf: 0.01 },
      customProperties: [{ property: "portolan.scale", value: 9 }],
    },
  ],
  boolean: [{}, { quality: [invalidValues([true])] }],
  date: [
    {},
    { logicalTypeOptions: { minimum: "2000-02-29", exclusiveMaximum: "2024-01-01" } },
    { logicalTypeOptions: { format: "dd.MM.yyyy" } },
    { quality: [invalidValues(["2001-01-01", "1960-02-29"])] },
  ],
  time: [{}, { logicalTypeOptions: { minimum: "06:00", maximum: "18:30:00.000001" } }],
  instant: [
    {},
    { logicalTypeOptions: { minimum: "2001-01-01T00:00:00Z" } },
    { logicalTypeOptions: { defaultTimezone: "Europe/Paris" } },
    { logicalTypeOptions: { format: "yyyyMMdd'T'HHmmss.SSSX" } },
  ],
  array: [
    { items: { logicalType: "integer", required: true, logicalTypeOptions: { minimum: 0, multipleOf: 3 } } },
    {
      items: {
        properties: [
          { name: "a", logicalType: "timestamp", required: true },
          { name: "b", logicalType: "string", logicalTypeOptions: { minLength: 2, format: "email" } },
          {
            name: "c",
            logicalType: "array",
            logicalTypeOptions: { uniqueItems: true },
            items: { logicalType: "date" },
          },
        ],
      },
    },
    {},
    { logicalTypeOptions: { minItems: 1, maxItems: 2, uniqueItems: true } },
  ],
  object: [
    {
      properties: [
        { name: "a", logicalType: "number", required: true, logicalTypeOptions: { maximum: 100 } },
        { name: "b", logicalType: "string", quality: [unnamed(["a", "BOS", "1"])] },
        { name: "the c", physicalName: "c", logicalType: "boolean" },
      ],
    },
    {
      properties: [
        {
          name: "a",
          logicalType: "array",
          items: { logicalType: "number", quality: [unnamed([1, 0.3])] },
        },
        {
          name: "b",
          logicalType: "object",
          logicalTypeOptions: { minProperties: 1, required: ["b"] },
          properties: [
            { name: "a", logicalType: "date", required: true, logicalTypeOptions: { format: "dd.MM.yyyy" } },
            { name: "c", logicalType: "timestamp", logicalTypeOptions: { defaultTimezone: "Europe/Paris" } },
          ],
        },
      ],
    },
    {},
    { logicalTypeOptions: { minProperties: 1, maxProperties: 2, required: ["a"] } },
  ],
};
const logical = (kind: string): string => (kind === "instant" ? "timestamp" : kind);

/** Takes the next variant of every kind with each number, so that a few numbers see them all. */
export function aContract(number: number): DataContract {
  const chosen = Object.entries(variants).map(
    ([kind, list]) => [kind, list[number % list.length] ?? {}] as const,
  );
  return readContract(
    JSON.stringify({
      apiVersion: "v3.1.0",
      kind: "DataContract",
      id: "anything",
      version: "1.0.0",
      status: "active",
      schema: [
        {
          name: "anything",
          customProperties: [{ property: "portolan.eventTime", value: "instant" }],
          properties: [
            ...chosen.map(([kind, options]) => ({
              name: kind,
              physicalName: `the ${kind}`,
              logicalType: logical(kind),
              ...options,
            })),
            { name: "wall", logicalType: "timestamp", logicalTypeOptions: { timezone: false } },
            { name: "airport", logicalType: "string" },
            {
              name: "derived",
              logicalType: "timestamp",
              customProperties: [
                {
                  property: "portolan.localTime",
                  value: { from: "wall", key: "airport", zones: "airports.csv" },
                },
              ],
            },
          ],
        },
      ],
    }),
    "anything.odcs.yaml",
    { "airports.csv": digestBytes(new Uint8Array()) },
  );
}

const digits = (length: number) =>
  fc.string({ unit: fc.constantFrom("0", "1", "2", "5", "7", "9"), minLength: 1, maxLength: length });
/** Times near what is special: leap days, clock changes, both ends of the calendar. */
const moment = fc
  .tuple(
    fc.constantFrom(
      "2001-01-01",
      "2000-02-29",
      "2001-02-29",
      "1960-02-29",
      "2023-10-29",
      "2024-03-31",
      "2001-10-28",
      "0001-01-01",
      "9999-12-31",
      "0000-00-00",
      "2001-1-1",
    ),
    fc.constantFrom("", " ", "T"),
    fc.constantFrom(
      "",
      "00:00",
      "02:30:00",
      "01:59:59.999999",
      "23:59:60",
      "24:00:00",
      "10:00:00.1234567",
      "10:00:00.5000000",
      "9:00",
    ),
    fc.constantFrom("", "Z", "+01", "-0530", "+14:59", "+15:00", " Z", "z", " Europe/Paris"),
  )
  .map((parts) => parts.join(""));
const word: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: moment },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom("", "-", "+", " "),
        digits(20),
        fc.constantFrom("", ".0", ".00", ".5", ".005", ".285", ".", "e3", "E-2", "e400", "_0", " "),
      )
      .map((parts) => parts.join("")),
  },
  fc.constantFrom(
    "true",
    "FALSE",
    "Yes",
    "n",
    "T",
    "NaN",
    "inf",
    "null",
    "0x10",
    ".5",
    "-0",
    "-.25",
    "0.3",
    "1.1",
    "0.07",
    "129",
    "-128",
  ),
  fc.constantFrom(
    "a",
    "é",
    "e\u0301",
    "👍",
    "BOS",
    "ABC",
    "abc",
    "a b",
    "a\u00a0b",
    "a\tb",
    "A1",
    "x@y.org",
    "x@y",
    "::1",
    "1::",
    "::ffff:1.2.3.4",
    "1:2:3:4:5:6:7",
    "01.01.2001",
    "29.02.2001",
    "20010101T100000.5Z",
    "20011301T100000.1+01:00",
    "06:00",
    "18:30:00.000002",
    "24:00",
  ),
  fc.string({ maxLength: 6 }).filter((text) => !/[\r\n\0]/.test(text)),
);
/** Wall clocks that exist twice, or not at all, in one of the zones. */
const changing = fc.constantFrom(
  "2001-10-28 02:30:00",
  "2001-03-25 02:30:00",
  "2023-10-29T02:15:00.5",
  "2001-10-28T01:30:00",
  "2001-04-01 02:30:00",
);
export const csvCell = fc.oneof(
  { weight: 8, arbitrary: word },
  { weight: 3, arbitrary: changing },
  fc.constant(""),
);
const jsonNumber = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1, 0.3, 0.07, 129, 1e3, 2 ** 53, 2 ** 60, 1e300, -1.5),
  // About the bound of a number of scale 2.
  fc.constantFrom(22_517_998_136_852.48, 22_517_998_136_852.49, 22_517_998_136_852.47, 40_000_000_000_000.09),
);
const jsonLeaf = fc.oneof(
  { weight: 4, arbitrary: word.map((text) => JSON.stringify(text)) },
  { weight: 2, arbitrary: changing.map((text) => JSON.stringify(text)) },
  { weight: 3, arbitrary: jsonNumber.map(String) },
  fc.constantFrom(
    "true",
    "false",
    "null",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "123456789012345678901234567890",
    "1.0",
    "1e3",
    "1E-2",
    "12.50",
    "1e400",
    "-0",
    "-0.0",
    "1e18",
    "9007199254740994.0",
  ),
);
/** Some have an item twice. */
const arrayOf = (item: fc.Arbitrary<string>) =>
  fc
    .tuple(fc.array(item, { maxLength: 3 }), fc.nat(4))
    .map(([items, twice]) => `[${[...items, ...items.slice(0, twice === 0 ? 1 : 0)].join(",")}]`);
const objectOf = (member: fc.Arbitrary<string>) =>
  fc
    .uniqueArray(fc.constantFrom("a", "b", "c"), { maxLength: 3 })
    .chain((keys) =>
      fc
        .tuple(...keys.map(() => member))
        .map((cells) => `{${keys.map((key, at) => `"${key}":${cells[at] ?? "null"}`).join(",")}}`),
    );
const shallow = fc.oneof({ weight: 4, arbitrary: jsonLeaf }, arrayOf(jsonLeaf), objectOf(jsonLeaf));
const jsonCell = fc.oneof({ weight: 6, arbitrary: jsonLeaf }, arrayOf(shallow), objectOf(shallow));
export const airport = fc.constantFrom("BOS", "LHR", "KTM", "ZZZ");
/** Columns of arrays and objects have mostly such, so that what lies within them is judged, too. */
const structures: Readonly<Record<string, fc.Arbitrary<string>>> = {
  "the array": fc.oneof(
    { weight: 4, arbitrary: arrayOf(shallow) },
    { weight: 4, arbitrary: arrayOf(objectOf(shallow)) },
    jsonCell,
  ),
  "the object": fc.oneof({ weight: 8, arbitrary: objectOf(shallow) }, jsonCell),
  airport: airport.map((at) => JSON.stringify(at)),
};
export const cellOf = (name: string) => structures[name] ?? jsonCell;
