import { known, type MutatingRoute } from "./mutating-world.ts";

/** A pipeline that builds a set; nobody moves its run on here, so that it stands where it is put. */
export const pipelineRoutes: readonly MutatingRoute[] = [
  {
    route: "PUT /v1/pipelines/:name",
    as: "ci",
    ledger: "governed",
    events: ["pipelines.definition.published"],
    request: (world) => ({
      url: "/v1/pipelines/delays-weekly",
      body: {
        environment: "dev",
        useCaseId: known(world, "useCase"),
        model: "delays",
        stages: [
          {
            kind: "prepare",
            trainingSet: {
              name: "delays",
              contract: "visits",
              from: 0,
              to: 1,
              sampleEvery: 1,
              views: [],
              request: [],
              label: { name: "late", expression: "true" },
            },
          },
        ],
      },
    }),
  },
  {
    route: "POST /v1/pipelines/:name/runs",
    as: "ci",
    ledger: "governed",
    events: ["pipelines.run.started"],
    request: () => ({ url: "/v1/pipelines/delays-weekly/runs", body: { environment: "dev" } }),
    learn: (body, world) => void world.known.set("pipelineRun", String(body["id"])),
  },
  {
    route: "POST /v1/pipeline-runs/:id/cancellation",
    as: "ci",
    ledger: "governed",
    events: ["pipelines.run.cancellation_requested"],
    request: (world) => ({
      url: `/v1/pipeline-runs/${known(world, "pipelineRun")}/cancellation`,
      body: { reason: "seen it" },
    }),
  },
];
