import { type Static, Type } from "@portolan/typebox";
import { AskedBackend, Cost } from "./backends/backend-schema.ts";
import { FallbackStep } from "./snapshot/resilience-schema.ts";
import { Batching, Scaling } from "./snapshot/runs-schema.ts";
import { EnvironmentName, FeaturePlan, Route } from "./snapshot/schema.ts";
import { Traffic, VariantName } from "./snapshot/traffic-schema.ts";

export const EndpointName = Type.String({
  pattern: "^[a-z0-9][a-z0-9-]{0,62}$",
  description: "Name of the endpoint; the model name in Open Inference Protocol calls",
});

const closed = { additionalProperties: false } as const;
const AskedVersion = {
  model: Type.String({ description: "Model name in the registry" }),
  version: Type.Integer({ minimum: 1 }),
  features: Type.Optional(FeaturePlan),
};

/** A version beside the endpoint's own: it answers a share of the requests, or sees copies of them. */
export const AskedVariant = Type.Object(
  {
    name: VariantName,
    kind: Type.Union([Type.Literal("split"), Type.Literal("shadow")]),
    ...AskedVersion,
    sample: Type.Optional(
      Type.Number({ minimum: 0, maximum: 1, description: "Share of requests that a shadow sees; default 1" }),
    ),
  },
  closed,
);
export type AskedVariant = Static<typeof AskedVariant>;

/** What a caller states to put a model version behind an endpoint; all else is derived from the charter. */
export const DeployRequest = Type.Object(
  {
    environment: EnvironmentName,
    useCaseId: Type.String(),
    ...AskedVersion,
    fallbacks: Type.Optional(
      Type.Array(FallbackStep, { maxItems: 8, description: "Only where no charter says what answers" }),
    ),
    secondary: Type.Optional(
      Type.Object(AskedVersion, {
        ...closed,
        description: "The simpler model that the charter's fallback chain may name",
      }),
    ),
    cacheMebibytes: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 256,
        description: "Keeps answers by exact inputs, for models whose answer depends on nothing else",
      }),
    ),
    batching: Type.Optional(Batching),
    scaling: Type.Optional(Scaling),
    backends: Type.Optional(
      Type.Array(AskedBackend, {
        minItems: 1,
        maxItems: 4,
        description:
          "Other places where this model runs; requests go to the cheapest that keeps the charter's p95",
      }),
    ),
    variants: Type.Optional(Type.Array(AskedVariant, { maxItems: 16 })),
    traffic: Type.Optional(
      Type.Object(
        {
          rules: Type.Optional(Traffic.properties.rules),
          split: Traffic.properties.split,
          sticky: Type.Optional(Traffic.properties.sticky),
        },
        {
          ...closed,
          description: "How requests are shared out; absent: all go to the endpoint's own version",
        },
      ),
    ),
  },
  closed,
);
export type DeployRequest = Static<typeof DeployRequest>;

/** What another deployment of an endpoint may take over from the one in force. */
export const keepable = [
  "features",
  "fallbacks",
  "secondary",
  "cacheMebibytes",
  "batching",
  "scaling",
  "backends",
  "variants",
  "traffic",
] as const satisfies readonly (keyof DeployRequest)[];

/** A deployment as it is asked for: stated in full, or beside what is deployed now. */
export const DeployOrder = Type.Object(
  {
    ...DeployRequest.properties,
    keep: Type.Optional(
      Type.Array(Type.Enum([...keepable]), {
        uniqueItems: true,
        description:
          "Parts that stay as they are deployed now where the request does not state them; settings of scaling one by one, variants by their kind",
      }),
    ),
  },
  closed,
);
export type DeployOrder = Static<typeof DeployOrder>;

const Stop = Type.Object({ code: Type.String(), detail: Type.String() });
export type Stop = Static<typeof Stop>;

/** What a version takes of a machine, beside what the charter's plan took for granted. */
export const ComputeVerdict = Type.Object({
  tier: Type.Enum(["cpu", "gpu", "edge"], { description: "Hardware by the measurement" }),
  plannedTier: Type.Enum(["cpu", "gpu", "edge"], { description: "Hardware by the plan" }),
  p95Micros: Type.Integer({ description: "One row a run, on the machine that measured it" }),
  costPerThousand: Type.Optional(Cost),
  disagreements: Type.Array(Type.String(), { description: "Empty: plan and measurement agree" }),
});
export type ComputeVerdict = Static<typeof ComputeVerdict>;

const Compute = Type.Union([ComputeVerdict, Type.Null()], {
  description: "Null: not measured yet, or no charter has a plan",
});

/** What a deployment answers. */
export const DeployedRoute = Type.Object({ ...Route.properties, compute: Compute });
export type DeployedRoute = Static<typeof DeployedRoute>;

export const Endpoint = Type.Object({
  id: Type.String(),
  name: EndpointName,
  environment: EnvironmentName,
  useCaseId: Type.String(),
  deploymentId: Type.String(),
  deployedAt: Type.Integer({ description: "Epoch microseconds" }),
  deployedBy: Type.String(),
  snapshotVersion: Type.Union([Type.Integer(), Type.Null()], {
    description: "First snapshot that carries this deployment; null until it is published",
  }),
  route: Route,
  compute: Compute,
  stopped: Type.Union([Stop, Type.Null()], {
    description:
      "Why snapshots leave it out: the charter in force forbids it, there is none, or somebody halted it",
  }),
});
export type Endpoint = Static<typeof Endpoint>;

/** A name such as `eu-central-1`, or `local`. */
const RegionName = Type.String({ minLength: 1, maxLength: 64, description: "Region that it stands in" });
const OwnerName = Type.String({ minLength: 1, maxLength: 64, description: "Who owns the machine" });
export const GatewayName = Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,40}$" });

/** What a gateway says of itself: `LOCATION_REGION` and `LOCATION_OWNER` of its process. */
export const GatewayDeclaration = Type.Object(
  {
    region: RegionName,
    owner: OwnerName,
    account: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        description:
          "Id of the service account that from now on may speak for this gateway alone; takes `identity:manage`",
      }),
    ),
  },
  { additionalProperties: false },
);
export type GatewayDeclaration = Static<typeof GatewayDeclaration>;

export const Gateway = Type.Object({
  name: GatewayName,
  region: RegionName,
  owner: OwnerName,
  declaredAt: Type.Integer({ description: "Epoch microseconds" }),
  declaredBy: Type.String(),
  account: Type.Optional(Type.String({ description: "The service account that may speak for it alone" })),
  excluded: Type.Array(Type.String(), {
    description:
      "Routes, such as `production/delays`, that it is not given: their charter excludes its place",
  }),
});
export type Gateway = Static<typeof Gateway>;

export const EndpointList = Type.Object({ endpoints: Type.Array(Endpoint) });
export type EndpointList = Static<typeof EndpointList>;
