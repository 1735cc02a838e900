import { logisticModel } from "@portolan/onnx-format/testing";
import { must } from "./api.ts";
import { known, type MutatingRoute, type World } from "./mutating-world.ts";

const mlflow = "/api/2.0/mlflow";
const proxy = "/api/2.0/mlflow-artifacts/artifacts";
const experiment = (world: World): string => `${known(world, "useCase")}-dev`;
const runRoot = (world: World): string =>
  `${proxy}/${experiment(world)}/${known(world, "clientRun")}/artifacts`;

/** What a person does to files and models of a run of their own. */
function recorded(
  route: MutatingRoute["route"],
  event: string,
  request: MutatingRoute["request"],
  learn?: MutatingRoute["learn"],
): MutatingRoute {
  return { route, as: "max", ledger: "recorded", events: [event], request, ...(learn ? { learn } : {}) };
}

const ofModel =
  (rest: string, body?: object) =>
  (world: World): { url: string; body?: object } => ({
    url: `${mlflow}/logged-models/${known(world, "loggedModel")}${rest}`,
    ...(body ? { body } : {}),
  });

async function uploadModel(world: World): Promise<void> {
  const url = `${proxy}/${experiment(world)}/models/${known(world, "loggedModel")}/artifacts/model.onnx`;
  const bytes = Buffer.from(logisticModel([1, 2, 3], 0.25));
  await must(world.api, "PUT", url, bytes, await world.api.token("max"));
}

const mpu = "/api/2.0/mlflow-artifacts/mpu";
const ofUpload =
  (what: string, body: (world: World) => object) =>
  (world: World): { url: string; body?: object } => ({
    url: `${mpu}/${what}/${experiment(world)}/${known(world, "clientRun")}/artifacts`,
    body: { path: "large.bin", ...body(world) },
  });

/** One upload that becomes a file, and one that is given up. */
const uploads: readonly MutatingRoute[] = [
  recorded(
    `POST ${mpu}/create/*`,
    "tracking.upload.begun",
    ofUpload("create", () => ({ num_parts: 1 })),
    async ({ upload_id }, world) => {
      world.known.set("upload", String(upload_id));
      const url = `${runRoot(world)}/.upload-${String(upload_id)}/1`;
      await must(world.api, "PUT", url, Buffer.from("all of it"), await world.api.token("max"));
    },
  ),
  recorded(
    `POST ${mpu}/complete/*`,
    "tracking.artifact.logged",
    ofUpload("complete", (world) => ({ upload_id: known(world, "upload"), parts: [{ part_number: 1 }] })),
  ),
  recorded(
    `POST ${mpu}/abort/*`,
    "tracking.artifact.deleted",
    ofUpload("abort", (world) => ({ upload_id: known(world, "upload") })),
  ),
];

const loggedModels: readonly MutatingRoute[] = [
  recorded(`PUT ${proxy}/*`, "tracking.artifact.logged", (world) => ({
    url: `${runRoot(world)}/note.txt`,
    body: Buffer.from("a note"),
  })),
  recorded(`DELETE ${proxy}/*`, "tracking.artifact.deleted", (world) => ({
    url: `${runRoot(world)}/note.txt`,
  })),
  recorded(
    `POST ${mlflow}/logged-models`,
    "tracking.model.created",
    (world) => ({
      url: `${mlflow}/logged-models`,
      body: { experiment_id: experiment(world), source_run_id: known(world, "clientRun"), name: "by-hand" },
    }),
    ({ model }, { known: learnt }) => {
      learnt.set("loggedModel", (model as { info: { model_id: string } }).info.model_id);
    },
  ),
  recorded(`POST ${mlflow}/runs/outputs`, "tracking.outputs.logged", (world) => ({
    url: `${mlflow}/runs/outputs`,
    body: { run_id: known(world, "clientRun"), models: [{ model_id: known(world, "loggedModel") }] },
  })),
  recorded(
    `POST ${mlflow}/logged-models/:model_id/params`,
    "tracking.model.logged",
    ofModel("/params", { params: [{ key: "depth", value: "3" }] }),
  ),
  recorded(
    `PATCH ${mlflow}/logged-models/:model_id/tags`,
    "tracking.model.tagged",
    ofModel("/tags", { tags: [{ key: "team", value: "planning" }] }),
  ),
  recorded(
    `DELETE ${mlflow}/logged-models/:model_id/tags/:tag_key`,
    "tracking.model.untagged",
    ofModel("/tags/team"),
  ),
  recorded(`PATCH ${mlflow}/logged-models/:model_id`, "tracking.model.finalized", async (world) => {
    await uploadModel(world);
    return ofModel("", { status: "LOGGED_MODEL_READY" })(world);
  }),
];

/** What a pipeline does by MLflow's registry, with our own behind it. */
function governed(
  method: "POST" | "PATCH" | "DELETE",
  call: string,
  events: readonly string[],
  body: object | ((world: World) => object),
): MutatingRoute {
  const url = `${mlflow}/${call}` as const;
  const request = (world: World) => ({ url, body: typeof body === "function" ? body(world) : body });
  return { route: `${method} ${url}`, as: "ci", ledger: "governed", events, request };
}

const name = "by-hand";
const version = { name, version: "1" };
const tag = { key: "team", value: "planning" };

const registry: readonly MutatingRoute[] = [
  governed("POST", "registered-models/create", ["registry.model.created"], { name }),
  governed("PATCH", "registered-models/update", ["registry.model.noted"], { name, description: "a trial" }),
  governed("POST", "registered-models/set-tag", ["registry.model.noted"], { name, ...tag }),
  governed("DELETE", "registered-models/delete-tag", ["registry.model.noted"], { name, key: "team" }),
  governed(
    "POST",
    "model-versions/create",
    ["registry.version.created", "registry.version.registered_from"],
    (world) => ({ name, source: `models:/${known(world, "loggedModel")}` }),
  ),
  governed("PATCH", "model-versions/update", ["registry.version.noted"], {
    ...version,
    description: "first",
  }),
  governed("POST", "model-versions/set-tag", ["registry.version.noted"], { ...version, ...tag }),
  governed("DELETE", "model-versions/delete-tag", ["registry.version.noted"], { ...version, key: "team" }),
  governed("POST", "model-versions/transition-stage", ["registry.version.promoted"], {
    ...version,
    stage: "dev",
    archive_existing_versions: false,
  }),
  governed("POST", "registered-models/alias", ["registry.alias.set"], { ...version, alias: "challenger" }),
  governed("DELETE", "registered-models/alias", ["registry.alias.removed"], { name, alias: "challenger" }),
];

/** In the order in which they are driven: files, a model, its versions, and its end. */
export const mlflowRoutes: readonly MutatingRoute[] = [
  ...uploads,
  ...loggedModels,
  ...registry,
  recorded(`DELETE ${mlflow}/logged-models/:model_id`, "tracking.model.deleted", ofModel("")),
];
