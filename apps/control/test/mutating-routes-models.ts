import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asEpochMicros, type Environment, type Id, newId, systemClock } from "@portolan/kernel";
import type { ReferenceProfile } from "@portolan/monitoring/contract";
import { logisticModel } from "@portolan/onnx-format/testing";
import { createShipper, openPredictionWriter } from "@portolan/predictions/log";
import { TensorServer, TextServer } from "@portolan/upstream/testing";
import { must } from "./api.ts";
import { productionSet } from "./mutating-routes-data.ts";
import { endOfEndpoints } from "./mutating-routes-endpoints.ts";
import { known, type MutatingRoute, type World } from "./mutating-world.ts";

const digest = `sha256:${"ab".repeat(32)}`;

/** Blocks are stored first and anchored in the ledger before the answer, one leaf per second over all writers. */
const acceptedFirst = Object.fromEntries(
  ["answered_hours", "block_parts", "blocks", "part_contents", "writers"].map((table) => [
    `predictions.${table}`,
    "anchored by the next leaf, before it is acknowledged (docs/spec/prediction-log.md, P16)",
  ]),
);

/** What the block used is added up once it is accepted; the ledger has the block. */
const meteredThen = Object.fromEntries(
  ["counted_blocks", "usage"].map((table) => [
    `metering.${table}`,
    "sums of the block, counted once and made again from it",
  ]),
);

/** What is counted of accepted blocks is derived from them, and marked block by block. */
const countedThen = Object.fromEntries(
  ["counted_blocks", "request_counts", "stage_counts"].map((table) => [
    `monitoring.${table}`,
    "figures of what the accepted blocks hold, which the ledger has",
  ]),
);

/** A server that runs a model, for as long as this control lives. */
async function upstreamUrl({ control }: World): Promise<string> {
  const tensor = { datatype: "FP32", shape: [-1, 2] };
  const server = await TensorServer.start([{ name: "x", ...tensor }], [{ name: "y", ...tensor }]);
  control.alsoClose(() => server.close());
  return server.url;
}

/** The next version of a model that nothing else uses. */
async function pushRival(world: World, bias: number): Promise<void> {
  const useCaseId = known(world, "useCase");
  const token = await world.api.token("ci");
  const upload = `/v1/artifacts?environment=production&useCaseId=${useCaseId}`;
  const bytes = Buffer.from(logisticModel([1, 2, 3], bias));
  const { digest: artifact } = await must(world.api, "POST", upload, bytes, token);
  const version = { useCaseId, artifact, lineage: { origin: "imported" } };
  await must(world.api, "POST", "/v1/models/rivals/versions", version, token);
}

