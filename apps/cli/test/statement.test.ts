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
    "who,own,quota,idle,shared,total USD,gpu_hours\nresearch/lab,33264,0,0,0,33264,8640\nfinance/risk,22176,0,0,1000,23176,5760\nmarketing/growth,14784,0,0,0,14784,3840\nnobody: gpu_hours,,,,,68376,17760\n",
  );
});

test("a month: charged to business units, with unit costs, a trend, a page, a table for programs, and FOCUS", async () => {
  writeFileSync(
    join(folder, "counts.csv"),
    "business_unit,team,use_case,environment,what,count\nfinance,risk,fraud,production,inferences,2000000\n",
  );
  writeFileSync(
    join(folder, "quotas.csv"),
    "business_unit,team,use_case,environment,resource,quantity\nfinance,risk,fraud,production,gpu_hours,6000\n",
  );
  const by = ["--by", "use-case", "--chargeback-from", "2026-12", "--engineering", "research"];
  const october = await statement(
    ...files,
    ...by,
    "--month",
    "2026-11",
    "--format",
    "json",
    "--out",
    "november.json",
  );
  expect(october.out).toContain(
    "Showback of 2026-11: shown, and charged to nobody; business units are charged from 2026-12 on.",
  );
  const { code, out, err } = await statement(
    ...files,
    ...by,
    "--month",
    "2026-12",
    "--earlier",
    "november.json",
    "--counts",
    "counts.csv",
    "--quotas",
    "quotas.csv",
    "--html",
    "s.html",
    "--focus",
    "s.focus.csv",
    "--format",
    "parquet",
    "--out",
    "s.parquet",
  );
  expect([code, err]).toEqual([0, ""]);
  expect(out).toContain(
    "Chargeback of 2026-12: charged to the business units, as every month since 2026-12: finance USD ",
  );
  expect(out).toContain("Nothing to research, who runs the platform: the others share what it costs.");
  expect(out.match(/research/g)).toHaveLength(1);
  expect(out).toMatch(/finance\/risk\/fraud: [\d.]+ for 1000 inferences \(of all costs\)/);
  const page = readFileSync(join(folder, "s.html"), "utf8");
  // Also where the page opens, each with what it cost a thousand times and beside the month before.
  const opened = page.slice(page.indexOf('<ul class="tree">'));
  expect(opened).toMatch(
    /<strong>fraud<\/strong>.* for 1000 inferences \(of all costs\); \+[\d.]+ % beside 2026-11/,
  );
  expect(page).toContain("<caption>Who owes what, in USD</caption>");
  expect(page).not.toMatch(/<script|https?:\/\//);
  for (const svg of page.match(/<svg[^]*?<\/svg>/g) ?? [])
    expect(svg).toMatch(/role="img".*<title>[^<]+<\/title>/);
  expect(readFileSync(join(folder, "s.parquet")).subarray(0, 4).toString()).toBe("PAR1");
  const [header = "", ...rows] = readFileSync(join(folder, "s.focus.csv"), "utf8").trim().split("\r\n");
  expect(header.split(",").slice(0, 2)).toEqual(["AvailabilityZone", "BilledCost"]);
  expect(rows.reduce((sum, row) => sum + Number(row.split(",")[1]), 0)).toBeCloseTo(139_600, 6);
});

test("what each can do about it, and a page that opens down to the environment", async () => {
  writeFileSync(
    join(folder, "busy.csv"),
    "business_unit,team,use_case,model,environment,resource,quantity,activity,utilisation\nfinance,risk,fraud,,production,gpu_hours,5760,training,0.8\nmarketing,growth,recommendation,ranker,production,gpu_hours,2688,inference,31 %\nmarketing,growth,recommendation,ranker,dev,gpu_hours,1152,experiment,0.5\nresearch,lab,,,dev,gpu_hours,3024,experiment,0.02\nresearch,lab,,,dev,gpu_hours,5616,experiment,0.6\n",
  );
  const args = ["--usage", "busy.csv", "--bill", "bill.csv"];
  const { out } = await statement(...args, "--html", "tree.html");
  expect(out).toContain("finance/risk: 22,176.00, 5760 gpu_hours: 100.0 % fraud training (expected)");
  expect(out).toContain(
    "marketing/growth: 14,784.00, 3840 gpu_hours: 70.0 % recommendation inference (it may fit processors: saves at most 10,348.80, less what those cost)",
  );
  expect(out).toContain("35.0 % idle experiment (end what is idle: saves at most 11,642.40)");
  const page = readFileSync(join(folder, "tree.html"), "utf8");
  const [, tree = ""] = page.split("Down to the environment");
  expect(tree.match(/<strong>[^<]+<\/strong>/g)?.map((name) => name.slice(8, -9))).toEqual([
    "research",
    "lab",
    "dev",
    "finance",
    "risk",
    "fraud",
    "production",
    "marketing",
    "growth",
    "recommendation",
    "ranker",
    "production",
    "dev",
  ]);
  expect(page).not.toMatch(/<script|https?:\/\//);
  const { lines } = JSON.parse((await statement(...args, "--json")).out);
  expect(lines[2].actions[0]).toMatchObject({
    kind: "move_to_cpu",
    savesAtMost: "10348.8",
    command:
      "portolan endpoint deploy ENDPOINT MODEL VERSION --use-case recommendation --keep --backend none",
  });
});

test("cards and leases are usage: what is stranded on a cut card is said", async () => {
  const hour = "2026-11-01T00:00:00Z,2026-11-01T01:00:00Z";
  writeFileSync(join(folder, "cards.csv"), `card,model,start,end\nc1,H100-80GB,${hour}\n`);
  writeFileSync(
    join(folder, "leases.csv"),
    `business_unit,team,card,share,start,end\na,x,c1,3g.40gb,${hour}\nb,y,c1,3g.40gb,${hour}\n`,
  );
  writeFileSync(
    join(folder, "card-bill.csv"),
    "line,kind,amount,currency,capacity\ngpu_hours,metered,7,USD,\n",
  );
  const args = ["--cards", "cards.csv", "--leases", "leases.csv", "--bill", "card-bill.csv"];
  const { out } = await statement(...args);
  expect(out).toMatch(/nobody +1\/7 gpu_hours +1\.00/);
  expect(out).toContain("Of what nobody used, 1/7 hours are slices of cards that no instance could use.");
  expect(JSON.parse((await statement(...args, "--json")).out).stranded).toBe("1/7");
  const { err } = await statement(...args.slice(0, 4), "--bill", "bill.csv");
  expect(err).toContain("the bill has 36000 gpu_hours, the cards come to 1");
});

test.each([
  [["--bill", "bill.csv"], "nothing says who used what"],
  [[...files, "--month", "2026-13"], "is no month"],
  [[...files, "--focus", "x.csv"], "Add --month 2026-11."],
  [[...files, "--format", "json"], "go together"],
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
