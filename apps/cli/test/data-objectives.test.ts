import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { runCli } from "../src/program.ts";

const root = resolve(import.meta.dirname, "../../..");
let folder: string;

async function portolan(...args: string[]) {
  let out = "";
  const stream = { write: (text: string) => (out += text) };
  const code = await runCli(args, {
    environment: { cwd: folder, env: {}, root },
    streams: { out: stream, err: stream },
  });
  return { code, out };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-slo-data-"));
  await cp(join(root, "examples/flight-delays"), folder, { recursive: true });
  const file = join(folder, "contracts/flights.odcs.yaml");
  const text = await readFile(file, "utf8");
  const promised = text.replace(/^slaProperties:\n(?: {2}.*\n)*/m, "");
  await writeFile(file, `${promised}slaProperties:\n  - { property: freshness, value: 6, unit: h }\n`);
});
afterEach(() => {
  process.exitCode = 0;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("what contracts and views of a folder want of the age of their data is exported without a server", async () => {
  const { code, out } = await portolan("slo", "data", "--environment", "production", "--format", "openslo");
  expect(code).toBe(0);
  const documents = parseAllDocuments(out).map(
    (one) => one.toJS() as { kind: string; metadata: { name: string } },
  );
  const slos = documents.filter(({ kind }) => kind === "SLO").map(({ metadata }) => metadata.name);
  expect(slos.toSorted()).toEqual([
    "production-data-flights-freshness",
    "production-features-arrivals-freshness",
    "production-features-origin-departures-freshness",
    "production-features-routes-freshness",
  ]);
  const rules = await portolan("slo", "data", ".", "--environment", "production");
  expect(rules.out).toContain(
    'max(portolan_data_freshness_lag_seconds{contract="flights",environment="production"}) > bool 21600',
  );
});

test("an environment that there is not is refused, and so is a folder that says nothing of age", async () => {
  const bad = await portolan("slo", "data", "--environment", "moon");
  expect([bad.code, bad.out]).toEqual([1, expect.stringContaining("there is no environment moon")]);
  const empty = await mkdtemp(join(folder, "empty-"));
  const { code, out } = await portolan("slo", "data", empty, "--environment", "dev");
  expect(code).not.toBe(0);
  expect(out).toMatch(/contract/);
});