/** Models, endpoints and predictions. */
export const modelRoutes: readonly MutatingRoute[] = [
  {
    route: "POST /v1/models/:model/versions",
    as: "ci",
    ledger: "governed",
    events: ["registry.version.created"],
    request: async (world) => {
      const bytes = Buffer.from(logisticModel([1, 2, 3], 0.5));
      const upload = `/v1/artifacts?environment=production&useCaseId=${known(world, "useCase")}`;
      const artifact = await must(world.api, "POST", upload, bytes, await world.api.token("ci"));
      return {
        url: "/v1/models/delays/versions",
        body: {
          useCaseId: known(world, "useCase"),
          artifact: artifact["digest"],
          lineage: { origin: "imported", source: "model.onnx" },
        },
      };
    },
  },
  {
    route: "POST /v1/models/:model/versions/:version/promotions",
    as: "ci",
    ledger: "governed",
    events: ["registry.version.promoted"],
    request: () => ({ url: "/v1/models/delays/versions/1/promotions", body: { to: "dev" } }),
  },
  {
    route: "POST /v1/models/:model/versions/:version/attestations",
    as: "ci",
    ledger: "governed",
    events: ["registry.attestation.requested"],
    request: () => ({ url: "/v1/models/delays/versions/1/attestations", body: { environment: "dev" } }),
  },
  {
    route: "POST /v1/models/:model/upstreams",
    as: "ci",
    ledger: "governed",
    events: ["registry.version.created"],
    request: async (world) => ({
      url: "/v1/models/elsewhere/upstreams",
      body: {
        useCaseId: known(world, "useCase"),
        upstream: {
          protocol: "open-inference",
          url: await upstreamUrl(world),
          model: "echo",
          region: "local",
          owner: "self",
        },
      },
    }),
  },
  {
    route: "PUT /v1/gateways/:name",
    as: "gateway-1",
    ledger: "governed",
    events: ["serving.gateway.declared"],
    request: () => ({ url: "/v1/gateways/one", body: { region: "local", owner: "self" } }),
  },
  {
    route: "POST /v1/evaluations",
    as: "ci",
    ledger: "governed",
    events: ["evaluation.started"],
    request: async (world) => ({
      url: "/v1/evaluations",
      body: { model: "delays", version: 1, trainingSetId: await productionSet(world) },
    }),
  },
  {
    route: "POST /v1/comparisons",
    as: "ci",
    ledger: "governed",
    events: ["evaluation.comparison.started"],
    request: async (world) => {
      for (const bias of [0.1, 0.2]) await pushRival(world, bias);
      const trainingSetId = await productionSet(world);
      return {
        url: "/v1/comparisons",
        body: { model: "rivals", challenger: 2, champion: 1, trainingSetId },
      };
    },
  },
  {
    route: "POST /v1/evaluation-sets",
    as: "ci",
    ledger: "governed",
    events: ["evaluation.text_set.registered"],
    request: async (world) => {
      const useCaseId = known(world, "useCase");
      const upload = `/v1/artifacts?environment=production&useCaseId=${useCaseId}`;
      const cases = Buffer.from('{"prompt":"hello","expect":"hello"}');
      const { digest: artifact } = await must(world.api, "POST", upload, cases, await world.api.token("ci"));
      return { url: "/v1/evaluation-sets", body: { name: "questions", useCaseId, artifact } };
    },
    learn: (body, world) => void world.known.set("textSet", String(body["id"])),
  },
  {
    route: "POST /v1/text-evaluations",
    as: "ci",
    ledger: "governed",
    events: ["evaluation.started"],
    request: async (world) => {
      const server = await TextServer.start();
      world.control.alsoClose(() => server.close());
      const upstream = {
        protocol: "openai",
        url: server.url,
        model: "parrot",
        region: "local",
        owner: "self",
      };
      const body = { useCaseId: known(world, "useCase"), upstream };
      await must(world.api, "POST", "/v1/models/speaker/upstreams", body, await world.api.token("ci"));
      return {
        url: "/v1/text-evaluations",
        body: { model: "speaker", version: 1, setId: known(world, "textSet") },
      };
    },
  },
  {
    route: "POST /v1/models/:model/versions/:version/reference-profile",
    as: "ci",
    ledger: "governed",
    events: ["monitoring.reference_profile.started"],
    request: async (world) => ({
      url: "/v1/models/delays/versions/1/reference-profile",
      body: { trainingSetId: await productionSet(world) },
    }),
    learn: async (body, { api, control, known: ids }) => {
      await control.runJobs(control.jobs.monitoring);
      const { result } = await must(
        api,
        "GET",
        `/v1/jobs/${String(body["job"])}`,
        undefined,
        await api.token("ci"),
      );
      ids.set("profile", String((result as { profile: string }).profile));
    },
  },
  {
    route: "POST /v1/models/:model/versions/:version/explanation-background",
    as: "ci",
    ledger: "governed",
    events: ["evaluation.explanation_background.started"],
    request: async (world) => ({
      url: "/v1/models/delays/versions/1/explanation-background",
      body: { trainingSetId: await productionSet(world) },
    }),
  },
  {
    route: "POST /v1/drift-counts",
    as: "gateway-1",
    ledger: "recorded",
    events: ["monitoring.drift.counted"],
    request: async (world) => ({ url: "/v1/drift-counts", body: await driftOf(world) }),
  },
  {
    route: "PUT /v1/endpoints/:name",
    as: "ci",
    ledger: "governed",
    events: ["serving.endpoint.deployed"],
    request: (world) => ({
      url: "/v1/endpoints/delays",
      body: { environment: "dev", useCaseId: known(world, "useCase"), model: "delays", version: 1 },
    }),
  },
  ...endOfEndpoints,
  {
    route: "POST /v1/scorings",
    as: "ci",
    ledger: "governed",
    events: ["scoring.run.started"],
    request: async (world) => ({
      url: "/v1/scorings",
      body: { environment: "dev", endpoint: "delays", datasetId: await devVisits(world), ...visitsOut },
    }),
  },
  {
    route: "POST /v1/prediction-blocks",
    as: "gateway-1",
    ledger: "recorded",
    events: ["predictions.blocks.accepted"],
    besides: { ...acceptedFirst, ...countedThen, ...meteredThen },
    request: async (world) => ({ url: "/v1/prediction-blocks", body: await oneBlock(world) }),
  },
  {
    route: "POST /v1/outcomes",
    as: "max",
    ledger: "recorded",
    events: ["predictions.outcomes.reported"],
    besides: {
      "predictions.outcomes": "a label is joined with its prediction afterwards, again after a crash",
    },
    request: (world) => ({
      url: "/v1/outcomes",
      body: {
        outcomes: [
          { predictionId: known(world, "prediction"), outcome: 1, observedAt: "2026-03-03T00:00:00Z" },
        ],
      },
    }),
  },
  {
    route: "POST /v1/prediction-erasures",
    as: "ada",
    ledger: "governed",
    events: ["predictions.erasure.ordered", "predictions.erasure.completed"],
    request: (world) => ({
      url: "/v1/prediction-erasures",
      body: { select: { predictionIds: [known(world, "prediction")] }, reason: "asked for by the person" },
    }),
  },
  {
    route: "POST /v1/prediction-holds",
    as: "ada",
    ledger: "governed",
    events: ["predictions.hold.placed"],
    request: () => ({
      url: "/v1/prediction-holds",
      body: { environment: "production", endpoint: "delays", reason: "a claim of March" },
    }),
    learn: (body, world) => void world.known.set("hold", String(body["id"])),
  },
  {
    route: "POST /v1/prediction-holds/:id/release",
    as: "ada",
    ledger: "governed",
    events: ["predictions.hold.released"],
    request: (world) => ({
      url: `/v1/prediction-holds/${known(world, "hold")}/release`,
      body: { reason: "the claim is settled" },
    }),
  },
];

