import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ColumnType, DataContract } from "../src/contracts/contract-model.ts";
import { splitPlan } from "../src/judging/split-plan.ts";
import { RowValidator, type RowVerdict } from "../src/judging/validate-row.ts";
import type { SourceFormat } from "../src/sources/source-plan.ts";
import { membersOf, readJsonCell } from "../src/values/json-cell.ts";
import type { Value } from "../src/values/parse-value.ts";
import { aContract, airport, cellOf, csvCell, zones } from "./validator-world.ts";

/** docs/spec/data-contracts.md D17: the plan in DuckDB and the validator of events read and judge every row alike. */

/** Some of the instants are ahead of it, and so from the future. */
const asOf = Date.UTC(2010, 0, 1) * 1000;
const engine = createDuckDbEngine();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-contracts-"));
});
afterAll(() => rm(folder, { recursive: true }));

interface Judged {
  readonly violations: readonly string[];
  readonly values: Readonly<Record<string, unknown>>;
}

async function bySql(contract: DataContract, format: SourceFormat, text: string): Promise<Judged[]> {
  const work = await mkdtemp(join(folder, "run-"));
  const [source, airports, output] = [
    join(work, `rows.${format}`),
    join(work, "airports.csv"),
    join(work, "out"),
  ];
  await mkdir(output);
  await writeFile(source, text);
  await writeFile(airports, `airport,zone\n${[...zones].map((pair) => pair.join(",")).join("\n")}\n`);
  const columns = contract.columns.map(({ name, type }) => `${shown(name, type)} as "${name}"`).join(", ");
  const result = await engine.run({
    statements: [
      ...splitPlan({
        contract,
        sources: [{ path: source, format }],
        asOf,
        references: { "airports.csv": airports },
        output,
      }),
      { sql: `select violations as "rule names", ${columns} from staged order by _row`, returns: "rows" },
      { sql: "select count(*) as n from dead_letter", returns: "dead" },
    ],
    readable: [source, airports],
    workFolder: output,
  });
  expect(Number(result.rows["dead"]?.[0]?.["n"])).toBe(0);
  return (result.rows["rows"] ?? []).map(({ "rule names": names, ...values }) => ({
    violations: names === "" ? [] : String(names).split(","),
    values,
  }));
}

/** Values as text that loses nothing; doubles by their bits. */
function shown(name: string, type: ColumnType): string {
  const column = `"${name}"`;
  if (type === "date") return `date_diff('day', date '1970-01-01', ${column})::varchar`;
  if (type === "time") return `epoch_us(${column})::varchar`;
  if (type === "number") return `${column}::double`;
  if (type === "array" || type === "object") return `json_type(${column})`;
  return `${column}::varchar`;
}

function shownValue(value: Value | null): unknown {
  if (value === null || typeof value === "number") return value;
  if (typeof value === "object") return Array.isArray(value.json) ? "ARRAY" : "OBJECT";
  return String(value);
}

function judged({ violations, values }: RowVerdict): Judged {
  return {
    violations,
    values: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, shownValue(value)])),
  };
}

/** Each seed draws a contract and its rows; a failure names its seed, its row and the contract's rules. */
const seeds = [1, 2, 3, 4, 5, 6, 7];
const rowCount = 200;
/** Names of all rules that some row broke. */
const broken = new Set<string>();

function expectAlike(
  contract: DataContract,
  rows: readonly unknown[],
  ours: readonly RowVerdict[],
  theirs: readonly Judged[],
): void {
  expect(theirs).toHaveLength(ours.length);
  for (const [index, verdict] of ours.entries()) {
    for (const label of verdict.violations) broken.add(label);
    const rules = contract.rowRules.map(({ name }) => name);
    expect({ row: rows[index], rules, ...theirs[index] }).toEqual({
      row: rows[index],
      rules,
      ...judged(verdict),
    });
  }
}

test.each(seeds)(
  "a row of CSV is read and judged alike by the plan and by the validator (D17, seed %i)",
  async (seed) => {
    const contract = aContract(seed);
    const names = contract.columns.filter((column) => !column.localTime).map(({ source }) => source);
    const row = fc.tuple(...names.map((name) => (name === "airport" ? airport : csvCell)));
    const rows = fc.sample(row, { seed, numRuns: rowCount });
    const quoted = (cell: string): string => (cell === "" ? "" : `"${cell.replaceAll('"', '""')}"`);
    const text = [names, ...rows].map((cells) => cells.map(quoted).join(",")).join("\n");
    const validator = new RowValidator(contract, { "airports.csv": zones });
    const ours = rows.map((cells) =>
      validator.judgeText(new Map(names.map((name, index) => [name, cells[index] || null])), asOf),
    );
    expectAlike(contract, rows, ours, await bySql(contract, "csv", `${text}\n`));
  },
);

test.each(seeds)(
  "a row of JSON is read and judged alike by the plan and by the validator (D4b, D17, seed %i)",
  async (seed) => {
    const contract = aContract(seed + 2);
    const names = contract.columns.filter((column) => !column.localTime).map(({ source }) => source);
    const member = (name: string) => cellOf(name).map((cell) => `${JSON.stringify(name)}:${cell}`);
    const line = fc
      .tuple(fc.tuple(...names.map(member)), fc.nat(names.length))
      .map(([members, absent]) => `{${members.filter((_, index) => index !== absent).join(",")}}`);
    const lines = fc.sample(line, { seed, numRuns: rowCount });
    const validator = new RowValidator(contract, { "airports.csv": zones });
    const ours = lines.map((text) => validator.judgeJson(membersOf(readJsonCell(text)) ?? new Map(), asOf));
    expectAlike(contract, lines, ours, await bySql(contract, "jsonl", `${lines.join("\n")}\n`));
  },
);

test("over the seeds every kind of rule of what lies within a column was broken: else the comparison showed nothing", () => {
  const within = [...broken].filter((label) => /^(array|object)[.[]/.test(label));
  expect(within).toEqual(
    expect.arrayContaining([
      "array[].type",
      "array[].required",
      "array[].minimum",
      "array[].multipleOf",
      "array[].a.type",
      "array[].a.required",
      "array[].b.minLength",
      "array[].b.format",
      "array[].c.uniqueItems",
      "array[].c[].type",
      "object.a.type",
      "object.a.required",
      "object.a.maximum",
      "object.the c.type",
      "object.a[].type",
      "object.b.minProperties",
      "object.b.required.b",
      "object.b.a.required",
      "object.b.c.type",
      "object.b.invalidValues",
      "object.a[].invalidValues",
    ]),
  );
});
