import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readTemplate } from "@portolan/charter/templates";
import { parseInstant } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import type { PipelineRun } from "@portolan/pipelines/contract";
import { type CommandResult, runPortolan } from "../../apps/cli/test/product.ts";
import { bootstrapAcme, must, putInForce } from "../../apps/control/test/api.ts";
import {
  type ControlOptions,
  type ControlProcess,
  startControlProcess,
} from "../../apps/control/test/control-process.ts";
import { visitsContract, visitsCsv, visitsView } from "../../apps/control/test/visits.ts";

const markers = [0.111, 0.222, 0.333];
const template = Buffer.from(logisticModel(markers, -5.2)).toString("base64");

/** Round by round, each one checkpointed; a round that is lost or done twice gives another model. */
const program = `import base64, hashlib, json, os, struct, time
from pathlib import Path

spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
params = spec["params"]
kept = Path(os.environ["PORTOLAN_CHECKPOINT"]) / "state.json"
start = hashlib.sha256(json.dumps([spec["seed"], spec["features"]]).encode()).hexdigest()
state = json.loads(kept.read_text()) if kept.exists() else {"round": 0, "chain": start}
print(f"starts at {state['round']}", flush=True)
while state["round"] < params["rounds"]:
    state = {"round": state["round"] + 1, "chain": hashlib.sha256(state["chain"].encode()).hexdigest()}
    part = kept.with_name("part")
    part.write_text(json.dumps(state))
    part.rename(kept)
    print(f"round {state['round']}", flush=True)
    time.sleep(params["pause"])
weights = {"wait_now": 0.5 + int(state["chain"][:4], 16) / 2**24}
model = base64.b64decode("${template}")
for marker, name in zip([${markers.join(", ")}], spec["features"]):
    model = model.replace(struct.pack("<f", marker), struct.pack("<f", weights.get(name, 0.0)))
output = Path(os.environ["PORTOLAN_OUTPUT"])
(output / "model.onnx").write_bytes(model)
(output / "metrics.json").write_text(json.dumps({"rounds": state["round"]}))
`;

const trainingSet = {
  name: "waits",
  contract: "visits",
  from: "2026-03-01T00:00:00Z",
  to: "${until}",
  sampleEvery: 1,
  views: [{ view: "visits-by-place", entity: { place: "place" } }],
  request: [{ name: "wait_now", expression: "wait" }],
  label: { name: "long", expression: "wait > 10" },
  baseline: "visits_3h",
};

/** The pipeline that the tests run; pauses are parameters, so that they can be stopped in the middle. */
export const pipelineYaml = `pipeline: waits-daily
useCase: flight-delays
environment: production
model: waits
parameters: { until: "2026-03-02T00:00:00Z", pause: 0, reuse: true, seed: 7 }
stages:
  - kind: prepare
    folder: training
    cache: \${reuse}
  - kind: train
    folder: training
    params: { pause: "\${pause}" }
    seed: \${seed}
    cache: \${reuse}
    retries: 0
  - kind: register
  - kind: evaluate
  - kind: promote
    to: staging
`;

export type PipelineWorld = Awaited<ReturnType<typeof openPipelineWorld>>;

/**
 * The real control process, with two days of visits in production and a pipeline's folder.
 * @param options of the process, at each of its starts
 */
