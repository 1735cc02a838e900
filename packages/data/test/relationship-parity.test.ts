import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DataContract } from "../src/contracts/contract-model.ts";
import { readContract } from "../src/contracts/read-contract.ts";
import { counterpartKeys } from "../src/judging/counterpart-keys.ts";
import { judgeFiles } from "../src/judging/judge-files.ts";
import { splitPlan } from "../src/judging/split-plan.ts";
import { RowValidator } from "../src/judging/validate-row.ts";
import { membersOf, readJsonCell } from "../src/values/json-cell.ts";

/** docs/spec/data-contracts.md D17, D27: both executors find the same counterparts, and a naive look through all rows finds them too. */

const engine = createDuckDbEngine();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-relationships-"));
});
afterAll(() => rm(folder, { recursive: true }));

const kinds = {
  text: "string",
  whole: "integer",
  truth: "boolean",
  day: "date",
  clock: "time",
  instant: "timestamp",
  wall: "timestamp",
} as const;
const names = Object.keys(kinds);
const column = (name: string, more = {}) => ({
  name,
  logicalType: kinds[name as keyof typeof kinds],
  ...(name === "wall" ? { logicalTypeOptions: { timezone: false } } : {}),
  ...more,
});
const contractOf = (id: string, properties: readonly object[], relationships: readonly object[] = []) =>
  readContract(
    JSON.stringify({
      apiVersion: "v3.1.0",
      kind: "DataContract",
      id,
      version: "1.0.0",
      status: "active",
      schema: [{ name: id, properties, ...(relationships.length === 0 ? {} : { relationships }) }],
    }),
    `${id}.odcs.yaml`,
  );
const target = contractOf(
  "others",
  names.map((name) => column(name)),
);
/** Keys of one column of each type, and two of several. */
const composites = [
  ["text", "whole"],
  ["instant", "truth", "day"],
];
const contract = contractOf(
  "rows",
  names.map((name) => column(name, { relationships: [{ to: `others.${name}` }] })),
  composites.map((key) => ({
    from: key.map((name) => `rows.${name}`),
    to: key.map((name) => `others.${name}`),
  })),
);

/** Few values, so that many are found; written in several ways that mean the same, and some that mean nothing. */
const cells = {
  text: ["a", "A", "é", "e\u0301", "👍", "", " a", 'q"\\', "\u0000", "\u2028", "1"],
  whole: [0, 1, -1, "1", "1.0", 9007199254740993n, "9223372036854775807", "x"],
  truth: [true, "yes", "F", false, "perhaps"],
  day: ["2001-01-01", "0001-01-01", "1969-12-31", "2001-02-29"],
  clock: ["00:00", "10:00:00", "10:00", "23:59:59.999999"],
  instant: [
    "2001-01-01T00:00:00Z",
    "2001-01-01T01:00:00+01",
    "2001-01-01T00:00:00.000001Z",
    "1960-01-01T00:00:00Z",
  ],
  wall: ["2001-01-01T00:00:00", "2001-01-01 00:00", "1960-01-01T00:00:00"],
} as const;
const json = (cell: unknown): string => (typeof cell === "bigint" ? String(cell) : JSON.stringify(cell));
const line = fc
  .tuple(
    ...Object.values(cells).map((some) =>
      fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...some.map(json)) }, fc.constant("null")),
    ),
  )
  .map((row) => `{${row.map((cell, at) => `"${names[at] ?? ""}":${cell}`).join(",")}}`);

async function acceptedOf(of: DataContract, lines: readonly string[]): Promise<string> {
  const work = await mkdtemp(join(folder, "target-"));
  const path = join(work, "in.jsonl");
  await writeFile(path, `${lines.join("\n")}\n`);
  const out = join(work, "out");
  await mkdir(out);
  await judgeFiles(engine, {
    contract: of,
    sources: [{ path, format: "jsonl" }],
    references: {},
    asOf: 0,
    folder: out,
  });
  return join(out, "accepted.parquet");
}

async function bySql(lines: readonly string[], others: string | null): Promise<string[][]> {
  const work = await mkdtemp(join(folder, "rows-"));
  const path = join(work, "in.jsonl");
  await writeFile(path, `${lines.join("\n")}\n`);
  const output = join(work, "out");
  await mkdir(output);
  const { rows } = await engine.run({
    statements: [
      ...splitPlan({
        contract,
        sources: [{ path, format: "jsonl" }],
        references: {},
        counterparts: { others },
        asOf: 0,
        output,
      }),
      { sql: "select violations from staged order by _row", returns: "rows" },
    ],
    readable: [path, ...(others === null ? [] : [others])],
    workFolder: output,
  });
  return (rows["rows"] ?? []).map((row) =>
    String(row["violations"])
      .split(",")
      .filter((one) => one !== ""),
  );
}

type Read = ReturnType<RowValidator["judgeJson"]>;
const reader = new RowValidator(target);
const readRow = (text: string): Read => reader.judgeJson(membersOf(readJsonCell(text)) ?? new Map(), 0);

/** Looks through all rows that the other contract accepts. */
function danglesNaively(row: Read["values"], key: readonly string[], others: readonly Read[]): boolean {
  if (key.some((name) => row[name] === null)) return false;
  return !others.some(
    ({ values, violations }) => violations.length === 0 && key.every((name) => values[name] === row[name]),
  );
}

/** Relationships by what rows found. */
const answers = new Set<string>();

test.each([
  [1, 4],
  [2, 16],
  [3, 40],
])(
  "a row refers to nothing for both executors alike (seed %i, %i rows to refer to) (D27b)",
  async (seed, numRuns) => {
    const others = fc.sample(line, { seed, numRuns });
    const rows = fc.sample(line, { seed: seed + 100, numRuns: 300 });
    const path = await acceptedOf(target, others);
    const keys = await counterpartKeys(engine, contract, { others: path }, folder);
    const validator = new RowValidator(contract, {}, keys);
    const ours = rows.map(
      (text) => validator.judgeJson(membersOf(readJsonCell(text)) ?? new Map(), 0).violations,
    );
    expect(await bySql(rows, path)).toEqual(ours);

    const accepted = others.map(readRow);
    for (const [index, text] of rows.entries()) {
      const { values } = readRow(text);
      const dangling = (contract.relationships ?? [])
        .filter(({ columns }) => danglesNaively(values, columns, accepted))
        .map(({ name }) => name);
      expect({ text, found: ours[index]?.filter((name) => name.includes(".references.")) }).toEqual({
        text,
        found: dangling,
      });
    }
    for (const { name } of contract.relationships ?? []) {
      if (ours.some((violations) => violations.includes(name))) answers.add(`${name}: nothing`);
      if (ours.some((violations) => !violations.includes(name))) answers.add(`${name}: something`);
    }
  },
);

test("over the seeds every key found something and nothing: else the comparison showed nothing", () => {
  expect(answers.size).toBe(2 * (contract.relationships ?? []).length);
});

test("where nothing is published every whole key refers to nothing, for both executors", async () => {
  const rows = fc.sample(line, { seed: 7, numRuns: 50 });
  const keys = await counterpartKeys(engine, contract, { others: null }, folder);
  const validator = new RowValidator(contract, {}, keys);
  const ours = rows.map(
    (text) => validator.judgeJson(membersOf(readJsonCell(text)) ?? new Map(), 0).violations,
  );
  expect(await bySql(rows, null)).toEqual(ours);
  expect(ours.flat()).toContain("text+whole.references.others");
});