const visitsOut = { purpose: "staff-planning", columns: ["wait", "wait", "wait"], out: "visits-scored" };

/** A dataset snapshot of the use case in dev; resolves to its id. */
async function devVisits(world: World): Promise<string> {
  const max = await world.api.token("max");
  const { datasets } = await must(world.api, "GET", "/v1/datasets?contract=visits", undefined, max);
  const found = (datasets as { id: string; environment: string }[]).find((one) => one.environment === "dev");
  if (!found) throw new Error("no visits were ingested in dev");
  return found.id;
}

/** What a gateway counted of one row, under the profile that was made before. */
async function driftOf(world: World) {
  const path = "/v1/models/delays/versions/1/reference-profile";
  const { profile } = await must(world.api, "GET", path, undefined, await world.api.token("ada"));
  const { inputs, outputs } = profile as ReferenceProfile;
  return drift(
    world,
    known(world, "profile"),
    [...inputs, ...outputs].flatMap(({ counts }) => counts),
  );
}

/** A delivery of one part. */
export function drift(
  world: World,
  profile: string,
  counts: readonly number[],
  environment: Environment = "dev",
) {
  const part = {
    environment,
    useCaseId: known(world, "useCase"),
    endpointId: "ep_1",
    endpoint: "delays",
    variant: "champion",
    model: "delays",
    version: 1,
    profile,
    windowStart: 0,
    oneIn: 1,
    rows: 1,
    counts,
  };
  return { writer: newId("writer", systemClock.now()), epoch: 1, sequence: 1, parts: [part] };
}

/** A gateway's log with one prediction in it, as the bytes that it would deliver. */
export async function oneBlock(world: World, environment: Environment = "dev"): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "portolan-writer-"));
  try {
    const writerId = newId("writer", systemClock.now()) as Id<"writer">;
    const writer = await openPredictionWriter({ folder, writerId, clock: systemClock, reserveBytes: 4096 });
    const body = { mediaType: "application/json", bytes: Buffer.from("{}") };
    const id = await writer.append(
      {
        context: {
          organisationId: known(world, "organisation"),
          useCaseId: known(world, "useCase"),
          endpoint: "delays",
          environment,
          model: { name: "delays", version: "1", digest },
          variant: "champion",
          snapshotVersion: 1,
          costTags: {},
        },
        principal: "usr_somebody",
        requestId: "req-1",
        receivedAt: asEpochMicros(systemClock.now()),
        latency: { authMicros: 3, runMicros: 40, totalMicros: 61 },
        status: { kind: "ok" },
        inputs: body,
        outputs: body,
      },
      { durability: "durable" },
    );
    await writer.close();
    world.known.set("prediction", id);
    let delivered: Buffer = Buffer.alloc(0);
    const shipper = createShipper({
      folder,
      deliver: async (bytes) => {
        delivered = Buffer.concat([delivered, bytes]);
        return { kind: "accepted" };
      },
    });
    await shipper.flush();
    await shipper.close();
    return delivered;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