export async function openPipelineWorld(
  pythonMinor: string,
  options: Pick<ControlOptions, "port" | "env"> = {},
) {
  const folder = await mkdtemp(join(tmpdir(), "portolan-pipelines-"));
  const home = join(folder, "home");
  const [training, file] = [join(folder, "training"), join(folder, "pipeline.yaml")];
  await mkdir(training, { recursive: true });
  await mkdir(home, { mode: 0o700 });
  await writeFile(file, pipelineYaml);
  await writeFile(join(training, "train.py"), program);
  await writeFile(join(training, `requirements-${pythonMinor}.lock`), "# nothing is locked\n");
  await writeFile(join(training, "params.json"), JSON.stringify({ rounds: 6 }));
  await writeFile(join(training, "training-set.json"), JSON.stringify(trainingSet));
  const heldOut = { from: "${until}", to: "2026-03-03T00:00:00Z" };
  await writeFile(join(training, "held-out.json"), JSON.stringify(heldOut));
  let control = await startControlProcess({ ...options, home });
  const acme = await bootstrapAcme(control, (await readFile(join(home, "local-credential"), "utf8")).trim());
  await putInForce(control, readTemplate("flight-delays"));
  await bringInVisits(control, acme.useCaseId);
  const api = async (path: string, method: "GET" | "POST" = "GET", body?: object) =>
    must(control, method, path, body, await control.token("ci"));
  const run = async (id: string) => (await api(`/v1/pipeline-runs/${id}`)) as unknown as PipelineRun;
  const trainingLog = async (id: string): Promise<string> => {
    const path = `/v1/training-runs/${id}/logs`;
    const { status, body } = await control.call("GET", path, undefined, await control.token("ci"));
    return status === 200 ? String(body["log"]) : "";
  };
  return {
    file,
    trainingLog,
    /** What its trainer wrote so far; nothing while its training run is named and not begun. */
    logOf: ({ made: { trainingRunId } }: PipelineRun): Promise<string> =>
      trainingLog(trainingRunId ?? "none"),
    api,
    run,
    async portolan(...args: string[]): Promise<CommandResult> {
      const PORTOLAN_TOKEN = await control.token("ci");
      return runPortolan(["pipeline", ...args], {
        PATH: process.env["PATH"],
        PORTOLAN_URL: control.url,
        PORTOLAN_TOKEN,
      });
    },
    /** SIGKILL, and a start of the same one, after what is done while it is away. */
    async killAndRestart(meanwhile?: () => Promise<void>): Promise<void> {
      const { port } = control;
      await control.kill();
      await meanwhile?.();
      control = await startControlProcess({ ...options, home, port });
    },
    /** A training run of the folder's program, beside all pipelines; resolves to its id. */
    async startTraining(change: Readonly<Record<string, unknown>>): Promise<string> {
      const place = { environment: "production", useCaseId: acme.useCaseId };
      const span = { from: parseInstant("2026-03-01T00:00:00Z"), to: parseInstant("2026-03-02T00:00:00Z") };
      const set = await api("/v1/training-sets", "POST", { ...place, ...trainingSet, ...span });
      const path = `/v1/training-sets/${String(set["id"])}`;
      for (let look = 0; look < 600 && (await api(path))["state"] !== "ready"; look++) await sleep(50);
      const code = await upload(control, place, program);
      const locks = { [pythonMinor]: await upload(control, place, "# nothing is locked\n") };
      const body = { ...place, trainingSetId: set["id"], code, locks, seed: 7, ...change };
      return String((await api("/v1/training-runs", "POST", body))["id"]);
    },
    /** Looks until it is so, or the run is over. */
    async until(id: string, isSo: (run: PipelineRun) => boolean | Promise<boolean>): Promise<PipelineRun> {
      for (let look = 0; look < 1200; look++) {
        const now = await run(id);
        if ((await isSo(now)) || now.state !== "running") return now;
        await sleep(25);
      }
      throw new Error(`${id} does not come there: ${JSON.stringify(await run(id))}\n${control.log()}`);
    },
    async close(): Promise<void> {
      await control[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function bringInVisits(control: ControlProcess, useCaseId: string): Promise<void> {
  const token = await control.token("ci");
  const place = { environment: "production", useCaseId };
  await must(control, "PUT", "/v1/contracts/visits", { document: visitsContract }, token);
  await must(control, "PUT", "/v1/feature-views/visits-by-place", { document: visitsView }, token);
  const sources = [{ object: await upload(control, place, visitsCsv), format: "csv" }];
  const { id } = await must(
    control,
    "POST",
    "/v1/ingestions",
    { contract: "visits", ...place, sources },
    token,
  );
  for (let look = 0; look < 600; look++) {
    const { state } = await must(control, "GET", `/v1/ingestions/${String(id)}`, undefined, token);
    if (state === "published") return;
    if (state === "failed") throw new Error(control.log());
    await sleep(50);
  }
  throw new Error(`the visits are not published:\n${control.log()}`);
}

/** Resolves to its digest. */
async function upload(
  control: ControlProcess,
  place: Readonly<Record<string, string>>,
  body: string,
): Promise<string> {
  const uploaded = await fetch(`${control.url}/v1/artifacts?${new URLSearchParams(place).toString()}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${await control.token("ci")}`,
      "content-type": "application/octet-stream",
    },
    body,
  });
  return ((await uploaded.json()) as { digest: string }).digest;
}
