import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import { afterAll, expect, test } from "vitest";
import { parse } from "yaml";
import { writePipeline } from "../src/ci/pipelines.ts";
import { ciSystems } from "../src/ci/settings.ts";
import { tokenSource } from "../src/client/token-source.ts";
import { ciSettings } from "./ci-settings.ts";
import { runPortolan } from "./product.ts";

const folder = mkdtempSync(join(tmpdir(), "portolan-ci-init-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const given =
  "--url https://portolan.example.com --use-case churn --repository acme/churn --source https://git.example.com/portolan.git --ref v0.1.0";
const init = (line: string) => runPortolan(`ci init ${line} --dir ${folder} ${given}`.split(" "));

test("a file that exists is kept without --force, and a dry run writes none", async () => {
  const path = join(folder, ".github/workflows/portolan-churn.yml");
  const dry = await init("github --dry-run");
  expect([dry.code, existsSync(path)]).toEqual([0, false]);
  expect(dry.out).toContain("id-token: write");
  expect((await init("github")).code).toBe(0);
  const first = readFileSync(path, "utf8");
  const again = await init("github --branch trunk");
  expect([again.code, again.err]).toEqual([1, expect.stringContaining("--force")]);
  expect(readFileSync(path, "utf8")).toBe(first);
  const forced = await init("github --branch trunk --force");
  expect(forced.out).toContain("--subject repo:acme/churn:ref:refs/heads/trunk");
});

test.each([
  ["github --branch $(id)", "--branch"],
  ["github --audience ${{secrets.X}}", "--audience"],
  ["argo", "--issuer"],
  ["jenkins", "github, gitlab, argo"],
])("ci init %s is refused with its mend", async (line, named) => {
  const { code, err } = await init(line);
  expect([code, err]).toEqual([1, expect.stringContaining(named)]);
});

test("only the job that releases can have a token, and no secret is named", () => {
  for (const system of ciSystems)
    expect(writePipeline(system, ciSettings).text).not.toMatch(/secrets\.|password/i);
  const { permissions, jobs } = parse(writePipeline("github", ciSettings).text) as {
    permissions: object;
    jobs: Record<"check" | "release", { permissions: object }>;
  };
  expect([permissions, jobs.check.permissions, jobs.release.permissions]).toEqual([
    {},
    { contents: "read" },
    { contents: "read", "id-token": "write" },
  ]);
  const gitlab = parse(writePipeline("gitlab", ciSettings).text) as Record<string, { id_tokens?: object }>;
  expect(gitlab["portolan-churn-check"]?.id_tokens).toBeUndefined();
  expect(gitlab["portolan-churn-release"]?.id_tokens).toEqual({
    PORTOLAN_TOKEN: { aud: ciSettings.audience },
  });
});

/** Schemas of custom resources, where somebody put them beside the checkout. */
const schemas = join(import.meta.dirname, "../../../../shared/data/crds/_jsonschema");
test.skipIf(!existsSync(schemas))("the workflow template is valid by the schema of Argo's own CRD", () => {
  const schema = JSON.parse(
    readFileSync(join(schemas, "workflowtemplate-argoproj.io-v1alpha1.json"), "utf8"),
  );
  const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
  const { text } = writePipeline("argo", { ...ciSettings, place: "ml" });
  expect([validate(parse(text)), validate.errors]).toEqual([true, null]);
});

test("where a job may ask for no token, the fault says which permission it lacks", () => {
  expect(() => tokenSource({ PORTOLAN_OIDC_AUDIENCE: "a" })).toThrow(/may not ask/);
  expect(tokenSource({ PORTOLAN_TOKEN: "t", PORTOLAN_OIDC_AUDIENCE: "a" })).toBe("t");
});
