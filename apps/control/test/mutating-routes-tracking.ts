import { must } from "./api.ts";
import { known, type MutatingRoute, type World } from "./mutating-world.ts";

const credential = (world: World): string => known(world, "runToken");

function logging(call: string, body: object, event = "tracking.batch.logged"): MutatingRoute {
  const url = `/api/2.0/mlflow/runs/${call}` as const;
  const request = (world: World) => ({ url, body: { run_id: known(world, "trainingRun"), ...body } });
  return { route: `POST ${url}`, credential, ledger: "recorded", events: [event], request };
}

/** A run that a person makes, deletes and restores. */
const clientRuns: readonly MutatingRoute[] = [
  {
    route: "POST /api/2.0/mlflow/runs/create",
    as: "max",
    ledger: "recorded",
    events: ["tracking.run.created"],
    request: (world) => ({
      url: "/api/2.0/mlflow/runs/create",
      body: { experiment_id: `${known(world, "useCase")}-dev`, run_name: "by hand" },
    }),
    learn: ({ run }, { known: learnt }) => {
      learnt.set("clientRun", (run as { info: { run_id: string } }).info.run_id);
    },
  },
  ...(["delete", "restore"] as const).map((call): MutatingRoute => {
    const url = `/api/2.0/mlflow/runs/${call}` as const;
    const request = (world: World) => ({ url, body: { run_id: known(world, "clientRun") } });
    return {
      route: `POST ${url}`,
      as: "max",
      ledger: "recorded",
      events: [`tracking.run.${call}d`],
      request,
    };
  }),
];

/** What a person says of an experiment. */
const experimentTags: readonly MutatingRoute[] = (
  [
    ["set-experiment-tag", "tracking.experiment.tagged"],
    ["delete-experiment-tag", "tracking.experiment.untagged"],
  ] as const
).map(([call, event]): MutatingRoute => {
  const url = `/api/2.0/mlflow/experiments/${call}` as const;
  const request = (world: World) => ({
    url,
    body: { experiment_id: `${known(world, "useCase")}-dev`, key: "team", value: "planning" },
  });
  return { route: `POST ${url}`, as: "max", ledger: "recorded", events: [event], request };
});

/** What a trainer calls, with the token of its run. */
export const trackingRoutes: readonly MutatingRoute[] = [
  ...clientRuns,
  ...experimentTags,
  logging("log-metric", { key: "loss", value: 0.5, timestamp: 1, step: 1 }),
  logging("log-parameter", { key: "depth", value: "3" }),
  logging("set-tag", { key: "kind", value: "trial" }),
  logging("delete-tag", { key: "kind" }, "tracking.tag.deleted"),
  logging("log-model", { model_json: '{"flavors": {}}' }, "tracking.model.noted"),
  logging("log-batch", { metrics: [{ key: "loss", value: "NaN", timestamp: "2", step: "2" }] }),
  logging(
    "log-inputs",
    { datasets: [{ dataset: { name: "flights", digest: "d", source_type: "local", source: "{}" } }] },
    "tracking.inputs.logged",
  ),
  logging("update", { status: "FINISHED", end_time: 3 }, "tracking.run.reported"),
];

/** A run in production that a client made, and a data set that it read. */
export async function trackProduction({ api, known: learnt }: World, token: string): Promise<void> {
  const created = { experiment_id: `${learnt.get("organisation")}-production` };
  const made = await must(api, "POST", "/api/2.0/mlflow/runs/create", created, token);
  const runId = (made["run"] as { info: { run_id: string } }).info.run_id;
  const dataset = { name: "salaries-read", digest: "d", source_type: "local", source: "{}" };
  await must(
    api,
    "POST",
    "/api/2.0/mlflow/runs/log-inputs",
    { run_id: runId, datasets: [{ dataset }] },
    token,
  );
  learnt.set("clientRun", runId).set("trackedDataset", dataset.name);
  const root = `${learnt.get("organisation")}-production/${runId}/artifacts`;
  const proxy = "/api/2.0/mlflow-artifacts/artifacts";
  await must(api, "PUT", `${proxy}/${root}/salaries.txt`, Buffer.from("figures"), token);
  learnt.set("artifactRoot", root);
  const asked = { experiment_id: created.experiment_id, source_run_id: runId, name: "salaries" };
  const logged = await must(api, "POST", "/api/2.0/mlflow/logged-models", asked, token);
  learnt.set("loggedModel", (logged["model"] as { info: { model_id: string } }).info.model_id);
}
