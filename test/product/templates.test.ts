import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Evaluation } from "@portolan/evaluation/contract";
import type { PipelineRun } from "@portolan/pipelines/contract";
import type { Release } from "@portolan/rollout/contract";
import type { EndpointList } from "@portolan/serving/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePython } from "../../packages/training/test/trainer-fixture.ts";
import {
  blocks,
  openTemplatesWorld,
  type Template,
  type TemplateName,
  type TemplatesWorld,
  tables,
  templates,
} from "./templates-world.ts";

const python = await requirePython();
const areThere = existsSync(tables);

/** What scikit-learn and NumPy alone make of the same files. */
interface Expected {
  readonly accepted: number;
  readonly kept_out: number;
  readonly rows: number;
  readonly positives: number;
  readonly auc: number;
  readonly interval: readonly [number, number];
  readonly request: readonly number[];
  readonly score: number;
}
interface Oracle {
  readonly readmission: Expected & { readonly equal_opportunity: number; readonly with_age: Opportunity };
  readonly ai4i: Expected & { readonly saved: number };
  readonly "credit-default": Expected & { readonly demographic_parity: number };
}
type Opportunity = Expected & { readonly equal_opportunity: number };

test("the page has the commands of each step", () => {
  expect(blocks.length).toBe(8);
});

describe.skipIf(!areThere || python === undefined)(
  "the templates of public tables (where ../shared/data/real and a Python are there)",
  () => {
    let world: TemplatesWorld;
    let oracle: Oracle;
    beforeAll(async () => {
      world = await openTemplatesWorld();
    }, 300_000);
    afterAll(() => world?.close(), 60_000);

    const named = (name: TemplateName): Template => {
      const found = templates.find((one) => one.name === name);
      if (!found) throw new Error(`there is no template ${name}`);
      return found;
    };
    const evaluationOf = async (name: TemplateName, version: number): Promise<Evaluation> => {
      const shown = await world.json<{ evaluations: readonly Evaluation[] }>(`model show ${name} ${version}`);
      const [newest] = shown.evaluations;
      if (!newest) throw new Error(`${name} ${version} has no evaluation`);
      return newest;
    };

    test("each is applied, signed, filled, trained and judged by the commands of the page; figures are those of an independent computation", async () => {
      const said: (readonly [TemplateName, string])[] = [];
      // One after the other, as the same people sign with keys that are made at their first signature.
      for (const template of templates) said.push([template.name, await world.run(1, template)]);
      await Promise.all(templates.map((template) => world.run(2, template)));
      oracle = await askOracle(world.home);
      for (const [name, ingested] of said) {
        const expected = oracle[name];
        expect(ingested).toContain("it is in force");
        expect(ingested).toContain(`${expected.accepted} accepted, ${expected.kept_out} quarantined, 0 dead`);
        const { metrics, gates } = await evaluationOf(name, 1);
        expect(gates.map(({ passed }) => passed)).toEqual(gates.map(() => true));
        expect(metrics).toMatchObject({ rows: expected.rows, positives: expected.positives });
        expect(metrics.values["roc_auc"]).toBeCloseTo(expected.auc, 4);
        expect(metrics.rocAucInterval?.low).toBeCloseTo(expected.interval[0], 4);
        expect(metrics.rocAucInterval?.high).toBeCloseTo(expected.interval[1], 4);
      }
      expect([oracle["credit-default"].kept_out, oracle.readmission.accepted]).toEqual([399, 25_000]);
      const observed = async (name: TemplateName, gate: string) =>
        (await evaluationOf(name, 1)).gates.find((one) => one.gate === gate)?.observed;
      expect(await observed("readmission", "fairness")).toContain(
        oracle.readmission.equal_opportunity.toFixed(4),
      );
      expect(await observed("credit-default", "fairness")).toContain(
        oracle["credit-default"].demographic_parity.toFixed(4),
      );
      expect(await observed("ai4i", "kpis")).toContain(`saved_per_piece ${oracle.ai4i.saved.toFixed(4)}`);
    }, 600_000);

    test("each is promoted, served, asked, explained and on the record; the score is the one that scikit-learn gives", async () => {
      for (const template of templates) {
        await world.run(3, template);
        const work = join(world.folder, "work", template.name);
        const answer = () => JSON.parse(readFileSync(join(work, "answer.json"), "utf8")) as Answer;
        // Until the gateway has loaded the model, or where the machine is busy, the charter's fallback may answer.
        await world.until(4, template, () => answer().parameters?.answered_by === undefined);
        const { outputs } = answer();
        const { inputs } = JSON.parse(readFileSync(join(work, "request.json"), "utf8")) as Request;
        const expected = oracle[template.name];
        expect(inputs[0]?.data.map(Math.fround)).toEqual(expected.request);
        expect(outputs.at(-1)?.data[1]).toBeCloseTo(expected.score, 5);
        const told = await world.until(5, template);
        expect(told).toMatch(/run again, the model gives the recorded answer/);
        expect(told).toMatch(/recorded\n[^]*verified: \d+ rows/);
      }
      const unnamed = await world.shell(
        "./portolan predict readmission --environment production --file work/readmission/request.json --as desk",
      );
      expect([unnamed.code, unnamed.err]).toEqual([1, expect.stringContaining("purpose")]);
      // Its charter brings every answer to a person; that of the machine brings none.
      const { reviews } = await world.json<{ reviews: readonly { endpoint: string }[] }>(
        "review list --as lee",
      );
      expect(reviews.map(({ endpoint }) => endpoint)).toContain("readmission");
      expect(reviews.map(({ endpoint }) => endpoint)).not.toContain("ai4i");
    }, 300_000);

    test("a readmission model that takes the patient's age ranks better, and is refused by the charter's bound on fairness", async () => {
      await world.run(6, named("readmission"));
      const { metrics, gates } = await evaluationOf("readmission", 2);
      const { auc, equal_opportunity } = oracle.readmission.with_age;
      expect(metrics.values["roc_auc"]).toBeCloseTo(auc, 4);
      expect(auc).toBeGreaterThan(oracle.readmission.auc);
      expect(gates.filter(({ passed }) => !passed)).toMatchObject([
        { gate: "fairness", observed: expect.stringContaining(equal_opportunity.toFixed(4)) as string },
      ]);
      const { code, err } = await world.shell(
        "./portolan model promote readmission 2 --to staging --as rita",
      );
      expect([code, err]).toEqual([1, expect.stringMatching(/1 gate\(s\) stand against staging/)]);
    }, 300_000);

    test("a pipeline's release makes a new version what answers, after two approvals and under traffic", async () => {
      await world.run(7, named("ai4i"));
      const release = () => world.json<Release>("release status ai4i --as lee");
      await soon(async () => (await release().catch(() => undefined))?.candidate.version === 2);
      for (const who of ["lee", "rita"]) await world.json(`release approve ai4i --as ${who}`);
      const load = await askWithoutPause(world);
      try {
        await soon(async () => (await release()).state !== "running");
        expect(await release()).toMatchObject({ state: "promoted", candidate: { version: 2 } });
        const run = () => world.json<PipelineRun>("pipeline status ai4i --as pipeline");
        await soon(async () => (await run()).state !== "running");
        const ended = await run();
        expect(ended, JSON.stringify(ended)).toMatchObject({
          state: "succeeded",
          made: { version: 2, releaseId: (await release()).id },
        });
        expect(ended.stages.at(-1)).toMatchObject({ kind: "release", state: "succeeded" });
      } finally {
        await load.stop();
      }
      const { endpoints } = await world.json<EndpointList>("endpoint list --as lee");
      expect(endpoints.find(({ name }) => name === "ai4i")?.route.model.version).toBe(2);
      expect(load.versions.get("2")).toBeGreaterThan(20);
    }, 300_000);
  },
);

