import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

const root = resolve(import.meta.dirname, "../../..");
let folder: string;

async function portolan(...args: string[]) {
  let out = "";
  process.exitCode = 0;
  const stream = { write: (text: string) => (out += text) };
  const code = await runCli(args, {
    environment: { cwd: folder, env: {}, root },
    streams: { out: stream, err: stream },
  });
  return { code, out };
}
const contract = "contracts/flights.odcs.yaml";
const edited = async (name: string, edit: (text: string) => string) => {
  await writeFile(join(folder, name), edit(await readFile(join(folder, contract), "utf8")));
  return name;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-contract-"));
  await cp(join(root, "examples/flight-delays"), folder, { recursive: true });
});
afterEach(() => {
  process.exitCode = 0;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("lint finds the contracts of a folder and the tables beside them, and advises", async () => {
  const { code, out } = await portolan("contract", "lint", "--json");
  expect({ code, ...(JSON.parse(out) as object) }).toMatchObject({
    code: 0,
    valid: true,
    contracts: [{ id: "flights", version: "1.0.0", violations: [], advice: expect.any(Array) as [] }],
  });
  expect((await portolan("contract", "lint", "--strict")).code).toBe(1);
});

test("lint names every finding with file, line and mend, and ends with 1", async () => {
  const file = await edited("contracts/broken.odcs.yaml", (text) =>
    text.replace("status: active", "status: 3").replace("format: parquet", "form: parquet"),
  );
  const { code, out } = await portolan("contract", "lint", file);
  expect(code).toBe(1);
  expect(out).toContain("broken.odcs.yaml:7:1: status must be text. Put it in quotes.");
  expect(out).toMatch(/broken\.odcs\.yaml:27:5: servers\.0\.form is not known here/);
  await rm(join(folder, file));
});

test("a trial says what an ingestion would keep out and refuse, and keeps nothing", async () => {
  const { code, out } = await portolan(
    "contract",
    "test",
    contract,
    "--data",
    "planted-rows.csv",
    "--rows",
    "2",
    "--json",
  );
  expect({ code, ...(JSON.parse(out) as object) }).toMatchObject({
    code: 1,
    passed: false,
    counts: { accepted: 0, quarantined: 7, deadLetters: 3 },
    quarantined: [
      { row: "1", violations: ["destination.pattern"] },
      { row: "2", violations: ["delay.type"] },
    ],
    failures: ["10 of 10 rows are bad; the contract allows 1 %", "rowCount is 0; mustBeGreaterThan 0"],
  });
});

test("diff says what breaks and why; what only widens ends with 0", async () => {
  const narrower = await edited("narrower.odcs.yaml", (text) =>
    text.replace("maximum: 2880", "maximum: 100"),
  );
  const wider = await edited("wider.odcs.yaml", (text) => text.replace("maximum: 2880", "maximum: 9000"));
  const broken = await portolan("contract", "diff", contract, narrower);
  expect(broken.code).toBe(1);
  expect(broken.out).toContain("breaking  rules.delay.maximum");
  expect(broken.out).toContain("these changes are a major version; 1.0.0 does not say so");
  const { code, out } = await portolan("contract", "diff", contract, wider, "--json");
  expect({ code, ...(JSON.parse(out) as object) }).toMatchObject({
    code: 0,
    breaking: false,
    demands: "minor",
  });
});

test("a row that breaks two rules of one name counts once under it", async () => {
  const file = await edited("contracts/listed.odcs.yaml", (text) =>
    text.replace(
      'pattern: "^[A-Z]{3}$" }',
      'minLength: 3 }\n        quality: [{ metric: invalidValues, name: known, arguments: { validValues: [BOS, LAX], pattern: "^[A-Z]+$" }, mustBe: 0 }]',
    ),
  );
  await writeFile(
    join(folder, "two.csv"),
    "date,delay,distance,origin,destination\n2001-01-01 10:00:00,5,500,bos,LAX\n2001-01-01 11:00:00,5,500,BOS,LAX\n",
  );
  const { out } = await portolan("contract", "test", file, "--data", "two.csv", "--json");
  expect(JSON.parse(out)).toMatchObject({ counts: { quarantined: 1 }, rules: { known: 1 } });
});

const small = (id: string, property: string) => `apiVersion: v3.1.0
kind: DataContract
id: ${id}
version: 1.0.0
status: active
schema:
  - name: ${id}
    customProperties: [{ property: portolan.maxBadShare, value: 0.5 }]
    properties: [${property}]
`;

test("a foreign key is looked up in the rows that are named, and lint knows the contracts beside it and those of --with", async () => {
  const at = (name: string) => join(folder, "keys", name);
  await mkdir(at("elsewhere"), { recursive: true });
  await writeFile(
    at("stays.odcs.yaml"),
    small("stays", "{ name: ward, logicalType: integer, relationships: [{ to: wards.id }] }"),
  );
  await writeFile(
    at("elsewhere/wards.odcs.yaml"),
    small("wards", "{ name: id, logicalType: integer, logicalTypeOptions: { maximum: 9 } }"),
  );
  await writeFile(at("wards.csv"), "id\n1\n2\n77\n");
  await writeFile(at("stays.csv"), "ward\n01\n2.0\n77\n\n");
  const lint = (...more: string[]) => portolan("contract", "lint", "keys/stays.odcs.yaml", ...more);
  const unknown = await lint();
  expect(unknown.code).toBe(1);
  expect(unknown.out).toMatch(
    /stays\.odcs\.yaml:9:\d+: .*refers to wards, and there is no such contract\. Publish it first/,
  );
  expect((await lint("--with", "keys/elsewhere")).code).toBe(0);

  await rename(at("elsewhere/wards.odcs.yaml"), at("wards.odcs.yaml"));
  expect((await lint()).code).toBe(0);
  const trial = (...more: string[]) =>
    portolan("contract", "test", "keys/stays.odcs.yaml", "--data", "keys/stays.csv", "--json", ...more);
  expect(JSON.parse((await trial()).out)).toMatchObject({
    passed: false,
    failures: ["ward.references.wards cannot be judged: there are no rows of wards"],
  });
  // No ward refers to nothing; 77 is among the rows, and the contract of the wards keeps it out.
  expect(JSON.parse((await trial("--counterpart", "wards=keys/wards.csv")).out)).toMatchObject({
    passed: true,
    counts: { accepted: 3, quarantined: 1 },
    rules: { "ward.references.wards": 1 },
  });
  expect((await trial("--counterpart", "rooms=keys/wards.csv")).out).toContain(
    "the contracts there are stays, wards",
  );
});
