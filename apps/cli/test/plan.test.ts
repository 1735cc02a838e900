import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { PlanDocument, PortfolioDocument } from "@portolan/planner/contract";
import { toCents } from "@portolan/planner/policy";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

let folder: string;

async function portolan(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(args, {
    environment: { cwd: folder, env: {}, root: resolve(import.meta.dirname, "../../..") },
    streams: { out: { write: (text) => (out += text) }, err: { write: (text) => (err += text) } },
  });
  return { code, out, err };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "portolan-plan-"));
  await portolan("init", "churn");
  for (const preset of ["financial-services", "manufacturing"])
    await portolan("init", preset, "--preset", preset);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a page holds the plan's figures and nothing from elsewhere, and what a charter says is text in it", async () => {
  const charter = readFileSync(join(folder, "churn/charter.yaml"), "utf8");
  await portolan("init", "hostile");
  writeFileSync(
    join(folder, "hostile/charter.yaml"),
    charter.replace(
      /successInSixMonths: .*/,
      "successInSixMonths: Half of <script>alert(1)</script> in two hubs, each week.",
    ),
  );
  const { code, out } = await portolan("plan", "hostile", "--html", "plan.html", "--json");
  expect(code).toBe(0);
  const plan = JSON.parse(out) as PlanDocument;
  const page = readFileSync(join(folder, "plan.html"), "utf8");
  expect(page).toContain(`title="${plan.production?.total.expected}"`);
  for (const { category, what } of plan.production?.lines ?? [])
    expect(page).toContain(`${category}: ${what}`);
  for (const { name } of plan.assumptions) expect(page).toContain(name);
  expect(page).not.toMatch(/<script|https?:\/\/|@import|url\(/);
  expect(page.match(/<svg role="img"/g)).toHaveLength(4);
  for (const { title } of plan.ways?.ways ?? []) expect(page).toContain(title);
  for (const { title, why } of plan.levers?.levers ?? []) {
    expect(page).toContain(`<th scope="row">${title}</th>`);
    expect(out).toContain(why);
  }
  expect((await portolan("plan", "churn", "--html", "plan.html")).err).toContain("--force");
});

test("as Markdown it holds the same figures, and what a charter says is text in it", async () => {
  const charter = readFileSync(join(folder, "churn/charter.yaml"), "utf8");
  await portolan("init", "marked");
  writeFileSync(
    join(folder, "marked/charter.yaml"),
    charter.replace(/availability: .*/, "availability: 99.9%"),
  );
  const { code, out } = await portolan("plan", "marked", "--markdown", "plan.md", "--json");
  expect(code).toBe(0);
  const plan = JSON.parse(out) as PlanDocument;
  const written = readFileSync(join(folder, "plan.md"), "utf8");
  expect(written).toContain(`**${toCents(plan.production?.infrastructure.expected ?? "")}**`);
  expect(written).toContain("## What could be saved");
  expect(written).toContain("## Ways to pay");
  const columns = (line: string) => line.replaceAll("\\|", "").split("|").length;
  for (const block of written.split("\n\n").filter((part) => part.startsWith("| ")))
    expect(new Set(block.split("\n").map(columns)).size, block).toBe(1);
});

test("several folders are a portfolio: the sum of their plans, less the platforms that are not paid twice", async () => {
  const { code, out } = await portolan(
    "plan",
    "churn",
    "financial-services",
    "manufacturing",
    "--html",
    "all.html",
    "--markdown",
    "all.md",
    "--json",
  );
  expect(code).toBe(0);
  const all = JSON.parse(out) as PortfolioDocument;
  expect(all.useCases).toHaveLength(3);
  const figure = (text: string) => Number(text.split(" ")[0]);
  expect(figure(all.together.total.expected) + figure(all.together.shared.expected)).toBeCloseTo(
    figure(all.apart.total.expected),
    6,
  );
  expect(readFileSync(join(folder, "all.html"), "utf8")).toContain("Plan for 3 use cases");
  expect(readFileSync(join(folder, "all.md"), "utf8")).toContain("# Plan for 3 use cases");
  const text = await portolan("plan", "churn", "financial-services");
  expect(text.out).toContain("one platform for all");
});

test("an assumption is changed by its name, which the help lists, and the plan says so", async () => {
  const { code, out } = await portolan("plan", "churn", "--assume", "model-bytes=2e9", "--json");
  expect(code).toBe(0);
  const plan = JSON.parse(out) as PlanDocument;
  expect(plan.assumptions.filter(({ changed }) => changed).map(({ key }) => key)).toEqual(["model-bytes"]);
  const help = (await portolan("plan", "--help")).out;
  for (const { key } of plan.assumptions) expect(help).toContain(key);
});

test("a plan in a file is compared with a charter that is planned, line by line", async () => {
  const { out } = await portolan("plan", "churn", "--json");
  writeFileSync(join(folder, "before.json"), out);
  const same = JSON.parse((await portolan("plan", "compare", "before.json", "churn", "--json")).out) as {
    total: { change: { expected: string } };
  };
  expect(same.total.change.expected).toBe("0 USD");
  const text = await portolan("plan", "compare", "before.json", "churn", "--assume", "answer-bytes=1000");
  expect(text.code).toBe(0);
  expect(text.out).toContain("answer: 500 become 1000 bytes");
  const charters = await portolan("plan", "compare", "churn", "manufacturing");
  expect(charters.out).toContain("Lines of the charter");
  expect(charters.out).toContain("/nonNegotiables/costCeiling");
  writeFileSync(join(folder, "broken.json"), '{"plan": 1}');
  const broken = await portolan("plan", "compare", "broken.json", "churn");
  expect(broken.code).not.toBe(0);
  expect(broken.err).toContain("is no plan");
});

test.each([
  [["plan", "churn", "--assume", "modle-bytes=1"], "Did you mean model-bytes?"],
  [["plan", "churn", "churn"], "churn is planned twice"],
  [["plan", "nowhere"], "charter.yaml"],
  [["plan", "churn", "manufacturing", "--keep"], "--keep keeps one plan"],
])("%j says what is wrong", async (args, message) => {
  const { code, err } = await portolan(...args);
  expect(code).not.toBe(0);
  expect(err).toContain(message);
});
