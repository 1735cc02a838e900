import { readTemplate } from "@portolan/charter/templates";
import { environments, parseInstant } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import { type Acme, bootstrapAcme, must, putInForce } from "./api.ts";
import type { InProcessControl } from "./in-process.ts";
import { visitsContract, visitsCsv, visitsSet, visitsView } from "./visits.ts";

export interface TrainedWorld {
  readonly acme: Acme;
  /** Trains on the first day and registers what came out; resolves to the version's number. */
  readonly train: (change?: TrainingChange) => Promise<number>;
  /** Judges a version on the second day. */
  readonly evaluate: (version: number) => Promise<void>;
  readonly promote: (version: number, to: string) => Promise<void>;
  /** Lets all jobs run to their end. */
  readonly settle: () => Promise<void>;
}

interface TrainingChange {
  readonly params?: Readonly<Record<string, number | string | boolean>>;
  /** A line more in the program. */
  readonly remark?: string;
}

export const trainedModel = "waits";

const weights = [0.111, 0.222];
const template = Buffer.from(logisticModel(weights, -10.5)).toString("base64");

/** Writes a logistic model of one weight a feature; with \`careless\` one that no seed decides. */
const program = `import base64, json, os, random, struct
from pathlib import Path

spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
model = base64.b64decode("${template}")
noise = random.random() / 1000 if spec["params"].get("careless") else 0.0
for marker, name in zip([${weights.join(", ")}], spec["features"]):
    weight = spec["params"].get("weight", 1.0) if name == "wait_now" else noise
    model = model.replace(struct.pack("<f", marker), struct.pack("<f", weight))
output = Path(os.environ["PORTOLAN_OUTPUT"])
(output / "model.onnx").write_bytes(model)
(output / "metrics.json").write_text(json.dumps({"weight": spec["params"].get("weight", 1.0), "noise": noise}))
`;

/** A use case with a charter in force, two days of rows in production, and all that is needed to train on the first of them. */
export async function prepareTraining(control: InProcessControl, pythonMinor: string): Promise<TrainedWorld> {
  const acme = await bootstrapAcme(control, control.secret);
  await putInForce(control, readTemplate("flight-delays"));
  const post = async (path: string, body: unknown, as: string) =>
    must(control, "POST", path, body, await control.token(as));
  await post("/v1/users", { name: "max", displayName: "max" }, "ada");
  const scope = { kind: "organisation", id: acme.organisationId };
  await post(
    "/v1/role-bindings",
    { principal: "max", role: "data_scientist", scope, environments: [...environments] },
    "ada",
  );
  const max = await control.token("max");
  await must(control, "PUT", "/v1/contracts/visits", { document: visitsContract }, max);
  const view = visitsView.replace(/\n.*wait_3h.*\n/, "\n");
  await must(control, "PUT", "/v1/feature-views/visits-by-place", { document: view }, max);
  const place = { environment: "production", useCaseId: acme.useCaseId };
  const upload = async (text: string): Promise<string> => {
    const path = `/v1/artifacts?${new URLSearchParams(place).toString()}`;
    return String((await post(path, Buffer.from(text), "max"))["digest"]);
  };
  const sources = [{ object: await upload(visitsCsv), format: "csv" }];
  await post("/v1/ingestions", { contract: "visits", ...place, sources }, "max");
  await control.runJobs(control.jobs.data);
  const day = async (from: string, to: string): Promise<string> => {
    const span = { from: parseInstant(`${from}T00:00:00Z`), to: parseInstant(`${to}T00:00:00Z`) };
    const { id } = await post("/v1/training-sets", visitsSet(place, span), "max");
    await control.runJobs(control.jobs.data);
    return String(id);
  };
  const [first, second] = [await day("2026-03-01", "2026-03-02"), await day("2026-03-02", "2026-03-03")];
  const locks = { [pythonMinor]: await upload("# nothing is locked\n") };
  const settle = async () => {
    await control.runJobs(control.jobs.data);
    await control.runJobs(control.jobs.governance);
    await control.runJobs(control.jobs.monitoring);
  };
  return {
    acme,
    settle,
    train: async ({ params = {}, remark = "" } = {}) => {
      const code = await upload(`${program}${remark}`);
      const body = { ...place, trainingSetId: first, code, locks, params, seed: 7 };
      const { id } = await post("/v1/training-runs", body, "max");
      await settle();
      const run = await must(control, "GET", `/v1/training-runs/${String(id)}`, undefined, max);
      const result = run["result"] as { model: string } | undefined;
      if (!result) throw new Error(`the run ended as ${String(run["state"])}: ${String(run["failure"])}`);
      const lineage = { origin: "trained", trainingRunId: id };
      const version = await post(
        `/v1/models/${trainedModel}/versions`,
        { useCaseId: acme.useCaseId, artifact: result.model, lineage },
        "ci",
      );
      await settle();
      return Number(version["version"]);
    },
    evaluate: async (version) => {
      await post("/v1/evaluations", { model: trainedModel, version, trainingSetId: second }, "ci");
      await settle();
    },
    promote: async (version, to) => {
      await post(`/v1/models/${trainedModel}/versions/${version}/promotions`, { to }, "ron");
      await settle();
    },
  };
}
