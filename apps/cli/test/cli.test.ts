import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { templateNames } from "@portolan/charter/templates";
import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootstrapAcme } from "../../control/test/api.ts";
import { type ControlProcess, startControlProcess } from "../../control/test/control-process.ts";
import type { Change } from "../src/client/apply.ts";
import { commandGroups } from "../src/command-groups.ts";
import { createProgram, runCli } from "../src/program.ts";
import { readTrainingFolder } from "../src/training-folder.ts";

const root = resolve(import.meta.dirname, "../../..");
const folder = mkdtempSync(join(tmpdir(), "portolan-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One command line in this process, with what it would have printed. */
async function portolan(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  let out = "";
  let err = "";
  const streams = {
    out: { write: (text: string) => (out += text) },
    err: { write: (text: string) => (err += text) },
  };
  const environment = { cwd: folder, env: { PATH: process.env["PATH"] ?? "", ...env }, root };
  const code = await runCli(args, { environment, streams });
  process.exitCode = undefined; // a command's exit code is not this test's
  return { code, out, err };
}

/** Every command line of the program, groups included. */
function commandLines(command: Command, path: readonly string[] = []): (readonly string[])[] {
  return command.commands.flatMap((child) => {
    const here = [...path, child.name()];
    return [here, ...commandLines(child, here)];
  });
}

function isLeaf(path: readonly string[], all: readonly (readonly string[])[]): boolean {
  return !all.some((other) => other.length > path.length && path.every((word, i) => other[i] === word));
}

const streams = { out: { write: () => true }, err: { write: () => true } };
const run = { environment: { cwd: folder, env: {}, root }, streams };
const all = commandLines(await createProgram(run));
const leaves = all.filter((path) => isLeaf(path, all));

test("a command line loads the group of its command alone, and each group has the commands that it names", async () => {
  for (const { names } of commandGroups)
    for (const name of names) {
      const program = await createProgram(run, ["--home", "status", "--json", name, "demo", "--help"]);
      expect(program.commands.map((command) => command.name())).toEqual(names);
    }
  const every = commandGroups.flatMap(({ names }) => names);
  for (const args of [[], ["--help"], ["help", "up"], ["unknown"], ["--home", "up"]])
    expect((await createProgram(run, args)).commands.map((command) => command.name())).toEqual(every);
});

test("the program has the commands of the foundation", () => {
  const first = new Set(all.map(([word]) => word));
  for (const name of "init plan sign apply up down status logs model predict outcome audit doctor".split(" "))
    expect(first, name).toContain(name);
  expect(leaves.length).toBeGreaterThan(30);
});

test.each(all.map((path) => path.join(" ")))("%s --help shows an example", async (line) => {
  const { code, out } = await portolan([...line.split(" "), "--help"]);
  expect(code).toBe(0);
  expect(out).toMatch(new RegExp(`Examples?:\\n  portolan ${line}`));
});

test("--help of the program itself shows where to begin, --version its version", async () => {
  expect((await portolan(["--help"])).out).toMatch(/Examples:\n {2}portolan doctor/);
  expect(await portolan(["--version"])).toEqual({
    code: 0,
    out: expect.stringMatching(/^portolan \d+\.\d+\.\d+\n$/),
    err: "",
  });
});

describe("exit codes and --json", () => {
  test("an unknown command is exit code 2 and names the nearest one", async () => {
    const { code, out, err } = await portolan(["stats"]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain("unknown command 'stats'");
    expect(err).toContain("Did you mean status?");
  });

  test.each([["stats"], ["sign"], ["plan", "--nonsense"], ["model", "promote"]])(
    "what is not understood (%s) is one JSON document under --json",
    async (...line) => {
      const { code, out } = await portolan(["--json", ...line]);
      expect(code).toBe(2);
      expect(JSON.parse(out)).toMatchObject({
        error: { code: "cli.bad_usage", detail: expect.any(String), mend: expect.any(String) },
      });
    },
  );

  test.each(all.map((path) => [path.join(" ")]))(
    "`%s` with an option that there is not is exit code 2, and one JSON document under --json",
    async (line) => {
      const { code, out } = await portolan(["--json", ...line.split(" "), "--no-such-option"]);
      expect(code).toBe(2);
      expect(JSON.parse(out)).toMatchObject({ error: { code: "cli.bad_usage", detail: expect.any(String) } });
      expect(await portolan([...line.split(" "), "--no-such-option"])).toMatchObject({ code: 2, out: "" });
    },
  );

  // Everything that needs a server or a file, called where neither is: one document, exit code 1, a mend.
  test.each(
    [
      "apply",
      "plan",
      "charter check",
      "charter explain",
      "charter list",
      "whoami",
      "user list",
      "model list",
      "model import missing.onnx --name a --use-case a",
      "audit verify",
      "audit search",
      "audit check-proof missing.json",
      "audit verify --export missing.jsonl",
      "predict x --file missing.json",
      "outcome prd_1 true",
      "logs control",
      "sign --role team_lead --use-case x",
      "init --template nonsense",
      "api-key create x",
    ].map((line) => [line]),
  )("a failing `%s` is one JSON document with code, detail and mend, and exit code 1", async (line) => {
    const { code, out } = await portolan(["--json", ...line.split(" ")]);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      error: { code: expect.stringMatching(/^cli\./), detail: expect.any(String), mend: expect.any(String) },
    });
    const people = await portolan(line.split(" "));
    expect(people.out).toBe("");
    expect(people.err).toMatch(/^portolan: \S.*\n {2}\S.*\n {2}\(cli\.[a-z_]+\)\n$/);
  });
});

describe.each(templateNames.map((name) => [name]))("init --template %s", (template) => {
  const target = join(folder, template);

  test("writes a charter that is valid and can be planned, and overwrites nothing", async () => {
    expect(await portolan(["init", target, "--template", template])).toMatchObject({ code: 0, err: "" });
    const check = await portolan(["--json", "charter", "check", join(target, "charter.yaml")]);
    expect(JSON.parse(check.out)).toMatchObject({ valid: true });
    const plan = await portolan(["plan", target, "--json"]);
    expect(plan.code).toBe(0);
    expect(JSON.parse(plan.out)).toEqual(expect.any(Object));
    const again = await portolan(["init", target, "--template", template]);
    expect(again.code).toBe(1);
    expect(again.err).toContain("--force");
  });
});

test.each(["flight-delays", "readmission", "ai4i", "credit-default"])(
  "a template with data, %s, brings all the files that its charter names, a trainer with locks among them",
  async (template) => {
    const target = join(folder, `whole-${template}`);
    const { out } = await portolan(["init", target, "--template", template, "--json"]);
    const { written } = JSON.parse(out) as { written: string[] };
    const names = written.map((path) => relative(target, path));
    expect(names).toEqual(
      expect.arrayContaining([
        "training/train.py",
        "training/training-set.json",
        "training/requirements-3.12.lock",
      ]),
    );
    const plan = await portolan(["plan", target, "--json"]);
    expect(plan.out).not.toMatch(/(contract|trainer|view) \S+ is missing/);
    const contracts = names.filter((name) => name.startsWith("contracts/"));
    expect(readFileSync(join(target, "charter.yaml"), "utf8")).toContain(contracts[0]);
  },
);
describe("init --trainer", () => {
  test.each(["xgboost", "lightgbm", "keras"])(
    "%s is a training folder that can be trained from, whatever the template",
    async (trainer) => {
      for (const template of ["churn", "flight-delays"]) {
        const target = join(folder, `${trainer}-${template}`);
        expect(await portolan(["init", target, "--template", template, "--trainer", trainer])).toMatchObject({
          code: 0,
          err: "",
        });
        const { program, locks, trainingSet } = await readTrainingFolder(join(target, "training"));
        expect(program).toContain(`import ${trainer}`);
        expect(locks.map(({ minor }) => minor)).toEqual(["3.10", "3.11", "3.12", "3.13", "3.14"]);
        expect(trainingSet["contract"]).toBe(template === "churn" ? "FILL-IN-contract" : "flights");
      }
    },
  );

  test("a checkpoint interval is a whole number of seconds", async () => {
    const line = ["model", "train", "churn", "--use-case", "churn", "--checkpoint-every"];
    for (const every of ["0", "1.5", "often", "86401"])
      expect((await portolan([...line, every])).err, every).toContain(
        `--checkpoint-every ${every} is no whole`,
      );
    // The next thing that is wrong is that there is no folder.
    expect((await portolan([...line, "60"])).err).toContain("train.py");
  });

  test("another name is refused before anything is written", async () => {
    const { code, err } = await portolan(["init", join(folder, "none"), "--trainer", "cobol"]);
    expect(code).toBe(1);
    expect(err).toContain("Use one of: xgboost, lightgbm, keras.");
    expect(existsSync(join(folder, "none"))).toBe(false);
  });
});

describe("apply", () => {
  let control: ControlProcess;
  let env: Record<string, string>;
  const target = join(folder, "applied");

  beforeAll(async () => {
    control = await startControlProcess();
    await bootstrapAcme(control, readFileSync(join(control.home, "local-credential"), "utf8").trim());
    env = { PORTOLAN_URL: control.url, PORTOLAN_TOKEN: await control.token("ci") };
    await portolan(["init", target, "--template", "flight-delays"]);
  });
  afterAll(() => control[Symbol.asyncDispose]());

  const apply = async (...options: string[]): Promise<Change[]> => {
    const { code, out, err } = await portolan(["--json", "apply", target, ...options], env);
    expect({ code, err }, out).toEqual({ code: 0, err: "" });
    return (JSON.parse(out) as { changes: Change[] }).changes;
  };
  const kinds = (changes: readonly Change[]) => [...new Set(changes.map((change) => change.kind))];

  test("shows first, then creates, then has nothing to do", async () => {
    const planned = await apply("--dry-run");
    expect(planned.length).toBeGreaterThan(2);
    expect(kinds(planned)).toEqual(["create"]);
    expect(kinds(await apply("--dry-run")), "a dry run changes nothing").toEqual(["create"]);
    expect((await apply()).map(({ kind, name }) => ({ kind, name }))).toEqual(
      planned.map(({ kind, name }) => ({ kind, name })),
    );
    expect(kinds(await apply())).toEqual(["unchanged"]);
    expect(kinds(await apply("--dry-run"))).toEqual(["unchanged"]);
  });

  test("a dry run prints what would change in each file, line by line and value by value", async () => {
    const charter = join(target, "charter.yaml");
    const contract = join(target, "contracts", "flights.odcs.yaml");
    const before = { charter: readFileSync(charter, "utf8"), contract: readFileSync(contract, "utf8") };
    writeFileSync(charter, before.charter.replace(/availability: \S+/, "availability: 99.9%"));
    writeFileSync(contract, `${before.contract}# a remark\n`);
    const { code, out } = await portolan(["apply", target, "--dry-run"], env);
    writeFileSync(charter, before.charter);
    writeFileSync(contract, before.contract);
    expect(code).toBe(0);
    expect(out).toMatch(/~ charter flight-delays .*\n {4}\/requirements\/availability: .* -> /);
    expect(out).toMatch(/~ contract flights .*\n {4}\+ # a remark/);
  });

  test("a view whose windows would stand still online is published with advice, once", async () => {
    const view = join(target, "features", "still.yaml");
    const lines = ["kind: FeatureView", "name: still", "source: flights", "entity: [origin]", "ttl: 1h"];
    const feature = "features:\n  - { name: still_1h, aggregate: count, window: 1h }\n";
    writeFileSync(view, `${lines.join("\n")}\neventTime: departed_at\n${feature}`);
    const first = await portolan(["apply", target], env);
    expect(first).toMatchObject({ code: 0 });
    expect(first.out).toMatch(/\+ feature view still {2}version 1\n {4}advice: .*`events: log`/);
    expect((await portolan(["apply", target], env)).out).not.toContain("advice");
    rmSync(view);
  });

  test("lineage draws a contract and what is defined over it, in the terminal and to a file; a wrong name gets near ones", async () => {
    const lineage = (...line: string[]) => portolan(["lineage", ...line], env);
    // Told from the ledger, a second or so after it was published.
    let shown = await lineage("flights");
    for (let tries = 0; !shown.out.includes("origin-departures") && tries < 50; tries++) {
      await delay(100);
      shown = await lineage("flights");
    }
    expect(shown.out).toMatch(/^flights {2}contract:\/\/acme\n/);
    expect(shown.out).toMatch(
      /define\.origin-departures@1 \(stated\)\n.*origin-departures@1 {2}featurestore:\/\/acme/,
    );
    const columns = await lineage("origin-departures", "--columns", "--upstream");
    expect(columns.out).toMatch(/flights\.\w+ {2}contract:\/\/acme {2}\[aggregation \(mean over 3h\)/);
    const json = await portolan(["--json", "lineage", "flights", "--downstream", "--depth", "1"], env);
    expect(JSON.parse(json.out)).toMatchObject({ roots: ["dataset:contract://acme:flights"] });
    for (const [name, start] of [
      ["a.svg", "<svg "],
      ["a.html", "<!doctype html>"],
      ["a.dot", "digraph lineage {"],
    ] as const) {
      const file = join(folder, name);
      expect(await lineage("flights", "--out", file)).toMatchObject({ code: 0 });
      expect(readFileSync(file, "utf8").startsWith(start), name).toBe(true);
    }
    const wrong = await lineage("flihgts");
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining("Near it: flights") });
    expect((await lineage("flights", "--format", "png", "--out", "x")).err).toContain("svg, html, dot");
  });

  test("contract diff compares with the tables that the server's version was published with", async () => {
    const contract = join(target, "contracts", "flights.odcs.yaml");
    const airports = join(target, "airports.csv");
    const diff = async () => {
      const { out, err } = await portolan(["--json", "contract", "diff", contract], env);
      return JSON.parse(out || err) as unknown;
    };
    const before = { contract: readFileSync(contract, "utf8"), airports: readFileSync(airports, "utf8") };
    expect(await diff()).toMatchObject({ changes: [] });
    writeFileSync(airports, `${before.airports}ZZZ,Europe/Paris\n`);
    expect(await diff()).toMatchObject({
      demands: "major",
      changes: [{ kind: "breaking", path: "references.airports.csv" }],
    });
    writeFileSync(airports, before.airports);
    const derived = / +customProperties:\n +- property: portolan.localTime\n.*\n/;
    expect(before.contract).toMatch(derived);
    writeFileSync(contract, before.contract.replace(derived, ""));
    expect(await diff(), "a version that names no table any more").toMatchObject({
      changes: expect.arrayContaining([
        expect.objectContaining({ path: "columns.departed_at.localTime" }),
      ]) as [],
    });
    writeFileSync(contract, before.contract);
  });
});
