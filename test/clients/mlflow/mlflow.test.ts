import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findPython, pythonMinors } from "@portolan/training";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Acme, bootstrapAcme, must } from "../../../apps/control/test/api.ts";
import { type InProcessControl, openControl } from "../../../apps/control/test/in-process.ts";
import { openRun } from "../../../apps/control/test/tracked-runs.ts";
import { installEnvironment, trial } from "../../../packages/training/test/trainer-fixture.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { runCommand } from "../../../tools/run-command.ts";

/** MLflow's own client, unmodified, in a trainer behind its walls. */
const python = await pythonClient("mlflow");

describe.skipIf(python === undefined)("the Python client of MLflow", () => {
  let control: InProcessControl;
  let acme: Acme;
  let folder: string;
  beforeAll(async () => {
    control = await openControl();
    acme = await bootstrapAcme(control, control.secret);
    folder = await mkdtemp(join(tmpdir(), "portolan-mlflow-"));
    await chmod(folder, 0o755);
  });
  afterAll(async () => {
    await control.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("logs from inside a trainer, knowing the three variables alone, and is refused on another run", async () => {
    const interpreter = python ?? "";
    const [run, other] = [
      await openRun(control, acme, { principal: "sam", environment: "dev", folder }),
      await openRun(control, acme, { principal: "sam", environment: "dev" }),
    ];
    const code = join(folder, "train.py");
    await writeFile(code, await readFile(join(import.meta.dirname, "client.py")));
    const base = await findPython([interpreter], pythonMinors, installEnvironment);
    const one = await trial(
      base,
      folder,
      { other: other.id },
      {
        code,
        interpreter,
        readable: [dirname(dirname(interpreter)), base.prefix],
        memoryLimitBytes: 2 ** 33,
        tracking: { runId: run.id, socket: run.socket, token: run.token, python: base.path },
      },
    );
    try {
      await one.run();
    } finally {
      await run.close();
      await other.close();
    }
    expect(saidIn(await one.log())).toEqual({
      run: [true, "RUNNING", "active"],
      experiment: "flight-delays/dev",
      same_param: "accepted",
      changed_param: "INVALID_PARAMETER_VALUE",
      bad_key: "INVALID_PARAMETER_VALUE",
      other_metric: "RESOURCE_DOES_NOT_EXIST",
      other_run: "RESOURCE_DOES_NOT_EXIST",
      new_run: "PERMISSION_DENIED",
      traces: "ENDPOINT_NOT_FOUND",
      search: [true],
      no_search: "INVALID_PARAMETER_VALUE",
      status: "FINISHED",
      run_name: "evening trial",
      params: { learning_rate: "0.1", rounds: "100", name: "höhe / 1" },
      tags: { team: "planning", stage: "trial" },
      metrics: {
        loss: "0.2",
        auc: "0.75",
        not_there: "nan",
        beyond: "1.7976931348623157e+308",
        curve: "0.999",
        later: "1.0",
      },
      loss: [0, 1, 2, 3, 4].map((step) => [step, 1 / (step + 1)]),
      curve: [1000, 999, 1_700_000_000_999, 0.999],
    });
  });

  test("makes runs of a person's own, whose limits it explains", async () => {
    const experiment = { experiment_id: `${acme.useCaseId}-dev` };
    const body = await must(
      control,
      "POST",
      "/api/2.0/mlflow/runs/create",
      experiment,
      await control.token("lea"),
    );
    const other = (body["run"] as { info: { run_id: string } }).info.run_id;
    const { exitCode, output } = await runCommand(
      python ?? "",
      [join(import.meta.dirname, "person.py"), other],
      {
        cwd: folder,
        env: {
          PATH: process.env["PATH"],
          HOME: folder,
          MLFLOW_TRACKING_URI: await control.listen(),
          MLFLOW_TRACKING_TOKEN: await control.token("sam"),
        },
      },
    );
    expect([exitCode, exitCode === 0 ? "" : output]).toEqual([0, ""]);
    const denied = ["PERMISSION_DENIED", false];
    expect(saidIn(output)).toEqual({
      no_experiment: "flight-delays/dev",
      own_experiment: ["PERMISSION_DENIED", true],
      experiment: "flight-delays/dev",
      mine: ["flight-delays/dev", "flight-delays/production", "flight-delays/staging"],
      status: ["RUNNING", "active"],
      ended: "FINISHED",
      origin: "client",
      artifacts: true,
      params: { depth: "6", rate: "0.1" },
      metrics: {
        loss: "0.1",
        not_there: "nan",
        beyond: "-1.7976931348623157e+308",
        huge: "1.7e+308",
      },
      history: [0, 1, 2, 3, 4, 9],
      tags: { owner: "planning" },
      // The run of the trainer above is of the same experiment.
      search: ["by hand", "evening trial", "child"],
      children: ["child"],
      deleted: [["by hand"], [], ["INVALID_PARAMETER_VALUE", false]],
      restored: ["by hand"],
      others: denied,
      own_tag: ["INVALID_PARAMETER_VALUE", false],
      remade: ["PERMISSION_DENIED", true],
    });
  });
});

/** The JSON lines `{"name": …, "value": …}` among what it wrote. */
function saidIn(log: string): Record<string, unknown> {
  const lines = log.split("\n").filter((line) => line.startsWith('{"name"'));
  return Object.fromEntries(
    lines.map((line) => {
      const { name, value } = JSON.parse(line) as { name: string; value: unknown };
      return [name, value];
    }),
  );
}
