import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTemplate } from "@portolan/charter";
import { addMicros, type EpochMicros, formatInstant, microsPerSecond, systemClock } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootstrapAcme, must, putInForce } from "../../../apps/control/test/api.ts";
import { type InProcessControl, openControl } from "../../../apps/control/test/in-process.ts";
import { visitsContract, visitsSet } from "../../../apps/control/test/visits.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { runCommand } from "../../../tools/run-command.ts";

/** Yes from eleven minutes of waiting on, whatever the second column says. */
const onnx = logisticModel([1, 0], -10.5);

/** MLflow's own client with scikit-learn, unmodified. */
const python = await pythonClient("mlflow");

describe.skipIf(python === undefined)("models through the Python client of MLflow", () => {
  let control: InProcessControl;
  let folder: string;
  let url: string;
  let useCaseId: string;
  beforeAll(async () => {
    control = await openControl();
    ({ useCaseId } = await bootstrapAcme(control, control.secret));
    await putInForce(control, readTemplate("flight-delays"));
    url = await control.listen();
    folder = await mkdtemp(join(tmpdir(), "portolan-mlflow-models-"));
    await writeFile(join(folder, "model.onnx"), onnx);
  });
  afterAll(async () => {
    await control.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function saidBy(
    principal: string,
    script: string,
    ...args: string[]
  ): Promise<Record<string, unknown>> {
    const file = join(import.meta.dirname, script);
    const { exitCode, output } = await runCommand(python ?? "", [file, ...args], {
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
    in_ranges: [true, 206, [1, 2, 3], {}],
    model_inputs: true,
    outputs: 2,
    model_metric: [0.9],
    found: ["arrivals-model", "registered"],
    by_run: classes,
    by_model: classes,
  };

  test("a pipeline registers what it logs; aliases and stages are promotions under their gates", async () => {
    expect(await saidBy("ci", "models.py", "arrivals", join(folder, "model.onnx"))).toEqual({
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

  test("champion is accepted once the charter is signed, the version judged on rows that are later than itself, and staged", async () => {
    const { from, to } = await bringInLaterVisits();
    const set = visitsSet(
      { environment: "production", useCaseId },
      {
        from,
        to,
        views: [],
        request: [
          { name: "wait_now", expression: "wait" },
          { name: "jitter", expression: "wait * 37 % 31" },
        ],
        baseline: "jitter",
      },
    );
    const { id: trainingSetId } = await post("/v1/training-sets", set);
    await control.runJobs(control.jobs.data);
    await post("/v1/evaluations", { model: "arrivals", version: 2, trainingSetId });
    await control.runJobs(control.jobs.governance);
    expect(await saidBy("ci", "champion.py", "arrivals", "2")).toEqual({
      staged: "Staging",
      champion: "2",
      aliases: expect.objectContaining({ champion: "2", production: "2" }) as object,
      stage: "Production",
      file: onnx.byteLength,
    });
    const promoted = await control.database.session((session) =>
      session.query<{ payload: string }>(
        "select convert_from(payload, 'UTF8') as payload from ledger.rows where convert_from(payload, 'UTF8') like '%\"registry.version.promoted\"%'",
      ),
    );
    expect(promoted.filter(({ payload }) => payload.includes("production"))).toHaveLength(1);
  });

  const post = async (path: string, body: unknown) =>
    must(control, "POST", path, body, await control.token("ci"));

  /** Two hundred visits of the next moments; resolves to the interval that they are in. */
  async function bringInLaterVisits(): Promise<{ readonly from: EpochMicros; readonly to: EpochMicros }> {
    const token = await control.token("ci");
    await must(control, "PUT", "/v1/contracts/visits", { document: visitsContract }, token);
    const place = { environment: "production", useCaseId };
    const from = systemClock.now();
    const rows = Array.from({ length: 200 }, (_, n) => {
      const at = formatInstant(addMicros(from, (n + 1) * microsPerSecond));
      return `${at},${n % 2 === 0 ? "north" : "south"},${(n * 7) % 30}`;
    });
    const csv = Buffer.from(`seen_at,place,wait\n${rows.join("\n")}\n`);
    const { digest } = await post(`/v1/artifacts?${new URLSearchParams(place).toString()}`, csv);
    await post("/v1/ingestions", {
      contract: "visits",
      ...place,
      sources: [{ object: digest, format: "csv" }],
    });
    await control.runJobs(control.jobs.data);
    return { from, to: addMicros(from, 300 * microsPerSecond) };
  }

  test("a data scientist is refused the registration, with a row in the ledger, and keeps the run and its files", async () => {
    expect(await saidBy("sam", "models.py", "departures", join(folder, "model.onnx"))).toEqual({
      ...ofRun,
      registering: "PERMISSION_DENIED",
    });
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
