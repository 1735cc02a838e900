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

test("attempts are shown with what they kept and lost; a run is told to make room, which its row and the ledger say", async () => {
  const second = 1_000_000;
  await control.database.session(async (session) => {
    const insert = `insert into training.attempts
      (run_id, attempt, started_at, seen_at, checkpoints, checkpoint_at, overdue_times, overdue_since, ended_at, ending, reason, cpu_micros, peak_memory_bytes)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`;
    const cut = [100, 190, 2, 160, 0, null, 190, "preempted", "maintenance", 81_500_000, 2 ** 30];
    const now = [200, 260, 1, 210, 1, 240, null, null, null, null, null];
    for (const [at, values] of [cut, now].entries())
      await session.query(insert, [
        run.id,
        at + 1,
        ...values.map((value, place) =>
          typeof value === "number" && [0, 1, 3, 5, 6].includes(place) ? value * second : value,
        ),
      ]);
  });
  const { out } = await show(run.id);
  expect(out).toMatch(/^1 +1970-01-01T00:01:40\S* +preempted +2 +60\.0 +30\.0 +81\.5 +1024$/m);
  expect(out).toMatch(/^2 +1970-01-01T00:03:20\S* +runs +1, overdue 1 times +0\.0 +0\.0 +- +-$/m);
  expect(out).toContain("Checkpoints kept 60.0 s of work of attempts that were cut off; 30.0 s were lost.");
  expect(out).toContain("Its checkpoint is overdue.");
  expect(JSON.parse((await show(run.id, "--json")).out)).toMatchObject({
    work: { preemptible: true, preemptions: 1, keptSeconds: 60, lostSeconds: 30 },
  });
  const { text } = await control.call("GET", "/metrics");
  expect(text).toContain('portolan_training_checkpoints_overdue{environment="dev"} 1');
  expect(text).toContain('portolan_training_checkpoints_overdue{environment="production"} 0');
  expect((await show(run.id, "--make-room", "noon")).out).toContain("is told to make room");
  const asked = await control.database.session((session) =>
    session.query<{ preemption_asked: string }>("select preemption_asked from training.runs where id = $1", [
      run.id,
    ]),
  );
  expect(asked).toEqual([{ preemption_asked: "noon" }]);
});
