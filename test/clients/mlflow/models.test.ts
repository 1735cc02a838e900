import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTemplate } from "@portolan/charter";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootstrapAcme, must, putInForce } from "../../../apps/control/test/api.ts";
import { type InProcessControl, openControl } from "../../../apps/control/test/in-process.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { runCommand } from "../../../tools/run-command.ts";

/** MLflow's own client with scikit-learn, unmodified. */
const python = await pythonClient("mlflow");

describe.skipIf(python === undefined)("models through the Python client of MLflow", () => {
  let control: InProcessControl;
  let folder: string;
  let url: string;
  beforeAll(async () => {
    control = await openControl();
    await bootstrapAcme(control, control.secret);
    await putInForce(control, readTemplate("flight-delays"));
    url = await control.listen();
    folder = await mkdtemp(join(tmpdir(), "portolan-mlflow-models-"));
    await writeFile(join(folder, "model.onnx"), logisticModel([1, 2], 0.5));
  });
  afterAll(async () => {
    await control.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function saidBy(principal: string, name: string): Promise<Record<string, unknown>> {
    const script = join(import.meta.dirname, "models.py");
    const { exitCode, output } = await runCommand(python ?? "", [script, name, join(folder, "model.onnx")], {
      cwd: folder,
      env: {
        PATH: process.env["PATH"],
        HOME: folder,
        MLFLOW_TRACKING_URI: url,
        MLFLOW_TRACKING_TOKEN: await control.token(principal),
        MLFLOW_ALLOW_PICKLE_DESERIALIZATION: "true",
      },
    });
    expect([exitCode, exitCode === 0 ? "" : output]).toEqual([0, ""]);
    return saidIn(output);
  }

  const classes = [0, 1, 0, 1];
  const ofRun = {
    listed: expect.arrayContaining(["plots"]),
    artifact: "confusion",
    in_parts: [true, ["parts/large.bin"]],
    outputs: 2,
    model_metric: [0.9],
    found: ["arrivals-model", "registered"],
    by_run: classes,
    by_model: classes,
  };

  test("a pipeline registers what it logs; aliases and stages are promotions under their gates", async () => {
    expect(await saidBy("ci", "arrivals")).toEqual({
      ...ofRun,
      registering: "accepted",
      by_version: classes,
      pickle_promoted: ["PERMISSION_DENIED", expect.stringContaining("servable")],
      by_alias: classes,
      onnx_version: ["2", "READY", { by: "pipeline" }],
      dev: "accepted",
      champion: ["PERMISSION_DENIED", expect.stringContaining("staging-first: never in staging")],
      production: "PERMISSION_DENIED",
      not_champion: "INVALID_PARAMETER_VALUE",
      approval: "INVALID_PARAMETER_VALUE",
      deleted: "PERMISSION_DENIED",
      versions: ["1", "2"],
      names: ["arrivals"],
      aliases: { dev: "2", trial: "1" },
    });
    const blocked = await control.database.session((session) =>
      session.query(
        "select 1 from ledger.rows where convert_from(payload, 'UTF8') like '%promotion_blocked%'",
      ),
    );
    // The alias dev of the pickle, champion and Production of the ONNX version.
    expect(blocked).toHaveLength(3);
    const { versions } = await must(
      control,
      "GET",
      "/v1/models/arrivals/versions",
      undefined,
      await control.token("ann"),
    );
    expect(versions).toMatchObject([
      { version: 2, stages: ["dev"], lineage: { origin: "imported" } },
      { version: 1, stages: [], lineage: { packaging: "files" } },
    ]);
  });

  test("a data scientist is refused the registration, with a row in the ledger, and keeps the run and its files", async () => {
    expect(await saidBy("sam", "departures")).toEqual({ ...ofRun, registering: "PERMISSION_DENIED" });
    const denied = await control.database.session((session) =>
      session.query<{ payload: string }>(
        "select convert_from(payload, 'UTF8') as payload from ledger.rows where class = 'denied'",
      ),
    );
    expect(denied.map(({ payload }) => payload).join("\n")).toContain("registry:import");
  });
});

/** The JSON lines `{"name": …, "value": …}` among what it wrote. */
function saidIn(output: string): Record<string, unknown> {
  const lines = output.split("\n").filter((line) => line.startsWith('{"name"'));
  return Object.fromEntries(
    lines.map((line) => {
      const { name, value } = JSON.parse(line) as { name: string; value: unknown };
      return [name, value];
    }),
  );
}
