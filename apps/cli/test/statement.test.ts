import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portolan-statement-"));
  writeFileSync(
    join(folder, "usage.csv"),
    "business_unit,team,use_case,environment,resource,quantity\nfinance,risk,fraud,production,gpu_hours,5760\nmarketing,growth,recommendation,production,gpu_hours,3840\nresearch,lab,,dev,gpu_hours,8640\n",
  );
  writeFileSync(
    join(folder, "bill.csv"),
    "line,kind,amount,currency,capacity\ngpu_hours,metered,138600,USD,36000\nsupport,shared,1000,USD,\n",
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const files = ["--usage", "usage.csv", "--bill", "bill.csv"];

async function statement(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(["statement", ...args], {
    environment: { cwd: folder, env: {}, root: resolve(import.meta.dirname, "../../..") },
    streams: { out: { write: (text) => (out += text) }, err: { write: (text) => (err += text) } },
  });
  return { code, out, err };
}

test("the article's three teams, what nobody used, and the bill", async () => {
  const { code, out } = await statement(...files);
  expect(code).toBe(0);
  expect(out).toMatch(/research\/lab +8640 gpu_hours +33,264\.00 +0\.00 +473\.68 +33,737\.68 +24\.2 %/);
  expect(out).toMatch(/finance\/risk +5760 gpu_hours +22,176\.00 +0\.00 +315\.79 +22,491\.79 +16\.1 %/);
  expect(out).toMatch(/nobody +17760 gpu_hours +68,376\.00 +49\.0 %/);
  expect(out).toMatch(/the bill +139,600\.00 +100\.0 %/);
});

test("one business unit, with all others in one line: the sum is the bill's, in JSON and in a file", async () => {
  const { out } = await statement(
    ...files,
    "--only",
    "finance",
    "--idle",
    "split",
    "--by",
    "use-case",
    "--json",
  );
  const { lines, others, unattributed, total } = JSON.parse(out);
  expect(lines).toMatchObject([{ names: ["finance", "risk", "fraud"], used: { gpu_hours: "5760" } }]);
  expect(unattributed).toEqual([]);
  const nanos = (text: string) => BigInt(Math.round(Number(text) * 1e9));
  expect(nanos(lines[0].total) + nanos(others)).toBe(nanos(total));
  await statement(...files, "--shared", "finance=1", "--csv", "out.csv");
  expect(readFileSync(join(folder, "out.csv"), "utf8")).toBe(
    "who,own,idle,shared,total USD\nresearch/lab,33264,0,0,33264\nfinance/risk,22176,0,1000,23176\nmarketing/growth,14784,0,0,14784\nnobody: gpu_hours,,,,68376\n",
  );
});

test.each([
  [[...files, "--only", "sales"], "It has research, finance, marketing."],
  [[...files, "--shared", "finance"], "Write it as finance=2"],
  [[...files, "--shared", "sales=1"], "nobody of sales"],
  [["--usage", "bill.csv", "--bill", "bill.csv"], "no column business_unit"],
  [["--usage", "usage.csv", "--bill", "nothing.csv"], "does not exist"],
] as const)("%j is refused with what to do", async (args, words) => {
  const { code, err } = await statement(...args);
  expect(code).toBe(1);
  expect(err).toContain(words);
});
