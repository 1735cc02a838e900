import { createHmac } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
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
  folder = await mkdtemp(join(tmpdir(), "portolan-deidentify-nested-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function requestOf(select: string, of: Partial<DeidentifyRequest>) {
  const place = join(folder, String(runs++));
  const workFolder = join(place, "work");
  await mkdir(workFolder, { recursive: true });
  const file = join(place, `people.${of.format ?? "parquet"}`);
  await engine.run({
    statements: [{ sql: `copy (${select}) to '${file}' (format ${of.format ?? "parquet"})` }],
    readable: [],
    workFolder: place,
  });
  const request: DeidentifyRequest = {
    file,
    format: "parquet",
    classifications: {},
    key,
    purpose: "readmission",
    rules: {},
    leastGroup: 1,
    thisYear: 2026,
    workFolder,
    ...of,
  };
  return { request, place };
}

async function run(select: string, of: Partial<DeidentifyRequest> = {}) {
  const { request, place } = await requestOf(select, of);
  const out = join(place, "research.parquet");
  const report = await deidentify(engine, request, out);
  const look = join(place, "look");
  await mkdir(look);
  const read = await engine.run({
    statements: [{ sql: `select * from read_parquet('${out}')`, returns: "rows" }],
    readable: [out],
    workFolder: look,
  });
  // In the order of their texts: groups are counted in any.
  const rows = (read.rows["rows"] ?? [])
    .toSorted(byText)
    .map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, cell]) => [
          name,
          typeof cell === "string" && /^[[{]/.test(cell) ? (JSON.parse(cell) as unknown) : cell,
        ]),
      ),
    );
  return { report, rows, text: JSON.stringify(read.rows["rows"]) };
}

function byText(left: unknown, right: unknown): number {
  return JSON.stringify(left) < JSON.stringify(right) ? -1 : 1;
}

const planOf = async (select: string, of: Partial<DeidentifyRequest> = {}) => {
  const { request } = await requestOf(select, of);
  const plans = await planDeidentification(engine, request);
  return Object.fromEntries(plans.map(({ column, action, because }) => [column, [action, because]]));
};

/** A column of JSON of these values, a row each. */
function json(values: readonly unknown[], name = "record"): string {
  const rows = values.map((value) => `('${JSON.stringify(value).replaceAll("'", "''")}'::json)`);
  return `select ${name} from (values ${rows.join(", ")}) as t(${name})`;
}

/** The definition of RFC 2104, by another implementation. */
function pseudonymOf(column: string, value: string): string {
  const own = createHmac("sha256", key).update("portolan deidentify readmission").digest();
  return `p${createHmac("sha256", own).update(`${column}\u0001${value}`).digest("hex").slice(0, 32)}`;
}

const patients = [
  {
    id: "0017",
    name: [{ family: "Featherstone", given: ["Ada", "Jo"] }],
    telecom: [{ system: "mail", value: "ada@example.org" }],
    birthDate: "1931-05-02",
    address: [{ line: ["1 High St"], city: "Boston", postalCode: "02139" }],
    age: 95,
    sex: "f",
    visits: [
      { date: "2024-02-28", glucose: 5.1, note: "Mrs Featherstone was seen again today" },
      { date: "2025-03-01", glucose: 6.25, note: null },
    ],
  },
  {
    id: "0018",
    name: [{ family: "Okonkwo", given: ["Chidi"] }],
    telecom: [],
    birthDate: "1960-01-31",
    address: [{ line: [], city: "Lyme", postalCode: "03601" }],
    age: 66,
    sex: "m",
    visits: [null, { date: "2024-12-31", glucose: 12, note: "Nothing of note was seen then" }],
  },
];
const left = [
  {
    id: pseudonymOf("record.id", "0017"),
    birthDate: 1936,
    address: [{ postalCode: "021" }],
    age: 90,
    sex: "f",
    telecom: [{ system: "mail" }],
    visits: [
      { date: 2024, glucose: 5.1 },
      { date: 2025, glucose: 6.25 },
    ],
  },
  {
    id: pseudonymOf("record.id", "0018"),
    birthDate: 1960,
    address: [{ postalCode: "000" }],
    age: 66,
    sex: "m",
    telecom: [],
    visits: [null, { date: 2024, glucose: 12 }],
  },
];

