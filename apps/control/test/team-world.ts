import { readTemplate } from "@portolan/charter";
import { environments, parseInstant } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import { type Acme, type Answer, bootstrapAcme, must, putInForce } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import { visitsContract, visitsCsv, visitsSet, visitsView } from "./visits.ts";

/**
 * Two teams: sam (data scientist), mia (ML engineer) and the pipeline work for network-planning alone, tom (data
 * scientist) for the crew alone. Nobody of them holds a role in the organisation.
 */
export interface TeamWorld {
  readonly control: InProcessControl;
  readonly acme: Acme;
  /** Id of the crew's use case. */
  readonly crewUseCaseId: string;
  readonly as: (name: string) => Promise<string>;
  readonly post: (who: string, path: string, body: unknown) => Promise<Readonly<Record<string, unknown>>>;
  readonly get: (who: string, path: string) => Promise<Answer>;
  readonly upload: (
    who: string,
    place: Readonly<Record<string, string>>,
    bytes: Uint8Array,
  ) => Promise<string>;
}

/** @param settings of control, by their names */
export async function openTeamWorld(settings: Readonly<Record<string, string>> = {}): Promise<TeamWorld> {
  const control = await openControl(settings);
  const acme = await bootstrapAcme(control, control.secret);
  const tokens = new Map<string, Promise<string>>();
  const as = (name: string): Promise<string> => {
    const known = tokens.get(name) ?? control.token(name);
    tokens.set(name, known);
    return known;
  };
  const post: TeamWorld["post"] = async (who, path, body) => must(control, "POST", path, body, await as(who));
  const named = (name: string) => ({ name, displayName: name });
  await post("ada", "/v1/teams", { ...named("crew"), businessUnit: "operations" });
  const crew = await post("ada", "/v1/use-cases", { ...named("crew-rest"), team: "crew" });
  for (const name of ["mia", "tom"]) await post("ada", "/v1/users", named(name));
  await post("ada", "/v1/service-accounts", named("pipeline"));
  for (const [principal, role, team] of [
    ["mia", "ml_engineer", "network-planning"],
    ["pipeline", "ci", "network-planning"],
    ["tom", "data_scientist", "crew"],
  ] as const)
    await post("ada", "/v1/role-bindings", {
      principal,
      role,
      scope: { kind: "team", id: team },
      environments,
    });
  await putInForce(control, readTemplate("flight-delays"));
  return {
    control,
    acme,
    crewUseCaseId: String(crew["id"]),
    as,
    post,
    get: async (who, path) => control.call("GET", path, undefined, await as(who)),
    upload: async (who, place, bytes) => {
      const path = `/v1/artifacts?${new URLSearchParams(place).toString()}`;
      return String((await post(who, path, Buffer.from(bytes)))["digest"]);
    },
  };
}

/** What sam makes of the visits, in production, for the team's use case. */
export interface TeamWork {
  readonly place: { readonly environment: "production"; readonly useCaseId: string };
  readonly upload: string;
  readonly ingestion: string;
  readonly datasetId: string;
  readonly dataset: string;
  /** Day one, and day two: later rows of the same definition. */
  readonly trainingSet: string;
  readonly heldOut: string;
}

export const noon = parseInstant("2026-03-01T12:00:00Z");
export const dayTwo = parseInstant("2026-03-02T00:00:00Z");

/** Contract, view, batch and training sets: everything up to training. */
export async function prepareData(world: TeamWorld, csv = visitsCsv): Promise<TeamWork> {
  const { control, post, get } = world;
  const sam = await world.as("sam");
  const place = { environment: "production", useCaseId: world.acme.useCaseId } as const;
  const owner = { useCaseId: "flight-delays" };
  await must(control, "PUT", "/v1/contracts/visits", { document: visitsContract, ...owner }, sam);
  await must(control, "PUT", "/v1/feature-views/visits-by-place", { document: visitsView, ...owner }, sam);
  const upload = await world.upload("sam", place, Buffer.from(csv));
  const batch = { contract: "visits", ...place, sources: [{ object: upload, format: "csv" }] };
  const ingestion = String((await post("sam", "/v1/ingestions", batch))["id"]);
  await control.runJobs(control.jobs.data);
  const datasetId = String((await get("sam", `/v1/ingestions/${ingestion}`)).body["datasetId"]);
  const dataset = String((await get("sam", `/v1/datasets/${datasetId}`)).body["object"]);
  const trainingSet = await buildSet(world, visitsSet(place, { to: dayTwo }));
  const heldOut = await buildSet(world, visitsSet(place, { from: dayTwo }));
  return { place, upload, ingestion, datasetId, dataset, trainingSet, heldOut };
}

/** A ready set that sam builds; resolves to its id. */
export async function buildSet(world: TeamWorld, request: object, who = "sam"): Promise<string> {
  const { control, post, get } = world;
  const id = String((await post(who, "/v1/training-sets", request))["id"]);
  await control.runJobs(control.jobs.data);
  const { body } = await get(who, `/v1/training-sets/${id}`);
  if (body["state"] !== "ready") throw new Error(`the training set is ${JSON.stringify(body)}`);
  return id;
}

/** A model that weighs the features of `visitsSet` in their order. */
export const modelOf = (weights: readonly number[], bias: number): Uint8Array =>
  logisticModel([...weights], bias);
/** Looks at `wait_now` alone, on which the label depends. */
export const visitsModel = modelOf([0.5, 0, 0], -5);

/** A trainer of the standard library alone: its model is that one, whatever the rows; it logs one metric. */
export const trainerOf = (model: Uint8Array): string => `import base64, json, os, urllib.request
from pathlib import Path
point = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "rows", "value": 24, "timestamp": 1, "step": 3}
urllib.request.urlopen(urllib.request.Request(
    os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(point).encode(),
    {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"}))
output = Path(os.environ["PORTOLAN_OUTPUT"])
(output / "model.onnx").write_bytes(base64.b64decode("${Buffer.from(model).toString("base64")}"))
(output / "metrics.json").write_text(json.dumps({"rows": 24}))
`;
/** Its model is the one above. */
export const visitsTrainer = trainerOf(visitsModel);

/** An answer without what differs by nature: the request's id, and the name of what was asked for. */
export function bare(answer: Answer, name: string): unknown {
  return JSON.parse(
    JSON.stringify([answer.status, { ...answer.body, instance: "-" }]).replaceAll(name, "<name>"),
  );
}
