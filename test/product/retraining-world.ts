import { readTemplate } from "@portolan/charter/templates";
import { environments, parseInstant } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import type { Retraining } from "@portolan/retraining/contract";
import { bootstrapAcme, must, putInForce } from "../../apps/control/test/api.ts";
import { openControl } from "../../apps/control/test/in-process.ts";
import { visitsContract, visitsSet, visitsView } from "../../apps/control/test/visits.ts";

export const model = "waits";
export const endpoint = "waits";
const digits = new Intl.NumberFormat("en", { minimumIntegerDigits: 2 });

/** Two days of visits, one each two minutes. */
const rows = Array.from({ length: 1440 }, (_, n) => {
  const [day, minute] = [1 + Math.floor(n / 720), (2 * n) % 1440];
  const time = `${digits.format(Math.floor(minute / 60))}:${digits.format(minute % 60)}`;
  return `2026-03-0${day}T${time}:00Z,${n % 2 === 0 ? "north" : "south"},${(n * 7) % 30}`;
});
const csv = `seen_at,place,wait\n${rows.join("\n")}\n`;

/** The wait itself, and one that says little of the label. */
const request = [
  { name: "wait_now", expression: "wait" },
  { name: "jitter", expression: "wait * 37 % 31" },
];
const markers = [0.111, 0.222, 0.333];
const template = Buffer.from(logisticModel(markers, -5.2)).toString("base64");

/** Learns what counts from enough rows, and from few of them something else besides. */
const program = `import base64, json, os, struct
from pathlib import Path

spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
rows = os.path.getsize(os.environ["PORTOLAN_TRAINING_SET"])
weights = {"wait_now": 0.5, "jitter": 0.0} if rows > spec["params"]["enoughBytes"] else {"wait_now": 0.1, "jitter": 0.1}
model = base64.b64decode("${template}")
for marker, name in zip([${markers.join(", ")}], spec["features"]):
    model = model.replace(struct.pack("<f", marker), struct.pack("<f", weights.get(name, 0.0)))
output = Path(os.environ["PORTOLAN_OUTPUT"])
(output / "model.onnx").write_bytes(model)
(output / "metrics.json").write_text(json.dumps({"bytes": rows}))
`;

const charter = readTemplate("flight-delays").replace(
  /^retraining:\n(?: .*\n)+/m,
  "retraining: { every: 1s, approval: team_lead }\n",
);

/** What a release is held to in a test that has not the time for a margin of one request in a hundred. */
export const policy = {
  trainingDays: 1.25,
  release: {
    steps: [{ kind: "canary", percent: 50, leastRequests: 60, leastSeconds: 0 }],
    margin: { relative: 0.1, absolute: 0.08 },
    slowMs: null,
    events: [],
  },
};

export type RetrainingWorld = Awaited<ReturnType<typeof openRetrainingWorld>>;

/** An endpoint in production whose first version learned from few rows. */
export async function openRetrainingWorld(pythonMinor: string) {
  const control = await openControl();
  const acme = await bootstrapAcme(control, control.secret);
  await putInForce(control, charter);
  const post = async (as: string, path: string, body: unknown) =>
    must(control, "POST", path, body, await control.token(as));
  const put = async (as: string, path: string, body: unknown) =>
    must(control, "PUT", path, body, await control.token(as));
  const get = async (as: string, path: string) =>
    must(control, "GET", path, undefined, await control.token(as));
  await post("ada", "/v1/users", { name: "max", displayName: "max" });
  const scope = { kind: "organisation", id: acme.organisationId };
  await post("ada", "/v1/role-bindings", { principal: "max", role: "data_scientist", scope, environments });
  const { data, governance, monitoring } = control.jobs;
  const settle = () => control.runJobs([...data, ...governance, ...monitoring]);
  const place = { environment: "production", useCaseId: acme.useCaseId };
  const upload = async (text: string): Promise<string> => {
    const path = `/v1/artifacts?${new URLSearchParams(place).toString()}`;
    return String((await post("max", path, Buffer.from(text)))["digest"]);
  };
  await put("max", "/v1/contracts/visits", { document: visitsContract });
  await put("max", "/v1/feature-views/visits-by-place", {
    document: visitsView.replace(/\n.*wait_3h.*\n/, "\n"),
  });
  const sources = [{ object: await upload(csv), format: "csv" }];
  await post("max", "/v1/ingestions", { contract: "visits", ...place, sources });
  await settle();
  const set = async (from: string, to: string) => {
    const span = { from: parseInstant(from), to: parseInstant(to), request };
    const { id } = await post("max", "/v1/training-sets", visitsSet(place, span));
    await settle();
    const { manifest } = await get("max", `/v1/training-sets/${String(id)}`);
    return { id: String(id), sizeBytes: (manifest as { sizeBytes: number }).sizeBytes };
  };
  const first = await set("2026-03-01T00:00:00Z", "2026-03-01T06:00:00Z");
  const second = await set("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z");
  const locks = { [pythonMinor]: await upload("# nothing is locked\n") };
  const params = { enoughBytes: Math.round(1.5 * first.sizeBytes) };
  const body = { ...place, trainingSetId: first.id, code: await upload(program), locks, params, seed: 7 };
  const { id: trainingRunId } = await post("max", "/v1/training-runs", body);
  await settle();
  const run = await get("max", `/v1/training-runs/${String(trainingRunId)}`);
  const { model: artifact } = run["result"] as { model: string };
  const lineage = { origin: "trained", trainingRunId };
  await post("ci", `/v1/models/${model}/versions`, { useCaseId: acme.useCaseId, artifact, lineage });
  await post("ci", "/v1/evaluations", { model, version: 1, trainingSetId: second.id });
  await settle();
  for (const to of ["staging", "production"])
    await post("ron", `/v1/models/${model}/versions/1/promotions`, { to });
  await put("ci", `/v1/endpoints/${endpoint}`, { ...place, model, version: 1 });
  await put("lea", `/v1/endpoints/${endpoint}/retraining-policy`, { environment: "production", policy });
  await settle();
  const list = async () => (await get("ann", "/v1/retrainings"))["retrainings"] as Retraining[];
  return {
    control,
    acme,
    post,
    get,
    list,
    settle,
    /** Lets it go on until it stands in one of these states, or has ended. */
    async until(id: string, ...states: string[]): Promise<Retraining> {
      for (let look = 0; look < 40; look++) {
        await control.retraining.steer();
        const now = (await get("ann", `/v1/retrainings/${id}`)) as unknown as Retraining;
        if (!now.isOpen || states.includes(now.state)) return now;
        await settle();
      }
      throw new Error(`${id} does not come to ${states.join()}: ${JSON.stringify(await list())}`);
    },
  };
}
