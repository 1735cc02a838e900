import { judgeReadiness } from "@portolan/planner/policy";
import { expect, test } from "vitest";
import { faultsOf } from "../../test/command-line-faults.ts";
import { readinessPage } from "./readiness-page.ts";
import { readinessText } from "./readiness-text.ts";

const day = 86_400_000_000;
const start = 1_780_000_000_000_000;
const evil = "x<script>\u001b[2J";
const judged = judgeReadiness({
  useCase: { id: "uc_1", name: "churn", createdAt: start },
  now: start + 100 * day,
  environments: ["production"],
  found: {
    plan: [{ id: "pln_1", at: start + day, note: evil }],
    contract: [{ id: "flights@1.0.0", at: start + 2 * day }],
  },
  served: [],
});

test("the terminal is told the score, what is missing with its effort, and the command that mends it", () => {
  const text = readinessText(judged, false);
  expect(text).toContain("churn: 5 of 100, weakest in scale; 35 checks are missing");
  expect(text).toMatch(/cost +25 +###\.+ +1 of 4/);
  expect(text).toMatch(/no endpoint|no production endpoint/);
  expect(text).toContain("portolan endpoint deploy ENDPOINT MODEL VERSION --use-case churn");
  expect(text).toContain("First model: not live yet, day 100 of 183");
  expect(text).not.toContain("pln_1");
});

test("with all of it evidence and roads are told too, and no control character comes through", () => {
  const text = readinessText(judged, true);
  expect(text).toContain("pln_1 (2026-05-29");
  expect(text).toContain("First model in six months");
  expect(text).not.toContain("\u001b");
});

test("a page has the picture with its numbers, no script and nothing unescaped; the same judgement gives the same page", () => {
  const page = readinessPage(judged);
  expect(page).toBe(readinessPage(judged));
  expect(page.match(/<rect /g)).toHaveLength(16);
  expect(page).toContain("Scores of 100: data 20, scale 0");
  expect(page).not.toContain("<script");
  expect(page).toContain("x&lt;script&gt;");
  expect(page).not.toMatch(/(src|href)=/);
  expect(page).toContain("<h1>Readiness of churn</h1>");
  expect(page).not.toContain("First model: ");
  // What mends something stands there to be typed, and each source of efforts once.
  const text = page.replaceAll(/<\/?span>/g, "");
  expect(text).toContain("<code>portolan endpoint deploy ENDPOINT MODEL VERSION --use-case churn");
  const sources = new Set(
    judged.dimensions.flatMap(({ checks }) => checks.flatMap(({ missing }) => missing?.effort.source ?? [])),
  );
  for (const source of sources) expect(page.split(`>${source}<`), source).toHaveLength(2);
});

test("every command that mends something is one of this program with the options that it takes, or a call of the API", async () => {
  const commands = judged.dimensions.flatMap(({ checks }) =>
    checks.flatMap(({ missing }) => missing?.command ?? []),
  );
  expect(commands).toHaveLength(35);
  expect((await Promise.all(commands.map(faultsOf))).flat()).toEqual([]);
  expect(await faultsOf("portolan release begin X")).not.toEqual([]);
  expect(await faultsOf("portolan readiness churn --nonsense")).toEqual(["--nonsense"]);
});
