import { readFileSync } from "node:fs";
import { digestBytes } from "@portolan/kernel";
import { expect, test } from "vitest";
import { readContract } from "../read-contract.ts";
import { diffContracts } from "./diff-contracts.ts";

const airports = { "airports.csv": digestBytes(new Uint8Array()) };
const flights = readFileSync(
  new URL("../../../../../examples/flight-delays/contracts/flights.odcs.yaml", import.meta.url),
  "utf8",
);
const read = (text: string) => readContract(text, "flights.odcs.yaml", airports);
const diff = (before: string, after: string) => diffContracts(read(before), read(after));
const edit =
  (from: string | RegExp, to: string) =>
  (text: string): string => {
    const edited = text.replace(from, to);
    expect(edited).not.toBe(text);
    return edited;
  };
const column = (text: string) =>
  `      - name: carrier\n        logicalType: string\n${text}      - name: origin\n`;

test("a contract differs from itself in nothing, and layout is no difference", () => {
  const same = diff(flights, `# note\n${flights}`);
  expect(same).toEqual({ changes: [], breaking: false, demands: "none", versioned: true });
});

test.each([
  [
    "a required column is new",
    edit("      - name: origin\n", column("        required: true\n")),
    "columns.carrier",
    "breaking",
    "producer",
  ],
  [
    "an optional column is new",
    edit("      - name: origin\n", column("")),
    "columns.carrier",
    "compatible",
    "consumer",
  ],
  [
    "a column became required",
    edit(
      "logicalTypeOptions: { minimum: 1, maximum: 6000 }",
      "logicalTypeOptions: { minimum: 1, maximum: 6000, multipleOf: 2 }",
    ),
    "rules.distance.multipleOf",
    "breaking",
    "producer",
  ],
  [
    "a column may be null now",
    edit(/(name: distance\n.*\n) +required: true\n/, "$1"),
    "rules.distance.required",
    "breaking",
    "consumer",
  ],
  [
    "a range is narrower",
    edit("maximum: 2880", "maximum: 2879"),
    "rules.delay.maximum",
    "breaking",
    "producer",
  ],
  [
    "a range is wider",
    edit("maximum: 2880", "maximum: 2881"),
    "rules.delay.maximum",
    "compatible",
    "consumer",
  ],
  [
    "a lower bound is wider",
    edit("minimum: -180", "minimum: -181"),
    "rules.delay.minimum",
    "compatible",
    "consumer",
  ],
  [
    "a pattern is another",
    edit('"^[A-Z]{3}$"', '"^[A-Z]{3,4}$"'),
    "rules.origin.pattern",
    "breaking",
    "producer",
  ],
  [
    "a type is another",
    edit(/(name: delay\n +logicalType: )integer/, "$1number"),
    "columns.delay.type",
    "breaking",
    "consumer",
  ],
  [
    "a demand on batches is looser",
    edit("mustBeLessThan: 1", "mustBeLessThan: 2"),
    "batch.repeated flights",
    "compatible",
    "consumer",
  ],
  [
    "a demand on batches is stricter",
    edit("mustBeLessThan: 1", "mustBeLessThan: 0.5"),
    "batch.repeated flights",
    "breaking",
    "producer",
  ],
  ["fewer bad rows are allowed", edit("value: 0.01", "value: 0.001"), "maxBadShare", "breaking", "producer"],
  ["data is kept for longer", edit("value: 30", "value: 31"), "retentionMs", "compatible", "consumer"],
  [
    "freshness is new",
    edit("slaProperties:\n", "slaProperties:\n  - property: freshness\n    value: 1\n    unit: d\n"),
    "freshnessMs",
    "breaking",
    "producer",
  ],
  [
    "another team owns it",
    edit("username: data-platform", "username: someone-else"),
    "team",
    "compatible",
    "nobody",
  ],
] as const)("%s", (_, change, path, kind, affects) => {
  const { changes } = diff(flights, change(flights));
  expect(changes).toEqual([expect.objectContaining({ path, kind, affects })]);
});

test("a list of valid values that shrinks is breaking, one that grows is not", () => {
  const listed = (values: string) =>
    edit(
      'pattern: "^[A-Z]{3}$" }',
      `minLength: 3 }\n        quality: [{ metric: invalidValues, name: known, arguments: { validValues: [${values}] }, mustBe: 0 }]`,
    )(flights);
  expect(diff(listed("BOS, LAX"), listed("BOS")).demands).toBe("major");
  expect(diff(listed("BOS"), listed("BOS, LAX")).demands).toBe("minor");
});

const listedBeside = (values: string) =>
  edit(
    'pattern: "^[A-Z]{3}$" }',
    `minLength: 3 }\n        quality: [{ metric: invalidValues, name: known, arguments: { validValues: [${values}], pattern: "^[A-Z]+$" }, mustBe: 0 }]`,
  )(flights);
const inFormat = (format: string) =>
  edit("{ minimum: 1, maximum: 6000 }", `{ minimum: 1, maximum: 6000, format: ${format} }`)(flights);
