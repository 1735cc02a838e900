import { isPortolanError } from "@portolan/kernel";
import { expect, test } from "vitest";
import { measuredLevels } from "../contracts/measured-levels.ts";
import { readContract } from "../contracts/read-contract.ts";
import type { ContractHealth } from "./health-store.ts";
import { judgeLevels } from "./judge-levels.ts";

const document = (...levels: string[]) => `apiVersion: v3.1.0
kind: DataContract
id: flights
version: 1.0.0
status: active
schema:
  - name: flights
    customProperties: [{ property: portolan.eventTime, value: at }]
    properties:
      - { name: at, logicalType: timestamp }
      - { name: delay, logicalType: integer }
slaProperties:
${levels.map((level) => `  - { ${level} }`).join("\n")}
`;
const read = (...levels: string[]) => measuredLevels(readContract(document(...levels), "flights.odcs.yaml"));

test("levels that are measured are read with their units, freshness first; others are words (D28)", () => {
  expect(
    read(
      "property: availability, value: 99",
      "property: rowCount, value: 1000",
      "property: schemaDrift, value: 0, unit: columns",
      "property: nullShare, value: 5, unit: percent, element: flights.delay",
      "property: nullShareRise, value: 0.1",
      "property: reprocessing, value: 2, unit: h",
      "property: freshness, value: 6, unit: h",
    ),
  ).toEqual([
    { measure: "freshness", op: "lte", bound: 21_600 },
    { measure: "rowCount", op: "gte", bound: 1000 },
    { measure: "schemaDrift", op: "lte", bound: 0 },
    { measure: "nullShare", column: "delay", op: "lte", bound: 0.05 },
    { measure: "nullShareRise", op: "lte", bound: 0.1 },
    { measure: "reprocessing", op: "lte", bound: 7200 },
  ]);
});

test.each([
  ["property: rowCount, value: 1.5", /^13: .*rowCount.*least number of rows/],
  ["property: rowCount, value: many", /^13: .*rowCount/],
  ["property: schemaDrift, value: -1", /^13: .*schemaDrift/],
  ["property: nullShare, value: 0.05", /^13: .*nullShare.*element/],
  ["property: nullShare, value: 5, element: delay", /^13: .*nullShare/],
  ["property: nullShare, value: 0.05, element: flights.late", /^13: .*flights\.late, which is no column/],
  ["property: nullShareRise, value: 0.1, element: delay", /^13: .*nullShareRise.*without an element/],
  ["property: reprocessing, value: 2", /^13: .*reprocessing.*unit: h/],
])("a level that no figure can be held against is refused with line and mend: %s", (level, expected) => {
  let findings: string[] = [];
  try {
    read(level);
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    findings = error.violations.map(({ detail, mend, at }) => `${at?.line ?? "?"}: ${detail}. ${mend ?? ""}`);
  }
  expect(findings).toEqual([expect.stringMatching(expected)]);
});

const health: ContractHealth = {
  organisationId: "org_1",
  contract: "flights",
  environment: "dev",
  useCaseId: null,
  ingestions: { published: 2 },
  newestEvent: 0,
  newestPublication: 0,
  processingMs: 900_000,
  reprocessingMs: 7_200_000,
  reprocessedRows: 10,
  batches: [
    {
      counts: { accepted: 1000, quarantined: 3, deadLetters: 1 },
      nulls: { delay: 50 },
      drift: { added: ["x"], missing: ["y"], changed: [] },
    },
    { counts: { accepted: 1000, quarantined: 0, deadLetters: 0 }, nulls: { delay: 20 }, drift: null },
  ],
};
const levels = (rows: number, drift: number, nulls: number, rise: number, seconds: number, hours: number) =>
  read(
    `property: freshness, value: ${hours}, unit: h`,
    `property: rowCount, value: ${rows}`,
    `property: schemaDrift, value: ${drift}`,
    `property: nullShare, value: ${nulls}, element: delay`,
    `property: nullShare, value: 0, element: at`,
    `property: nullShareRise, value: ${rise}`,
    `property: reprocessing, value: ${seconds}, unit: s`,
  );

test("each level is met up to its bound and missed beyond, by the figures that the metrics show", () => {
  const now = 3_600_000_000;
  const met = judgeLevels(levels(1000, 2, 0.05, 0.04, 7200, 1), health, now);
  expect(met.map(({ value }) => value)).toEqual([
    3600,
    1000,
    2,
    0.05,
    0,
    expect.closeTo(0.03) as number,
    7200,
  ]);
  expect(met.every(({ isMet }) => isMet)).toBe(true);
  const missed = judgeLevels(levels(1001, 1, 0.049, 0.02, 7199, 1), health, now + 1_000_000);
  expect(missed.map(({ isMet }) => isMet)).toEqual([false, false, false, false, true, false, false]);
});

test("nothing is said of what is not known: no ingestion, or none that was read", () => {
  const all = levels(1, 0, 0, 0, 1, 1);
  expect(judgeLevels(all, undefined, 0)).toEqual(all);
  const [freshness, ...rest] = judgeLevels(all, { ...health, newestEvent: null, batches: [] }, 0);
  expect([freshness?.isMet, ...rest.map(({ isMet }) => isMet)]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    false,
  ]);
});
