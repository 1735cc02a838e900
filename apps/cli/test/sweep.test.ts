import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type InProcessControl, openControl } from "../../control/test/in-process.ts";
import { prepareTraining } from "../../control/test/trained-world.ts";
import { type CommandResult, runPortolan } from "./product.ts";

let control: InProcessControl;
let url: string;
let useCase: string;
let trainingSet: string;
let folder: string;
const digest = `sha256:${"a".repeat(64)}`;

beforeAll(async () => {
  control = await openControl();
  useCase = (await prepareTraining(control, "3.12")).acme.useCaseId;
  url = await control.listen();
  const [set] = await control.database.session((session) =>
    session.query<{ id: string }>("select id from features.training_sets_v1 limit 1"),
  );
  trainingSet = set?.id ?? "none";
  folder = await mkdtemp(join(tmpdir(), "portolan-sweep-"));
  const files = {
    "train.py": "print('no trainer runs here')\n",
    "requirements-3.12.lock": "# nothing is locked\n",
    "training-set.json": "{}",
    "params.json": '{ "rounds": 5, "depth": 0 }',
    "sweep.json": JSON.stringify({
      method: "grid",
      params: { depth: { values: [3, 1, 2, 4] } },
      metric: "loss",
      direction: "minimize",
    }),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
});
afterAll(async () => {
  await control.close();
  await rm(folder, { recursive: true, force: true });
});

async function sweep(...args: string[]): Promise<CommandResult> {
  const token = await control.token("max");
  const env = { PATH: process.env["PATH"], PORTOLAN_URL: url, PORTOLAN_TOKEN: token };
  return runPortolan(["sweep", ...args], env);
}
const run = (...more: string[]) =>
  sweep("run", folder, "--use-case", useCase, "--environment", "production", "--json", ...more);

interface Waiting {
  readonly id: string;
  readonly params: { readonly depth: number; readonly rounds: number };
}

const waiting = (): Promise<Waiting[]> =>
  control.database.session((session) =>
    session.query<Waiting>(
      "select id, request->'params' as params from training.runs where state = 'waiting' order by id",
    ),
  );

/** Ends runs as their trainers would, one at a time; resolves to the most that waited at once. */
async function endAsTrained(over: Promise<unknown>): Promise<number> {
  let isOver = false;
  void over.finally(() => {
    isOver = true;
  });
  let most = 0;
  while (!isOver) {
    const runs = await waiting();
    most = Math.max(most, runs.length);
    const [first] = runs;
    // Both places are taken, or nothing more is started.
    if (first) await endRun(first);
    await delay(50);
  }
  return most;
}

async function endRun({ id, params }: Waiting): Promise<void> {
  const result = {
    model: digest,
    modelSizeBytes: 1,
    metrics: { loss: (params.depth - 2) ** 2 / params.rounds },
    log: digest,
    data: digest,
    code: digest,
    params: digest,
    environmentLock: digest,
    python: "3.12.1",
    seed: 7,
    networkBlocked: true,
    isolation: "namespaces",
  };
  const failed = params.depth === 4;
  await control.database.session((session) =>
    session.query(
      "update training.runs set state = $2, result = $3, finished_at = started_at where id = $1",
      [id, failed ? "failed" : "succeeded", failed ? null : JSON.stringify(result)],
    ),
  );
}

interface Said {
  readonly trials: readonly { readonly run: string; readonly state: string; readonly params: object }[];
  readonly best?: object;
}

test("every trial is a run over the folder's parameters, two at once, and the best one is named; again it starts nothing", async () => {
  const first = run("--training-set", trainingSet);
  expect(await endAsTrained(first)).toBeLessThanOrEqual(2);
  const done = await first;
  expect(done.code, done.err + done.out).toBe(0);
  const said = JSON.parse(done.out) as Said;
  expect(said.trials.map(({ state }) => state).toSorted()).toEqual([
    "failed",
    "succeeded",
    "succeeded",
    "succeeded",
  ]);
  expect(said.best).toMatchObject({ params: { depth: 2 }, metric: 0, state: "succeeded" });
  const again = JSON.parse((await run()).out) as Said;
  expect(again).toEqual(said);
});

test("one that was cut off goes on with what it had started, and cancelling tells the runs that are under way", async () => {
  const path = join(folder, "sweep-state.json");
  const state = JSON.parse(await readFile(path, "utf8")) as {
    trainingSet: string;
    trials: { run?: string; state?: string }[];
  };
  // Its later trials learn from the same rows, though nobody names them again.
  expect(state.trainingSet).toBe(trainingSet);
  const before = state.trials.map((trial) => trial.run);
  for (const trial of state.trials.slice(2)) {
    delete trial.run;
    delete trial.state;
  }
  await writeFile(path, JSON.stringify(state));
  const going = run();
  await expect.poll(async () => (await waiting()).length, { timeout: 60_000 }).toBe(2);
  const told = await sweep("cancel", folder, "--json");
  expect(told.code, told.err + told.out).toBe(0);
  const { cancelled } = JSON.parse(told.out) as { cancelled: string[] };
  expect(cancelled.toSorted()).toEqual((await waiting()).map(({ id }) => id));
  const jobs = await control.database.session((session) =>
    session.query<{ state: string }>("select state from database.job_runs where key = any($1)", [cancelled]),
  );
  expect(jobs).toEqual([{ state: "cancelled" }, { state: "cancelled" }]);
  // As the queue settles them; nothing runs beside a request here.
  await control.database.session((session) =>
    session.query("update training.runs set state = 'cancelled' where state = 'waiting'"),
  );
  const { trials } = JSON.parse((await going).out) as Said;
  expect(trials.slice(0, 2).map((trial) => trial.run)).toEqual(before.slice(0, 2));
  expect(trials.slice(2).every((trial) => cancelled.includes(trial.run))).toBe(true);
});

test("other rows, and another declaration, are another sweep, and it says so", async () => {
  expect((await run("--training-set", "ts_another")).out).toContain("another sweep");
  await writeFile(join(folder, "params.json"), '{ "rounds": 6 }');
  const { code, out } = await run();
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    error: { code: "cli.bad_file", detail: expect.stringContaining("another sweep") as string },
  });
});