const rowCounts = (least: number, most: number) =>
  edit(
    "    quality:\n",
    `    quality:\n      - { metric: rowCount, mustBeGreaterThan: ${least} }\n      - { metric: rowCount, mustBeLessThan: ${most} }\n`,
  )(flights);

test("rules that share a column and a name are each compared with their own kind", () => {
  expect(diff(listedBeside("BOS, LAX"), listedBeside("BOS"))).toMatchObject({
    demands: "major",
    changes: [{ kind: "breaking", path: "rules.known", after: { kind: "valid_values", values: ["BOS"] } }],
  });
  expect(diff(listedBeside("BOS"), listedBeside("BOS, LAX")).demands).toBe("minor");
  for (const [signed, unsigned] of [
    ["i8", "u8"],
    ["i32", "u32"],
  ] as const)
    expect(diff(inFormat(signed), inFormat(unsigned)).changes).toMatchObject([
      { kind: "breaking", path: "rules.distance.format", before: { bound: "min" }, after: { limit: 0 } },
      { kind: "compatible", path: "rules.distance.format", before: { bound: "max" } },
    ]);
});

test("two demands on one figure are compared each with its own", () => {
  expect(diff(rowCounts(1, 1000), rowCounts(2, 1000)).changes).toMatchObject([
    { kind: "breaking", path: "batch.rowCount", before: { limits: [1] }, after: { limits: [2] } },
  ]);
  expect(diff(rowCounts(1, 1000), rowCounts(1, 2000)).demands).toBe("minor");
});

test("of rules that share even their kind, equal ones belong together", () => {
  const patterns = (...list: string[]) =>
    edit(
      'pattern: "^[A-Z]{3}$" }',
      `minLength: 3 }\n        quality: [${list.map((one) => `{ metric: invalidValues, arguments: { pattern: "${one}" }, mustBe: 0 }`).join(", ")}]`,
    )(flights);
  expect(diff(patterns("^A", "B$"), patterns("B$", "^A")).changes).toEqual([]);
  expect(diff(patterns("^A", "B$"), patterns("B$", "^C")).changes).toMatchObject([
    { kind: "breaking", before: { pattern: "^A" }, after: { pattern: "^C" } },
  ]);
  expect(diff(patterns("^A", "B$"), patterns("B$")).changes).toMatchObject([
    { kind: "compatible", before: { pattern: "^A" } },
  ]);
});

test("the version has to grow by what the changes demand (D18)", () => {
  const to = (version: string) => edit("version: 1.0.0", `version: ${version}`);
  const narrower = edit("maximum: 2880", "maximum: 100");
  const wider = edit("maximum: 2880", "maximum: 9999");
  expect(diff(flights, to("1.0.1")(narrower(flights))).versioned).toBe(false);
  expect(diff(flights, to("1.1.0")(narrower(flights))).versioned).toBe(false);
  expect(diff(flights, to("2.0.0")(narrower(flights))).versioned).toBe(true);
  expect(diff(flights, to("1.0.1")(wider(flights))).versioned).toBe(false);
  expect(diff(flights, to("1.1.0")(wider(flights))).versioned).toBe(true);
  expect(diff(to("0.3.0")(flights), to("0.4.0")(narrower(flights))).versioned).toBe(true);
  expect(diff(flights, to('"2026-11"')(narrower(flights))).versioned).toBeUndefined();
});

const nested = (items: string) =>
  edit(
    "      - name: origin\n",
    `      - name: legs\n        logicalType: array\n        items: ${items}\n      - name: origin\n`,
  )(flights);

test.each([
  ["demands more", "minimum: 1", "minimum: 2", "breaking", "producer"],
  ["demands less", "minimum: 2", "minimum: 1", "compatible", "consumer"],
] as const)("a nested value that %s has its class (D18)", (_, before, after, kind, affects) => {
  const of = (option: string) => nested(`{ logicalType: integer, logicalTypeOptions: { ${option} } }`);
  expect(diff(of(before), of(after)).changes).toEqual([
    expect.objectContaining({ path: "rules.legs[].minimum", kind, affects }),
  ]);
});

test("a nested value of another type, one that may be missing now, and one that is described no more break somebody (D18)", () => {
  const changes = (before: string, after: string) =>
    diff(nested(before), nested(after)).changes.map(
      ({ path, kind, affects }) => `${path} ${kind} ${affects}`,
    );
  expect(changes("{ logicalType: integer }", "{ logicalType: string }")).toEqual([
    "rules.legs[].type breaking producer",
  ]);
  expect(changes("{ logicalType: integer, required: true }", "{ logicalType: integer }")).toEqual([
    "rules.legs[].required breaking consumer",
  ]);
  const object = (members: string) => `{ logicalType: object, properties: [${members}] }`;
  expect(changes(object("{ name: a }"), object("{ name: b }"))).toEqual([
    "rules.legs[].b.type breaking producer",
    "rules.legs[].a.type breaking consumer",
  ]);
});
