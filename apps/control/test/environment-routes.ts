import { systemClock } from "@portolan/kernel";
import type { ApiMethod } from "./api.ts";
import { lineageEvent } from "./lineage-event.ts";
import { drift } from "./mutating-routes-models.ts";
import type { ValidRequest, World } from "./mutating-world.ts";

/** Something in production, and one of the kind that does not exist: what an answer must not tell apart. */
interface Found {
  readonly kind: "found";
  request(world: World, id: string): ValidRequest;
  /** Id of the thing in production, as the world knows it. */
  readonly of: string;
  readonly missing: string;
  /** What somebody who reaches production is answered; default: 200. */
  readonly seen?: number;
}
/** The request names production itself: it is refused, whatever else it names. */
interface Named {
  readonly kind: "named";
  /** Why somebody whose credential reaches production may do it without a role there. */
  readonly withoutRole?: string;
  request(world: World): ValidRequest;
}
/** A list, in which what lies in production is left out. */
interface Listed {
  readonly kind: "listed";
  readonly url: string;
  readonly of: string;
}
/** Every gateway gets it, and nothing of an environment is in it. */
interface Shared {
  readonly kind: "shared";
  readonly url: string;
  readonly why: string;
}

export type EnvironmentRoute = (Found | Named | Listed | Shared) & {
  readonly route: `${ApiMethod} /${string}`;
};

const production = "production";
/** What the gateway of these tests has declared. */
const stated = "gateway=west&region=local&owner=self";
const sha256 = (hex: string): string => `sha256:${hex.repeat(32)}`;
const missingId = (prefix: string): string => `${prefix}_${"0".repeat(26)}`;

function found(
  route: EnvironmentRoute["route"],
  of: string,
  missing: string,
  body?: object,
): Extract<EnvironmentRoute, { readonly kind: "found" }> {
  const url = route.slice(route.indexOf(" ") + 1);
  const request = (_world: World, id: string): ValidRequest => ({
    url: url.replace(/:[a-z]+/i, id),
    ...(body === undefined ? {} : { body }),
  });
  return { kind: "found", route, of, missing, request };
}

function named(
  route: EnvironmentRoute["route"],
  body: object | Buffer | ((world: World) => unknown),
  name = "arrivals",
): EnvironmentRoute {
  const url = route
    .slice(route.indexOf(" ") + 1)
    .replace(":name", name)
    .replace(":model", "arrivals");
  const request = (world: World): ValidRequest => ({
    url: url.replace(":version", "1"),
    body: typeof body === "function" ? body(world) : body,
  });
  return { kind: "named", route, request };
}

const mlflow = "/api/2.0/mlflow";

function asked(
  route: EnvironmentRoute["route"],
  of: string,
  missing: string,
  url: (id: string) => string,
): EnvironmentRoute {
  return { kind: "found", route, of, missing, request: (_world, id) => ({ url: url(id) }) };
}

/** One body for all of them: members that a call does not know are passed over. */
function logging(call: string): EnvironmentRoute {
  const url = `${mlflow}/runs/${call}` as const;
  const body = { key: "loss", value: "1", timestamp: 1, step: 1 };
  const request = (_world: World, id: string): ValidRequest => ({ url, body: { ...body, run_id: id } });
  return { kind: "found", route: `POST ${url}`, of: "trainingRun", missing: missingId("run"), request };
}

const graphOf = (path: string) => (id: string) =>
  `${path}?nodeId=${encodeURIComponent(`dataset:postgres://db:5432:${id}`)}`;

