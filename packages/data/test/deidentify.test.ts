import { createHmac } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DeidentifyRequest, deidentify, planDeidentification } from "../src/deidentify/deidentify.ts";

const engine = createDuckDbEngine();
const key = Buffer.from("a key of the test, long enough");
let folder: string;
let runs = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-deidentify-"));
});
afterAll(() => rm(folder, { recursive: true }));

interface Row {
  readonly [column: string]: string | number | null;
}

async function run(rows: readonly Row[], of: Partial<DeidentifyRequest> = {}) {
  const place = join(folder, String(runs++));
  const workFolder = join(place, "work");
  await mkdir(workFolder, { recursive: true });
  const names = Object.keys(rows[0] ?? {});
  const cell = (value: Row[string] | undefined): string =>
    value === null || value === undefined ? "" : `"${String(value).replaceAll('"', '""')}"`;
  const lines = [names.join(","), ...rows.map((row) => names.map((name) => cell(row[name])).join(","))];
  const file = join(place, "people.csv");
  await writeFile(file, `${lines.join("\n")}\n`);
  const out = join(place, "research.parquet");
  const report = await deidentify(
    engine,
    {
      file,
      format: "csv",
      classifications: {},
      key,
      purpose: "readmission",
      rules: {},
      leastGroup: 1,
      thisYear: 2026,
      workFolder,
      ...of,
    },
    out,
  );
  const look = join(place, "look");
  await mkdir(look);
  const read = await engine.run({
    statements: [{ sql: `select * from read_parquet('${out}')`, returns: "rows" }],
    readable: [out],
    workFolder: look,
  });
  return { report, rows: read.rows["rows"] ?? [], workFolder };
}

/** The definition of RFC 2104, by another implementation. */
function pseudonymOf(purpose: string, column: string, value: string): string {
  const own = createHmac("sha256", key).update(`portolan deidentify ${purpose}`).digest();
  return `p${createHmac("sha256", own).update(`${column}\u0001${value}`).digest("hex").slice(0, 32)}`;
}

const people: Row[] = [
  {
    patient_id: "0017",
    surname: "Doe",
    zip: "02139",
    dob: "1931-05-02",
    admitted: "2024-02-28",
    age: 95,
    sex: "f",
    glucose: "5.1",
  },
  {
    patient_id: "0018",
    surname: "Roe",
    zip: "03601",
    dob: "1960-01-31",
    admitted: "2024-12-31",
    age: 66,
    sex: "m",
    glucose: "7.5",
  },
  {
    patient_id: "0017",
    surname: "Doe",
    zip: "02139",
    dob: "1931-05-02",
    admitted: "2025-03-01",
    age: 95,
    sex: "f",
    glucose: "",
  },
  {
    patient_id: "0019",
    surname: "Poe",
    zip: "2138",
    dob: "",
    admitted: "2023-07-04",
    age: null,
    sex: "",
    glucose: "6.0",
  },
];

test("names go, dates become years, ages and births end at 90, small ZIP areas are zeros, the subject is a keyed pseudonym", async () => {
  const { report, rows, workFolder } = await run(people, { subject: "patient_id" });
  expect(report.columns.map(({ column, action }) => [column, action])).toEqual([
    ["patient_id", "pseudonym"],
    ["surname", "drop"],
    ["zip", "zip3"],
    ["dob", "birth_year"],
    ["admitted", "year"],
    ["age", "age90"],
    ["sex", "keep"],
    ["glucose", "keep"],
  ]);
  const first = {
    zip: "021",
    dob: 1936,
    age: "90",
    sex: "f",
    patient_id: pseudonymOf("readmission", "patient_id", "0017"),
  };
  expect(rows.map((row) => ({ ...row, dob: row["dob"] === null ? null : Number(row["dob"]) }))).toMatchObject(
    [
      { ...first, glucose: "5.1" },
      { zip: "000", dob: 1960, age: "66", patient_id: pseudonymOf("readmission", "patient_id", "0018") },
      { ...first, glucose: null },
      { zip: "021", dob: null, age: null, sex: null },
    ],
  );
  expect(rows.map((row) => Number(row["admitted"]))).toEqual([2024, 2024, 2025, 2023]);
  expect(report.leaks).toEqual([]);
  expect(report.warnings).toEqual([]);
  expect(existsSync(workFolder)).toBe(false);
});

test("pseudonyms of two purposes, and of two columns, cannot be joined", async () => {
  const { rows } = await run(people, { subject: "patient_id", purpose: "billing" });
  expect(rows[0]?.["patient_id"]).toBe(pseudonymOf("billing", "patient_id", "0017"));
  expect(rows[0]?.["patient_id"]).toBe(rows[2]?.["patient_id"]);
  expect(pseudonymOf("readmission", "patient_id", "0017")).not.toBe(rows[0]?.["patient_id"]);
  expect(pseudonymOf("billing", "mother_id", "0017")).not.toBe(rows[0]?.["patient_id"]);
});

test("dates of one person are shifted by the same days, between one and 365, and it is no Safe Harbor", async () => {
  const { report, rows } = await run(people, { subject: "patient_id", rules: { admitted: "shift" } });
  const days = rows.map(
    (row, at) =>
      (Date.parse(String(people[at]?.["admitted"])) - Date.parse(String(row["admitted"]))) / 86_400_000,
  );
  expect(days[0]).toBe(days[2]);
  expect(Math.min(...days)).toBeGreaterThanOrEqual(1);
  expect(Math.max(...days)).toBeLessThanOrEqual(365);
  expect(new Set(days).size).toBeGreaterThan(1);
  expect(report.warnings).toEqual([expect.stringContaining("an expert has to determine")]);
});

