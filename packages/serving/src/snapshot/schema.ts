import type { EpochMicros } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { Backends } from "../backends/backend-schema.ts";
import { Flag, mostFlags } from "../flags/flag-schema.ts";
import { EnvironmentName, Micros, ModelReference, Sha256 } from "./model-schema.ts";
import { Displacement, FallbackStep, Resilience } from "./resilience-schema.ts";
import { Batching, Scaling } from "./runs-schema.ts";
import { Traffic, VariantName } from "./traffic-schema.ts";

export { EnvironmentName, ModelReference, Sha256, type UpstreamPlace } from "./model-schema.ts";

const closed = { additionalProperties: false } as const;

/** Raised when a gateway that knows the older number could misread a snapshot; older gateways then refuse it. */
export const snapshotFormat = 2;

function Share(whose: string) {
  return Type.Number({
    exclusiveMinimum: 0,
    maximum: 1,
    description: `Part of the ceiling that ${whose} may take; absent: all of it`,
  });
}

/** Optional members came later: a snapshot without them means what it meant. */
export const Limits = Type.Object(
  {
    ratePerSecond: Type.Number({ exclusiveMinimum: 0, description: "The endpoint's ceiling, sustained" }),
    burst: Type.Integer({ minimum: 1, description: "Units at once" }),
    clientShare: Type.Optional(Share("one client")),
    tenantShare: Type.Optional(Share("the callers of one business unit together")),
    beyond: Type.Optional(
      Type.Union([Type.Literal("reject"), Type.Literal("shed"), Type.Literal("queue")], {
        description: "Beyond the ceiling; absent: reject",
      }),
    ),
    weight: Type.Optional(
      Type.Union([Type.Literal("requests"), Type.Literal("rows")], {
        description: "What a unit is; absent: requests",
      }),
    ),
    counting: Type.Optional(
      Type.Union([Type.Literal("leased"), Type.Literal("strict")], {
        description: "Over several gateways: by leases, or each request by a round trip; absent: leased",
      }),
    ),
    tokens: Type.Optional(
      Type.Object(
        {
          perSecond: Type.Number({ exclusiveMinimum: 0 }),
          burst: Type.Integer({ minimum: 1, description: "Tokens at once" }),
        },
        { ...closed, description: "Ceiling of prompt and answer tokens, for text; absent: no bound" },
      ),
    ),
    timeoutMs: Type.Integer({ minimum: 1, description: "From the request's last byte to the answer" }),
    bodyBytes: Type.Integer({ minimum: 1 }),
  },
  closed,
);
export type Limits = Static<typeof Limits>;

const Column = Type.Object(
  {
    input: Type.String({ description: "Input of the model that this column fills" }),
    index: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()], {
      description: "Column within that input's last dimension; null when the input is this column alone",
    }),
    from: Type.Union([
      Type.Object({ kind: Type.Literal("feature"), view: Type.String(), feature: Type.String() }, closed),
      Type.Object({ kind: Type.Literal("request"), name: Type.String() }, closed),
    ]),
    missing: Type.Union([Type.Number(), Type.String(), Type.Null()], {
      description: "What stands in for an absent value, `NaN` included; null refuses the request instead",
    }),
  },
  closed,
);

const OnDemand = Type.Object(
  {
    request: Type.Array(
      Type.Object(
        { name: Type.String(), type: Type.Enum(["int", "float", "bool", "text", "instant", "local"]) },
        closed,
      ),
      { description: "What the caller sends for them, beside entity keys; times in epoch microseconds" },
    ),
    stored: Type.Array(Type.String(), { description: "The view's features that the online store keeps" }),
    texts: Type.Optional(
      Type.Array(Type.String(), { description: "Those of them that are texts; absent: all are numbers" }),
    ),
    features: Type.Array(
      Type.Object({ name: Type.String(), expression: Type.String({ maxLength: 2000 }) }, closed),
    ),
  },
  {
    ...closed,
    description:
      "The view's features that are computed for each request; control states them, of the view as published",
  },
);

/** How a request's entity keys and own columns become the model's inputs. */
export const FeaturePlan = Type.Object(
  {
    service: Type.String(),
    entityKeys: Type.Array(Type.String(), { minItems: 1 }),
    views: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          digest: Sha256,
          entityKeys: Type.Array(Type.String()),
          missing: Type.Optional(
            Type.Union([Type.Literal("refuse"), Type.Literal("fallback")], {
              description:
                "What becomes of its values that are not found, too old or not to be had, by the charter; absent: the columns' stand-ins",
            }),
          ),
          texts: Type.Optional(
            Type.Array(Type.String(), {
              description:
                "Its features that are texts; control states them, of the view as published; absent: all are numbers",
            }),
          ),
          onDemand: Type.Optional(OnDemand),
        },
        closed,
      ),
    ),
    columns: Type.Array(Column, { minItems: 1 }),
    eventTime: Type.Optional(
      Type.Literal("request", {
        description:
          "The caller states the instant T of the event (parameter `event_time`, RFC 3339), e.g. for replays; absent: T is the request's arrival",
      }),
    ),
    maxAgeMs: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()], {
      description: "Charter's feature freshness; older values count as missing",
    }),
  },
  closed,
);
export type FeaturePlan = Static<typeof FeaturePlan>;