test("what lies within a column is judged by the rules of columns, at each place, and nothing else leaves", async () => {
  const { report, rows, text } = await run(json(patients), { subject: "record.id" });
  expect(Object.fromEntries(report.columns.map(({ column, action }) => [column, action]))).toEqual({
    "record.id": "pseudonym",
    "record.name[].family": "drop",
    "record.name[].given[]": "drop",
    "record.telecom[].system": "keep",
    "record.telecom[].value": "drop",
    "record.birthDate": "birth_year",
    "record.address[].line[]": "drop",
    "record.address[].city": "drop",
    "record.address[].postalCode": "zip3",
    "record.age": "age90",
    "record.sex": "keep",
    "record.visits[].date": "year",
    "record.visits[].glucose": "keep",
    "record.visits[].note": "drop",
  });
  expect(rows).toEqual(left.map((record) => ({ record })));
  expect(report.leaks).toEqual([]);
  for (const gone of ["Featherstone", "Chidi", "ada@", "High St", "Boston", "0017", "1931", "2024-02-28"])
    expect(text).not.toContain(gone);
});

test("structs and lists of Parquet, and texts of CSV that are JSON, become what JSON becomes", async () => {
  const struct = `select {id: record->>'$.id', "birthDate": (record->>'$.birthDate')::date, visits:
    from_json(record->'$.visits', '[{"date":"DATE","glucose":"DOUBLE","note":"VARCHAR"}]')} as record from (${json(patients)})`;
  const parts = left.map(({ id, birthDate, visits }) => ({ record: { id, birthDate, visits } }));
  expect((await run(struct, { subject: "record.id" })).rows).toEqual(parts);
  const text = `select record::varchar as record, 5 as stay from (${json(patients)})`;
  const csv = await run(text, { subject: "record.id", format: "csv" });
  expect(csv.rows).toEqual(left.map((record) => ({ record, stay: "5" })));
});

test("groups are told apart by what lies within, and small ones are left out", async () => {
  const people = [
    { sex: "f", zip: "02139", labs: { glucose: 5 } },
    { sex: "f", zip: "02144", labs: { glucose: 6 } },
    { sex: "m", zip: "02139", labs: { glucose: 7 } },
  ];
  const { report, rows } = await run(json(people), { leastGroup: 2 });
  expect(report.after).toMatchObject({ quasi: ["record.sex", "record.zip"], k: 2, groups: 1, rows: 2 });
  expect(report.before).toMatchObject({ k: 1, unique: 3 });
  expect(report.suppressed).toBe(1);
  expect(rows).toHaveLength(2);
});

test("dates of one person are shifted by the same days, wherever they lie", async () => {
  const select = `select subject_code, admitted::date as admitted, record from (values
    ('a7', '2024-03-10', '{"visits":[{"date":"2024-03-11"},{"date":"2024-03-20"}]}'::json)) as t(subject_code, admitted, record)`;
  const { rows } = await run(select, {
    subject: "subject_code",
    rules: { admitted: "shift", "record.visits": "shift" },
  });
  const [row] = rows as { admitted: string; record: { visits: { date: string }[] } }[];
  const days = (to: string | undefined): number =>
    (Date.parse(to ?? "") - Date.parse(row?.admitted ?? "")) / 86_400_000;
  expect(row?.record.visits.map(({ date }) => days(date))).toEqual([1, 10]);
  expect(row?.admitted).not.toBe("2024-03-10");
});