/** Every route that touches things of one environment, and how a credential without production is tried at it. */
export const environmentRoutes: readonly EnvironmentRoute[] = [
  {
    ...named("POST /v1/api-keys", { name: "k", environment: production }),
    withoutRole: "a key of one's own can do what one can oneself: nothing",
  } as EnvironmentRoute,
  found("POST /v1/api-keys/:id/revoke", "apiKey", missingId("key"), { reason: "mine now" }),
  named("POST /v1/role-bindings", (world) => ({
    principal: "sam",
    role: "data_scientist",
    scope: { kind: "organisation", id: world.known.get("organisation") },
    environments: [production],
  })),
  found("DELETE /v1/role-bindings/:id", "binding", missingId("rb")),
  {
    kind: "named",
    route: "POST /v1/artifacts",
    request: () => ({ url: "/v1/artifacts?environment=production", body: Buffer.from("mine") }),
  },
  found("GET /v1/artifacts/:digest", "artifact", sha256("00")),
  named("POST /v1/ingestions", {
    contract: "visits",
    environment: production,
    sources: [{ object: sha256("ab"), format: "csv" }],
  }),
  {
    kind: "named",
    route: "POST /v1/contracts/:name/events",
    request: () => ({
      url: "/v1/contracts/visits/events?environment=production",
      body: Buffer.from("{}\n"),
    }),
  },
  found("GET /v1/ingestions/:id", "ingestion", missingId("ing")),
  found("GET /v1/ingestions/:id/quarantine", "ingestion", missingId("ing")),
  found("POST /v1/ingestions/:id/replay", "ingestion", missingId("ing"), {}),
  named("POST /v1/subscriptions", {
    contract: "visits",
    environment: production,
    connection: "main",
    topic: "visits",
  }),
  { kind: "listed", route: "GET /v1/subscriptions", url: "/v1/subscriptions", of: "subscription" },
  found("GET /v1/subscriptions/:id", "subscription", missingId("sub")),
  found("DELETE /v1/subscriptions/:id", "subscription", missingId("sub")),
  { kind: "listed", route: "GET /v1/notices", url: "/v1/notices", of: "ingestion" },
  { kind: "listed", route: "GET /v1/datasets", url: "/v1/datasets", of: "dataset" },
  found("GET /v1/datasets/:id", "dataset", missingId("ds")),
  asked(
    "GET /v1/datasets/:id/access",
    "dataset",
    missingId("ds"),
    (id) => `/v1/datasets/${id}/access?purpose=x`,
  ),
  found("POST /v1/datasets/:id/reads", "dataset", missingId("ds"), { purpose: "x" }),
  named("POST /v1/data-holds", { environment: production, reason: "a claim" }),
  { kind: "listed", route: "GET /v1/data-holds", url: "/v1/data-holds", of: "dataHold" },
  found("POST /v1/data-holds/:id/release", "dataHold", missingId("hld"), { reason: "settled" }),
  named("POST /v1/data-retention", { dryRun: true, environments: [production] }),
  named("POST /v1/data-erasures", { subject: "somebody", environments: [production], reason: "as asked" }),
  { kind: "listed", route: "GET /v1/data-erasures", url: "/v1/data-erasures", of: "erasure" },
  found("GET /v1/data-erasures/:id", "erasure", missingId("ers")),
  named("POST /v1/feature-views/:name/materializations", { environment: production, asOf: 0 }),
  named("POST /v1/feature-views/:name/replays", {
    environment: production,
    rows: [{ key: ["BOS"], at: 0, servedAt: 0 }],
  }),
  // Views and jobs as such lie in no environment; a materialisation, and a job whose work does, are seen where it does.
  found("GET /v1/materializations/:id", "materialization", missingId("job")),
  { kind: "listed", route: "GET /v1/jobs", url: "/v1/jobs", of: "job" },
  found("GET /v1/jobs/:id", "job", missingId("job")),
  found("GET /v1/jobs/:id/log", "job", missingId("job")),
  found("POST /v1/jobs/:id/cancellation", "job", missingId("job")),
  named("POST /v1/training-sets", {
    name: "waits",
    environment: production,
    contract: "visits",
    from: 0,
    to: 1,
    views: [{ view: "visits-by-place", entity: { place: "place" } }],
    request: [],
    label: { name: "long", expression: "wait > 10" },
  }),
  found("GET /v1/training-sets/:id", "trainingSet", missingId("ts")),
  named("POST /v1/training-runs", {
    environment: production,
    trainingSetId: missingId("ts"),
    code: sha256("ab"),
    locks: { "3.12": sha256("cd") },
    params: {},
    seed: 7,
  }),
  found("GET /v1/training-runs/:id", "trainingRun", missingId("run")),
  found("GET /v1/training-runs/:id/logs", "trainingRun", missingId("run")),
  found("GET /v1/training-runs/:id/tracking", "trainingRun", missingId("run")),
  asked(
    "GET /v1/training-runs/:id/metrics",
    "trainingRun",
    missingId("run"),
    (id) => `/v1/training-runs/${id}/metrics?key=loss`,
  ),
  asked(
    "GET /api/2.0/mlflow/runs/get",
    "trainingRun",
    missingId("run"),
    (id) => `${mlflow}/runs/get?run_id=${id}`,
  ),
  asked(
    "GET /api/2.0/mlflow/metrics/get-history",
    "trainingRun",
    missingId("run"),
    (id) => `${mlflow}/metrics/get-history?run_id=${id}&metric_key=loss`,
  ),
  asked(
    "GET /api/2.0/mlflow/experiments/get",
    "experiment",
    `${missingId("uc")}-production`,
    (id) => `${mlflow}/experiments/get?experiment_id=${id}`,
  ),
  asked(
    "GET /api/2.0/mlflow/experiments/get-by-name",
    "experimentName",
    "no-such-use-case/production",
    (id) => `${mlflow}/experiments/get-by-name?${new URLSearchParams({ experiment_name: id }).toString()}`,
  ),
  ...["log-metric", "log-parameter", "set-tag", "delete-tag", "log-batch", "log-inputs", "update"].map(
    logging,
  ),
  named("POST /v1/models/:model/versions", (world) => ({
    useCaseId: world.known.get("useCase"),
    environment: production,
    artifact: sha256("ab"),
    lineage: { origin: "imported", source: "model.onnx" },
  })),
  named("POST /v1/models/:model/upstreams", (world) => ({
    useCaseId: world.known.get("useCase"),
    environment: production,
    upstream: {
      protocol: "open-inference",
      url: "http://127.0.0.1:9",
      model: "elsewhere",
      region: "local",
      owner: "self",
    },
  })),
  named("POST /v1/models/:model/versions/:version/promotions", { to: production }),
  named("POST /v1/models/:model/versions/:version/attestations", { environment: production }),
  named("POST /v1/evaluations", {
    model: "arrivals",
    version: 1,
    trainingSetId: missingId("ts"),
  }),
  named("POST /v1/comparisons", {
    model: "arrivals",
    challenger: 1,
    champion: 2,
    trainingSetId: missingId("ts"),
  }),
  named("POST /v1/evaluation-sets", (world) => ({
    name: "questions",
    useCaseId: world.known.get("useCase"),
    artifact: sha256("ab"),
  })),
  named("POST /v1/text-evaluations", { model: "arrivals", version: 1, setId: missingId("evs") }),
  named("POST /v1/models/:model/versions/:version/reference-profile", {}),
  named("POST /v1/models/:model/versions/:version/explanation-background", {}),
  named("POST /v1/drift-counts", (world) => drift(world, sha256("ab"), [1], production)),
  {
    kind: "listed",
    route: "GET /v1/endpoints/:name/drift-counts",
    url: "/v1/endpoints/arrivals/drift-counts",
    of: "counted",
  },
  found("GET /v1/endpoints/:name/drift-report", "countedEndpoint", "departures"),
  found("GET /v1/endpoints/:name/performance", "answeredEndpoint", "departures"),
  {
    kind: "named",
    route: "GET /v1/endpoints/:name/objectives",
    request: () => ({ url: "/v1/endpoints/arrivals/objectives?environment=production" }),
  },
  { kind: "listed", route: "GET /v1/alerts", url: "/v1/alerts", of: "alert" },
  found("POST /v1/alerts/:id/silence", "alert", missingId("alr"), {
    until: systemClock.now() + 3_600_000_000,
    reason: "labels of Monday",
  }),
  named("POST /v1/alert-routes", { environment: production, destination: "oncall" }),
  { kind: "listed", route: "GET /v1/alert-routes", url: "/v1/alert-routes", of: "alertRoute" },
  found("DELETE /v1/alert-routes/:id", "alertRoute", missingId("art")),
  named("POST /v1/scorings", {
    environment: production,
    endpoint: "arrivals",
    datasetId: missingId("ds"),
    out: "scored",
  }),
  {
    kind: "named",
    route: "GET /v1/scoring-plan",
    request: () => ({
      url: `/v1/scoring-plan?environment=production&endpoint=arrivals&datasetId=${missingId("ds")}`,
    }),
  },
  { kind: "listed", route: "GET /v1/scorings", url: "/v1/scorings", of: "scoring" },
  found("GET /v1/scorings/:id", "scoring", missingId("sco")),
  { kind: "listed", route: "GET /v1/endpoints", url: "/v1/endpoints", of: "endpoint" },
  named("PUT /v1/endpoints/:name", (world) => ({
    environment: production,
    useCaseId: world.known.get("useCase"),
    model: "arrivals",
    version: 1,
  })),
  named("POST /v1/endpoints/:name/sunset", {
    environment: production,
    endsAt: "2199-01-01T00:00:00Z",
    reason: "the next one is out",
  }),
  named("POST /v1/endpoints/:name/sunset/withdrawal", { environment: production, reason: "still needed" }),
  named("POST /v1/endpoints/:name/halt", { environment: production, reason: "to be sure" }),
  named("POST /v1/endpoints/:name/resume", { environment: production, reason: "all is well" }),
  named("POST /v1/endpoints/:name/releases", { environment: production, model: "arrivals", version: 2 }),
  {
    kind: "listed",
    route: "GET /v1/endpoints/:name/releases",
    url: "/v1/endpoints/arrivals/releases",
    of: "release",
  },
  found("GET /v1/releases/:id", "release", missingId("rel")),
  found("POST /v1/releases/:id/approvals", "release", missingId("rel")),
  found("POST /v1/releases/:id/pause", "release", missingId("rel")),
  found("POST /v1/releases/:id/resume", "release", missingId("rel")),
  found("POST /v1/releases/:id/events", "release", missingId("rel"), {
    event: "support-tickets",
    predictionIds: [missingId("prd")],
  }),
  found("POST /v1/releases/:id/rollback", "release", missingId("rel"), { reason: "mine now" }),
  {
    kind: "shared",
    route: "GET /v1/snapshots/latest",
    url: `/v1/snapshots/latest?${stated}`,
    why: "the signed manifest names digests; each part is given out where it belongs",
  },
  {
    kind: "shared",
    route: "GET /v1/snapshots/trust",
    url: "/v1/snapshots/trust",
    why: "public keys of the installation",
  },
  {
    kind: "found",
    route: "GET /v1/snapshots/parts/:digest",
    of: "part",
    missing: sha256("00"),
    request: (_world, id) => ({ url: `/v1/snapshots/parts/${id}?${stated}` }),
  },
  {
    kind: "shared",
    route: "GET /v1/gateways",
    url: "/v1/gateways",
    why: "gateways are machines of the organisation, not of an environment",
  },
  named("PUT /v1/gateways/:name", { region: "elsewhere", owner: "self" }, "west"),
  { kind: "listed", route: "GET /v1/predictions", url: "/v1/predictions", of: "prediction" },
  found("GET /v1/predictions/:id", "prediction", `prd_${"0".repeat(26)}_0_0_0`),
  // It is there, and its version has nothing to be explained against.
  { ...found("GET /v1/predictions/:id/explanation", "prediction", `prd_${"0".repeat(26)}_0_0_0`), seen: 409 },
  found("GET /v1/predictions/:id/proof", "prediction", `prd_${"0".repeat(26)}_0_0_0`),
  named("POST /v1/prediction-blocks", (world) => Buffer.from(world.known.get("block") ?? "", "base64")),
  {
    kind: "found",
    route: "POST /v1/prediction-erasures",
    of: "prediction",
    missing: `prd_${"0".repeat(26)}_0_0_0`,
    request: (_world, id) => ({
      url: "/v1/prediction-erasures",
      body: { select: { predictionIds: [id] }, reason: "as asked" },
    }),
  },
  {
    kind: "named",
    route: "POST /api/v1/lineage",
    request: () => ({ url: "/api/v1/lineage?environment=production", body: lineageEvent("mine") }),
  },
  {
    kind: "named",
    route: "POST /api/v1/lineage/batch",
    request: () => ({ url: "/api/v1/lineage/batch?environment=production", body: [lineageEvent("mine")] }),
  },
  asked("GET /api/v1/lineage", "lineage", "no-such-table", graphOf("/api/v1/lineage")),
  asked("GET /api/v1/column-lineage", "lineage", "no-such-table", graphOf("/api/v1/column-lineage")),
  {
    kind: "listed",
    route: "GET /api/v1/lineage/events",
    url: "/api/v1/lineage/events",
    of: "lineage",
  },
  named("POST /v1/prediction-holds", { environment: production, reason: "a claim" }),
  { kind: "listed", route: "GET /v1/prediction-holds", url: "/v1/prediction-holds", of: "hold" },
  found("POST /v1/prediction-holds/:id/release", "hold", missingId("hld"), { reason: "settled" }),
  {
    kind: "found",
    route: "POST /v1/outcomes",
    of: "prediction",
    missing: `prd_${"0".repeat(26)}_0_0_0`,
    request: (_world, predictionId) => ({
      url: "/v1/outcomes",
      body: { outcomes: [{ predictionId, outcome: 1, observedAt: "2026-03-03T00:00:00Z" }] },
    }),
  },
];