interface Answer {
  readonly parameters?: { readonly answered_by?: string };
  readonly outputs: readonly { readonly name: string; readonly data: readonly number[] }[];
}
interface Request {
  readonly inputs: readonly { readonly data: readonly number[] }[];
}

/** Runs it in the environment that the platform built for the trainers: nothing else is installed for it. */
async function askOracle(home: string): Promise<Oracle> {
  const envs = join(home, "envs");
  const built = readdirSync(envs).find((name) => existsSync(join(envs, name, "bin/python"))) ?? "";
  const script = join(import.meta.dirname, "templates-oracle.py");
  const { stdout } = await promisify(execFile)(join(envs, built, "bin/python"), [script, tables]);
  return JSON.parse(stdout) as Oracle;
}

/** Asks the machine's endpoint as `desk`, a few requests at a time, and counts who answers. */
async function askWithoutPause(world: TemplatesWorld) {
  const { text } = await world.json<{ text: string }>(
    "api-key create desk --for desk --environment production",
  );
  const body = readFileSync(join(world.folder, "work/ai4i/request.json"));
  const headers = {
    authorization: `Bearer ${text}`,
    "content-type": "application/json",
    "x-portolan-purpose": "maintenance-planning",
  };
  const versions = new Map<string, number>();
  let isOver = false;
  const ask = async (): Promise<void> => {
    while (!isOver) {
      const url = `${world.gatewayUrl}/v2/models/ai4i/infer`;
      const answer = await fetch(url, { method: "POST", headers, body }).catch(() => undefined);
      const said = answer?.ok ? ((await answer.json()) as { model_version: string }).model_version : "none";
      versions.set(said, (versions.get(said) ?? 0) + 1);
      await sleep(20);
    }
  };
  const askers = Array.from({ length: 4 }, ask);
  return {
    versions,
    stop: async () => {
      isOver = true;
      await Promise.all(askers);
    },
  };
}

/** Looks until it holds; the test's own limit ends it. */
async function soon(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(500);
}