test("what cannot be looked into is dropped, and the plan says why", async () => {
  const wide = Object.fromEntries(Array.from({ length: 201 }, (_, at) => [`k${at}`, 1]));
  const deep = Array.from({ length: 20 }).reduce<unknown>((inner) => ({ in: inner }), 1);
  const rows = [
    { a: "x", mixed: "x", packed: '{"surname":"Doe"}', by: { "1017": 5 }, mail: { "jo@example.org": 1 } },
    { a: "y", mixed: { surname: "Doe" }, packed: null, by: {}, mail: {}, wide, deep, 'q"z': "Doe" },
  ];
  const plan = await planOf(json(rows));
  expect(plan).toMatchObject({
    "record.a": ["keep", "nothing points to an identifier"],
    "record.mixed": [
      "drop",
      "it is not looked into: 1 of its 2 values are objects or arrays, or texts that hold such",
    ],
    "record.packed": [
      "drop",
      "it is not looked into: 1 of its 1 values are objects or arrays, or texts that hold such",
    ],
    "record.by": [
      "drop",
      "it is not looked into: names of its members are data themselves: numbers, dates or identifiers",
    ],
    "record.mail": ["drop", expect.stringContaining("names of its members are data themselves")],
    "record.wide": ["drop", expect.stringContaining("201 different members")],
    'record."q\\"z"': ["drop", "it is not looked into: no path leads to a member of that name"],
  });
  expect(Object.entries(plan).find(([name]) => name.startsWith("record.deep"))?.[1]).toEqual([
    "drop",
    expect.stringContaining("more than 16 levels"),
  ]);
  // A rule may keep what has a path, and is told what that means.
  const kept = await run(json(rows), { rules: { record: "keep" } });
  expect(kept.report.warnings).toContainEqual(expect.stringContaining("record.mixed: it is not looked into"));
  expect(kept.text).not.toContain("q\\");
  const { text } = await run(json(rows));
  expect(text).not.toContain("Doe");
});

test("names of members that nearly all differ from row to row are data", async () => {
  const people = Array.from({ length: 30 }, (_, at) => ({ [`Person${at}`]: { glucose: at } }));
  const plan = await planOf(json(people.map((one) => ({ seen: { ...one, ward: "A" } }))));
  // "ward" stands in each: half of the names are others.
  expect(plan["record.seen.ward"]).toEqual(["keep", "nothing points to an identifier"]);
  expect(await planOf(json(people.map((one) => ({ people: one, ward: "A" }))))).toEqual({
    "record.people": ["drop", expect.stringContaining("members of other names")],
    "record.ward": ["keep", "nothing points to an identifier"],
  });
});

test("columns of bytes, texts that are JSON here and there, and damaged JSON are dropped", async () => {
  const plan = await planOf(`select * from (values
    ('\\x00\\x01'::blob, {b: 'x'::blob}, '{"surname":"Doe"}', uuid(), 'f'::enum('f','m'), 7),
    ('\\x00\\x02'::blob, {b: 'y'::blob}, 'none', uuid(), 'm'::enum('f','m'), 8)) as t(scan, held, extra, code, sex, stay)`);
  expect(plan).toEqual({
    scan: ["drop", "it is not looked into: it holds bytes"],
    held: ["drop", "it is not looked into: it holds bytes"],
    extra: [
      "drop",
      "it is not looked into: 1 of its values are objects or arrays in JSON, the others are not",
    ],
    code: ["keep", "nothing points to an identifier"],
    sex: ["keep", "nothing points to an identifier"],
    stay: ["keep", "nothing points to an identifier"],
  });
});

test("a removed value that stands elsewhere in nested values is found by the search", async () => {
  const rows = [
    { surname: "Featherstone", tags: ["new", "Featherstone"] },
    { surname: "Okonkwo", tags: ["old"] },
  ];
  const { report } = await run(json(rows));
  expect(report.leaks).toEqual([{ column: "record.surname", values: 1 }]);
});

test("a subject is one value of a row, and a rule names what is there", async () => {
  const of = (rule: Partial<DeidentifyRequest>) => planOf(json(patients), rule);
  await expect(of({ subject: "record.name[].family" })).rejects.toMatchObject({
    detail: "a row has several values at record.name[].family, and is about one subject",
  });
  await expect(of({ subject: "record.name" })).rejects.toMatchObject({
    detail: "record.name is no single value",
  });
  await expect(of({ rules: { "record.nam": "keep" } })).rejects.toMatchObject({
    detail: "there is no column record.nam",
  });
  expect(
    (await of({ rules: { "record.visits[].note": "redact", "record.address": "drop" } }))[
      "record.address[].postalCode"
    ],
  ).toEqual(["drop", "a rule says so"]);
});

test("a column and a place of one name are refused", async () => {
  const select = `select '{"b":1}'::json as a, 2 as "a.b"`;
  await expect(planOf(select)).rejects.toMatchObject({ code: "data.source_unreadable" });
});
