import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

const root = resolve(import.meta.dirname, "../../..");
let folder: string;
// The files are those that docs/quotas.md shows.
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portolan-quota-"));
  const page = readFileSync(join(root, "docs/quotas.md"), "utf8");
  const blocks = [...page.matchAll(/```(?:yaml|csv)\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
  const [quotas, cluster, jobs] = ["version:", "nodes:", "name,team"].map(
    (beginning) =>
      blocks.find((text) => text.startsWith(beginning)) ?? expect.fail(`no block begins with ${beginning}`),
  ) as [string, string, string];
  writeFileSync(join(folder, "quotas.yaml"), quotas);
  writeFileSync(join(folder, "cluster.yaml"), cluster);
  writeFileSync(join(folder, "small.yaml"), cluster.replace("count: 2", "count: 1"));
  writeFileSync(join(folder, "jobs.csv"), jobs);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function quota(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(["quota", ...args], {
    environment: { cwd: folder, env: {}, root },
    streams: { out: { write: (text) => (out += text) }, err: { write: (text) => (err += text) } },
  });
  return { code, out, err };
}

test("the quotas of the documentation fit its cluster, and half of it is refused at the line that passes it", async () => {
  const fits = await quota("check", "quotas.yaml", "--cluster", "cluster.yaml");
  expect(fits).toMatchObject({ code: 0, err: "" });
  expect(fits.out).toContain("27 slices of H100-80GB (8 a card) of 4 x H100-80GB");
  const small = await quota("check", "quotas.yaml", "--cluster", "small.yaml");
  expect(small.code).toBe(1);
  expect(small.err).toContain("quotas.yaml:20:");
  expect(small.err).toContain("the cluster has 2 x H100-80GB");
});

test("its jobs wait and are evicted as it says, as text and as JSON", async () => {
  const text = await quota("simulate", "quotas.yaml", "--jobs", "jobs.csv");
  expect(text).toMatchObject({ code: 0, err: "" });
  expect(text.out).toContain("retail/churn b waited 30min; evicted by c at 2026-11-02T08:10:00Z, 5min lost");
  const { out } = await quota("simulate", "quotas.yaml", "--jobs", "jobs.csv", "--json");
  expect(JSON.parse(out)).toMatchObject({
    jobs: [
      { name: "a", waitedMs: 0 },
      { name: "b", waitedMs: 1_800_000, lostMs: 300_000, evictions: [{ by: "c" }] },
      { name: "c", waitedMs: 0 },
    ],
    teams: [{ team: "retail/churn", meanWaitMs: 900_000 }, { team: "retail/fraud" }],
  });
  expect((await quota("simulate", "quotas.yaml", "--jobs", "none.csv")).code).toBe(1);
});

test("help of each command shows an example", async () => {
  for (const command of [[], ["check"], ["simulate"]])
    expect((await quota(...command, "--help")).out).toContain("Example:\n  portolan quota");
});