/** The charter's residency, for a gateway to be judged by: its `LOCATION_REGION` and `LOCATION_OWNER`. */
export const Placement = Type.Object(
  {
    regions: Type.Array(Type.String(), { description: "`eu-*` stands for every region that starts so" }),
    owners: Type.Union([Type.Array(Type.String()), Type.Null()], { description: "null: any owner" }),
  },
  closed,
);
export type Placement = Static<typeof Placement>;

/** The charter's word on gateways that control cannot reach. */
export const SnapshotAge = Type.Object(
  {
    maximumMs: Type.Integer({ minimum: 1000 }),
    beyond: Type.Union([Type.Literal("serve"), Type.Literal("refuse")]),
  },
  closed,
);
export type SnapshotAge = Static<typeof SnapshotAge>;

/** A model version with the columns that feed it. */
export const ServedVersion = Type.Object(
  { model: ModelReference, features: Type.Union([FeaturePlan, Type.Null()]) },
  closed,
);
export type ServedVersion = Static<typeof ServedVersion>;

/** The frozen reference profile of a model version; `monitoring` makes it. */
export const ProfileReference = Type.Object(
  {
    model: Type.String(),
    version: Type.Integer({ minimum: 1 }),
    digest: Sha256,
    sizeBytes: Type.Integer({ minimum: 1 }),
  },
  closed,
);
export type ProfileReference = Static<typeof ProfileReference>;

/** What one loaded copy of a version takes, measured when it was registered. */
export const MeasuredMemory = Type.Object(
  { digest: Sha256, loadedBytes: Type.Integer({ minimum: 0 }) },
  closed,
);
export type MeasuredMemory = Static<typeof MeasuredMemory>;

/** A version beside the champion. */
export const Variant = Type.Object(
  {
    name: VariantName,
    kind: Type.Union([Type.Literal("split"), Type.Literal("shadow")], {
      description: "split: answers its share of the requests; shadow: sees copies, and nobody its answers",
    }),
    ...ServedVersion.properties,
    sample: Type.Number({ minimum: 0, maximum: 1, description: "Share of the requests that a shadow sees" }),
  },
  closed,
);
export type Variant = Static<typeof Variant>;

export const Retiring = Type.Array(
  Type.Object(
    {
      model: Type.String(),
      version: Type.Integer({ minimum: 1 }),
      announcedAt: Micros,
      endsAt: Micros,
      successor: Type.Optional(Type.String()),
    },
    closed,
  ),
  {
    minItems: 1,
    maxItems: 32,
    description: "Versions of the endpoint whose end is announced, which their answers state; absent: none",
  },
);