test("groups are counted as a second implementation counts them, and small ones are left out", async () => {
  const rows = Array.from({ length: 200 }, (_, at) => ({
    sex: at % 2 === 0 ? "f" : "m",
    age: 40 + (at % 7),
    zip: at % 11 === 0 ? "99999" : "10001",
    glucose: String(at % 5),
  }));
  const sizes = new Map<string, number>();
  for (const { sex, age, zip } of rows) {
    const group = `${sex} ${age} ${zip.slice(0, 3)}`;
    sizes.set(group, (sizes.get(group) ?? 0) + 1);
  }
  const all = [...sizes.values()];
  const whole = await run(rows);
  expect(whole.report.after).toEqual({
    quasi: ["sex", "age", "zip"],
    k: Math.min(...all),
    groups: all.length,
    unique: all.filter((size) => size === 1).length,
    exposed: 0,
    least: 1,
    rows: 200,
  });
  const small = all.filter((size) => size < 3).reduce((sum, size) => sum + size, 0);
  const { report } = await run(rows, { leastGroup: 3 });
  expect(report.suppressed).toBe(small);
  expect(small).toBeGreaterThan(0);
  expect(report.after.k).toBeGreaterThanOrEqual(3);
  expect(report.before.exposed).toBe(small);
});

test("texts are redacted by their forms, and what stays in them of a removed column is found", async () => {
  const rows = [
    {
      surname: "Featherstone",
      notes: "Spoke to Mrs Featherstone, her mail is f@example.org, call (555) 123-4567",
    },
    { surname: "Okonkwo", notes: "Nothing of note was seen at this visit" },
  ];
  const dropped = await run(rows.map((row) => ({ ...row, glucose: "5" })));
  expect(Object.keys(dropped.rows[0] ?? {})).toEqual(["glucose"]);
  const { report, rows: redacted } = await run(rows, { rules: { notes: "redact" } });
  expect(redacted[0]?.["notes"]).toBe("Spoke to Mrs Featherstone, her mail is [email], call [phone]");
  expect(report.leaks).toEqual([{ column: "surname", values: 1 }]);
  expect(report.warnings).toHaveLength(1);
});

test("a column that is not there is named before anything is written", async () => {
  await expect(run(people, { subject: "pation_id" })).rejects.toMatchObject({
    code: "data.source_unreadable",
    detail: "there is no column pation_id",
  });
});

test("numbers that are social security, card or provider numbers are found as numbers, and amounts are not", async () => {
  const [made, place] = [join(folder, "made"), join(folder, "numbers")];
  const file = join(made, "numbers.parquet");
  await mkdir(made);
  await mkdir(place);
  const cards = [4111111111111111, 5500005555555559, 4012888888881881];
  const npis = [1234567893, 1245319599, 1679576722];
  // The first has lost its zeros.
  const numbers = [1234567, 123456789, 219099999];
  const rows = cards.map(
    (card, n) => `(${numbers[n]}, ${card}, ${card}.0::double, ${npis[n]}, ${n * 37}.25, ${n * 1000 + 7})`,
  );
  await engine.run({
    statements: [
      {
        sql: `copy (select * from (values ${rows.join(", ")}) as t(code, charged, twice, provider, amount, stay)) to '${file}' (format parquet)`,
      },
    ],
    readable: [],
    workFolder: made,
  });
  const columns = await planDeidentification(engine, {
    file,
    format: "parquet",
    classifications: {},
    key,
    purpose: "readmission",
    rules: {},
    leastGroup: 1,
    thisYear: 2026,
    workFolder: place,
  });
  expect(columns.map(({ column, action, kind }) => [column, action, kind])).toEqual([
    ["code", "drop", "ssn"],
    ["charged", "drop", "account"],
    ["twice", "drop", "account"],
    ["provider", "drop", "licence"],
    ["amount", "keep", undefined],
    ["stay", "keep", undefined],
  ]);
});

test("dates are found as they are written: month first, day first; what cannot be told apart is dropped", async () => {
  const { report, rows } = await run([
    { seen: "03/15/2019", left: "15.03.2019 08:30", dob: "1/2/1931", back: "03/04/19", mixed: "2019-03-15" },
    { seen: "12/01/2020", left: "01.12.2020 17:05", dob: "7/31/1990", back: "12/31/20", mixed: "03/15/2019" },
  ]);
  expect(report.columns.map(({ column, action, because }) => [column, action, because])).toEqual([
    ["seen", "year", "all its values are dates, month first"],
    ["left", "year", "all its values are dates, day first"],
    ["dob", "birth_year", "its name says so"],
    ["back", "drop", "all its values look like dates, which cannot all be read one way"],
    ["mixed", "drop", "all its values look like dates, which cannot all be read one way"],
  ]);
  const years = rows.map((row) => ["seen", "left", "dob"].map((name) => Number(row[name])));
  expect(years).toEqual([
    [2019, 2019, 1936],
    [2020, 2020, 1990],
  ]);
});
