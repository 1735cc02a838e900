import { afterAll, beforeAll, expect, test } from "vitest";
import { bootstrapAcme, must } from "../../control/test/api.ts";
import { type InProcessControl, openControl } from "../../control/test/in-process.ts";
import { type OpenRun, openRun } from "../../control/test/tracked-runs.ts";
import { type CommandResult, runPortolan } from "./product.ts";

let control: InProcessControl;
let url: string;
let run: OpenRun;

beforeAll(async () => {
  control = await openControl();
  const acme = await bootstrapAcme(control, control.secret);
  url = await control.listen();
  run = await openRun(control, acme, { principal: "sam", environment: "dev" });
  const metrics = [0.9, 0.5, "NaN"].map((value, step) => ({
    key: "loss",
    value,
    timestamp: 1_000 * step,
    step,
  }));
  const batch = { run_id: run.id, metrics, params: [{ key: "depth", value: "3" }], tags: [] };
  await must(control, "POST", "/api/2.0/mlflow/runs/log-batch", batch, run.token.reveal());
});
afterAll(async () => {
  await run.close();
  await control.close();
});

async function show(...args: string[]): Promise<CommandResult> {
  const token = await control.token("sam");
  const env = { PATH: process.env["PATH"], PORTOLAN_URL: url, PORTOLAN_TOKEN: token };
  return runPortolan(["model", "run", ...args], env);
}

test("a run is shown with what its trainer logged, to people and to scripts", async () => {
  const people = await show(run.id);
  expect(people.code, people.err).toBe(0);
  expect(people.out).toMatch(/^run_\w+ in dev: running$/m);
  expect(people.out).toMatch(/^depth +3$/m);
  expect(people.out).toMatch(/^loss +NaN +2$/m);
  expect(JSON.parse((await show(run.id, "--json")).out)).toMatchObject({
    id: run.id,
    state: "running",
    tracking: { params: { depth: "3" }, metrics: [{ key: "loss", value: "NaN", step: 2 }] },
  });
});

test("every point of one metric, in order; a run that is not there is one clear sentence", async () => {
  expect(JSON.parse((await show(run.id, "--metric", "loss", "--json")).out)).toMatchObject({
    key: "loss",
    points: [
      { value: 0.9, step: 0 },
      { value: 0.5, step: 1 },
      { value: "NaN", step: 2 },
    ],
  });
  expect((await show(run.id, "--metric", "loss")).out).toMatch(/^1 +1970-01-01T00:00:01\S* +0\.5$/m);
  expect((await show(run.id, "--metric", "none")).out).toContain("no metric none");
  const missing = await show("run_00000000000000000000000000");
  expect(missing).toMatchObject({ code: 1 });
  expect(missing.err).toContain("there is no run");
});