/** Everything that a gateway needs to answer for one endpoint in one environment. */
export const Route = Type.Object(
  {
    endpointId: Type.String(),
    endpoint: Type.String(),
    deploymentId: Type.String(),
    organisationId: Type.String(),
    businessUnitId: Type.String(),
    teamId: Type.Union([Type.String(), Type.Null()]),
    useCaseId: Type.String(),
    environment: EnvironmentName,
    variant: Type.Literal("champion"),
    model: ModelReference,
    charter: Type.Union([
      Type.Object({ id: Type.String(), version: Type.Integer(), digest: Sha256 }, closed),
      Type.Null(),
    ]),
    limits: Limits,
    purposes: Type.Array(Type.String(), { description: "Empty: a request need not declare a purpose" }),
    durability: Type.Union([Type.Literal("buffered"), Type.Literal("durable")]),
    nonFinite: Type.Union(
      [Type.Literal("refuse"), Type.Literal("missing"), Type.Literal("fallback"), Type.Literal("allow")],
      {
        description:
          "NaN and infinities in binary inputs: a bad request, missing values, a case for the fallback, or what they are",
      },
    ),
    nonFiniteOutputs: Type.Optional(
      Type.Union(
        [Type.Literal("refuse"), Type.Literal("missing"), Type.Literal("fallback"), Type.Literal("allow")],
        { description: "The same in a model's answer; absent: refuse" },
      ),
    ),
    placement: Type.Union([Placement, Type.Null()], {
      description: "Where predictions of this endpoint may be made; null: no charter says",
    }),
    fallbacks: Type.Array(FallbackStep, {
      maxItems: 8,
      description: "What answers when the model cannot, in this order; empty: the caller gets an error",
    }),
    displaced: Type.Optional(Displacement),
    resilience: Resilience,
    variants: Type.Array(Variant, { maxItems: 16 }),
    traffic: Type.Union([Traffic, Type.Null()], { description: "Null: all requests go to the champion" }),
    cache: Type.Union(
      [Type.Object({ maxBytes: Type.Integer({ minimum: 4096, maximum: 2 ** 28 }) }, closed), Type.Null()],
      { description: "Answers kept per model version and gateway process, by exact inputs; null: none" },
    ),
    batching: Type.Optional(Batching),
    scaling: Type.Optional(Scaling),
    backends: Type.Optional(Backends),
    secondary: Type.Union([ServedVersion, Type.Null()], {
      description: "The simpler model of the fallback chain",
    }),
    features: Type.Union([FeaturePlan, Type.Null()]),
    previous: Type.Union(
      [
        Type.Object({ model: ModelReference, features: Type.Union([FeaturePlan, Type.Null()]) }, closed),
        Type.Null(),
      ],
      {
        description: "The one model that may stand in for `model` while its bytes cannot be had",
      },
    ),
    profiles: Type.Optional(
      Type.Array(ProfileReference, {
        description:
          "Reference profiles of the route's versions, to count drift against; absent: none is known",
      }),
    ),
    memory: Type.Optional(
      Type.Array(MeasuredMemory, {
        description:
          "Of the route's versions that were measured, by the model's digest; absent: none was. In a snapshot it lies in a part of its own",
      }),
    ),
    flags: Type.Optional(
      Type.Array(Flag, {
        maxItems: mostFlags,
        description: "Of the endpoint; absent: none. In a snapshot they lie in a part of their own",
      }),
    ),
    sunset: Type.Optional(
      Type.Object(
        { announcedAt: Micros, endsAt: Micros, successor: Type.Optional(Type.String()) },
        { ...closed, description: "The endpoint's announced end, which its answers state; absent: none" },
      ),
    ),
    retiring: Type.Optional(Retiring),
    snapshotAge: Type.Union([SnapshotAge, Type.Null()], {
      description: "Null: no charter bounds it (dev only)",
    }),
  },
  closed,
);
export type Route = Static<typeof Route>;

export const RoutesPart = Type.Object({ routes: Type.Array(Route) }, closed);
export type RoutesPart = Static<typeof RoutesPart>;

/** Public keys of the platform with their lives: models' and snapshots' (the latter so that rotation reaches gateways). */
/** What was checked to be an integer of microseconds is an instant: keys that were read are used as they are. */
const Instant = Type.Unsafe<EpochMicros>(Micros);

export const KeysPart = Type.Object(
  {
    keys: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          purpose: Type.Union([Type.Literal("model"), Type.Literal("snapshot")]),
          algorithm: Type.Union([Type.Literal("ed25519"), Type.Literal("ecdsa-p256")]),
          publicKeyPem: Type.String(),
          validFrom: Instant,
          retiredAt: Type.Optional(Instant),
          revokedAt: Type.Optional(Instant),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type KeysPart = Static<typeof KeysPart>;

/** What a gateway pins at its first start. */
export const SnapshotTrust = Type.Object(
  { organisationId: Type.String(), keys: KeysPart.properties.keys },
  closed,
);
export type SnapshotTrust = Static<typeof SnapshotTrust>;

/** `identity` is defined by identity's contract, and opaque here. */
export const SnapshotPart = Type.Object(
  {
    kind: Type.Union([Type.Literal("routes"), Type.Literal("identity"), Type.Literal("keys")], {
      description:
        "routes without an environment: what was measured of their models' memory, or is attested of them, or their flags",
    }),
    environment: Type.Optional(EnvironmentName),
    placement: Type.Optional(Placement),
    digest: Sha256,
    sizeBytes: Type.Integer({ minimum: 0 }),
  },
  closed,
);
export type SnapshotPart = Static<typeof SnapshotPart>;

export const SnapshotManifest = Type.Object(
  {
    format: Type.Literal(snapshotFormat),
    organisationId: Type.String(),
    version: Type.Integer({ minimum: 1, description: "Grows by at least one; a lower one is a rollback" }),
    createdAt: Micros,
    parts: Type.Array(SnapshotPart),
  },
  closed,
);
export type SnapshotManifest = Static<typeof SnapshotManifest>;

/** The manifest's canonical JSON bytes (base64) under a detached Ed25519 signature of a `snapshot` key. */
export const SignedSnapshot = Type.Object(
  {
    payload: Type.String({ description: "Base64 of the manifest's RFC 8785 bytes: exactly what is signed" }),
    keyId: Type.String(),
    signature: Type.String({ description: "Base64" }),
  },
  closed,
);
export type SignedSnapshot = Static<typeof SignedSnapshot>;

/** Key of a route inside a gateway. */
export function routeKey(organisationId: string, environment: string, endpoint: string): string {
  return `${organisationId}/${environment}/${endpoint}`;
}
