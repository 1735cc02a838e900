import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { createDuckDbEngine } from "@portolan/duckdb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

let folder: string;
interface Oracle {
  readonly total: string;
  readonly byCategory: Readonly<Record<string, string>>;
  readonly byLine: Readonly<Record<string, string>>;
}
let oracle: Oracle;

/** Costs as numbers with all of their digits, as Python's own reader of CSV and writer of JSON have them. */
const jsonOfCsv = `import csv, json, os
os.makedirs("made", exist_ok=True)
def cell(name, text):
    if text == "": return "null"
    return text if name == "BilledCost" else json.dumps(text)
with open("focus.csv", newline="") as rows, open("made/focus.json", "w") as out:
    out.write("[" + ",".join("{" + ",".join(json.dumps(n) + ":" + cell(n, t) for n, t in r.items()) + "}" for r in csv.DictReader(rows)) + "]")
`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "portolan-bill-test-"));
  execFileSync("python3", [join(import.meta.dirname, "bill-oracle.py"), folder]);
  oracle = JSON.parse(readFileSync(join(folder, "oracle.json"), "utf8")) as Oracle;
  writeFileSync(join(folder, "focus.csv.gz"), gzipSync(readFileSync(join(folder, "focus.csv"))));
  execFileSync("python3", ["-c", jsonOfCsv], { cwd: folder });
  writeFileSync(
    join(folder, "map.yaml"),
    "lines:\n  - {line: compute, kind: metered, match: {service: 'compute*', category: usage}}\n  - {line: compute, kind: metered, match: {service: 'compute*', category: purchase}}\n  - {line: other, kind: shared, match: {category: usage}}\n  - {line: other, kind: shared, match: {category: purchase}}\n",
  );
  // Money as decimals and moments as moments, as providers export them.
  await createDuckDbEngine().run({
    statements: [
      {
        sql: `COPY (SELECT * REPLACE (BilledCost::DECIMAL(38,12) AS BilledCost, ChargePeriodStart::TIMESTAMP AS ChargePeriodStart, ChargePeriodEnd::TIMESTAMPTZ AS ChargePeriodEnd) FROM read_csv('${folder}/focus.csv', all_varchar = true, header = true)) TO '${folder}/made/focus.parquet' (FORMAT parquet)`,
      },
    ],
    readable: [join(folder, "focus.csv")],
    workFolder: join(folder, "made"),
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function bill(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(["bill", ...args], {
    environment: { cwd: folder, env: {}, root: resolve(import.meta.dirname, "../../..") },
    streams: { out: { write: (text) => (out += text) }, err: { write: (text) => (err += text) } },
  });
  return { code, out, err };
}

test.each(["focus.csv", "focus.csv.gz", "made/focus.parquet", "made/focus.json"])(
  "%s comes to what Python's decimals say",
  async (file) => {
    const { code, out } = await bill("show", file, "--json");
    expect(code).toBe(0);
    const { total, groups, format, from, to } = JSON.parse(out);
    expect([format, from, to]).toEqual(["FOCUS 1.2", "2026-11-01T00:00:00Z", "2026-11-30T12:00:00Z"]);
    expect(total.billed).toBe(oracle.total);
    expect(groups.map((group: { service: string }) => group.service)).toContain('Compute "large", EU');
  },
);

test("an import gives the lines that the oracle gives, and the statement's own file", async () => {
  const { out } = await bill("import", "focus.csv", "--map", "map.yaml", "--out", "bill.csv", "--json");
  const { lines, files } = JSON.parse(out);
  for (const { line, amount } of lines)
    expect(Math.abs(Number(amount) - Number(oracle.byLine[line]))).toBeLessThan(1e-6);
  expect(lines).toHaveLength(Object.keys(oracle.byLine).length);
  expect(files[0].unmatched).toBeGreaterThan(0);
  expect(readFileSync(join(folder, "bill.csv"), "utf8")).toMatch(
    /^line,kind,amount,currency,capacity\ncompute,metered,/,
  );
  const again = await bill("check", "focus.csv", "--estimate", "bill.csv", "--map", "map.yaml", "--json");
  const { reconciled } = JSON.parse(again.out);
  expect(reconciled.actual).toBe(oracle.total);
  expect(Math.abs(Number(reconciled.difference))).toBeLessThan(1e-9);
});

test("what is no bill is refused in words", async () => {
  writeFileSync(join(folder, "cut.csv"), 'BilledCost,ChargeCategory\n1,"Usage\n');
  writeFileSync(join(folder, "short.csv"), "BilledCost,ChargeCategory\n1,Usage\n2\n");
  writeFileSync(join(folder, "other.csv"), "a,b\n1,2\n");
  writeFileSync(join(folder, "not.parquet"), "no");
  writeFileSync(join(folder, "machines.yaml"), "currency: USD\nassets: []\n");
  for (const [args, words] of [
    [["show", "oracle.json"], "cannot be read as a bill"],
    [["show", "other.csv"], "neither FOCUS"],
    [["show", "cut.csv"], "cannot be read as a bill"],
    [["show", "short.csv"], "cannot be read as a bill"],
    [["show", "not.parquet"], "cannot be read as a bill"],
    [["show", "nothing.csv"], "does not exist"],
    [["import", "machines.yaml"], "Add --month 2026-11."],
    [["import", "machines.yaml", "--month", "2026-11"], "/assets"],
    [["check", "focus.csv", "--focus-rules", "map.yaml"], "is no JSON"],
  ] as const) {
    const { code, err } = await bill(...args);
    expect([code, err.includes(words) ? words : err]).toEqual([1, words]);
  }
});
