import type {
  GatewayApiKey,
  GatewayEndpointGrant,
  GatewayGrants,
  GatewayPrincipal,
} from "@portolan/identity/contract";
import { canonicalJson, type Environment } from "@portolan/kernel";
import type { ModelSignature } from "@portolan/onnx-format";
import type { PredictionContext } from "@portolan/predictions/contract";
import {
  type Backends,
  type Flag,
  type Hardware,
  type ModelReference,
  type Route,
  routeKey,
  type ServedVersion,
  type SnapshotManifest,
} from "@portolan/serving/contract";
import { type BytesForm, type LoadedModel, requestSignatureOf } from "@portolan/serving/policy";

/**
 * One model version of a route as requests use it: everything that can be computed once is. The champion knows the
 * route's other versions; each of them is a route of its own with another model.
 */
export interface ActiveRoute {
  readonly route: Route;
  readonly requestSignature: ModelSignature;
  /** Equal where the same body can be read for both. */
  readonly requestForm: string;
  /** How binary BYTES are read: packed where another server runs the version, which takes them as they are. */
  readonly bytesForm: BytesForm;
  readonly context: PredictionContext;
  /** Context of what this version answers in place of another. */
  readonly fallbackContext: PredictionContext;
  /** Context of what a rule or a fixed answer stood in for: no model gave it. */
  readonly ruleContext: PredictionContext;
  /** The place that this is, where the route's model runs in several. */
  readonly backend?: ActiveBackend;
  readonly model: LoadedModel | undefined;
  /** Why the route's own model does not serve. */
  readonly problem?: RouteProblem;
  /** True while the route's previous model answers in its place. */
  readonly isStandIn: boolean;
  readonly others: OtherVersions;
}

export interface ActiveBackend {
  readonly hardware: Hardware;
  /** The deployment's own version, which runs here too. */
  readonly own: ModelReference;
  /** Why requests go there first. */
  readonly why: Backends["why"];
  /** Context of what it answers because the places before it are down. */
  readonly failoverContext: PredictionContext;
}

/** What a route serves beside its champion. */
export interface OtherVersions {
  /** The places where the champion's model runs, in the order in which they are asked, its own among them; empty: in one. */
  readonly backends: readonly ActiveRoute[];
  readonly splits: ReadonlyMap<string, ActiveRoute>;
  readonly shadows: readonly { readonly version: ActiveRoute; readonly sample: number }[];
  readonly previous?: ActiveRoute;
  readonly secondary?: ActiveRoute;
  /** The flag that may decide which of them answers; absent: none does. */
  readonly flag?: Flag;
}

const noOthers: OtherVersions = { backends: [], splits: new Map(), shadows: [] };

export interface RouteProblem {
  readonly code: string;
  readonly detail: string;
}

/** One environment's grants, indexed for the hot path. */
export interface GrantsIndex {
  readonly grants: GatewayGrants;
  readonly apiKeys: ReadonlyMap<string, GatewayApiKey>;
  readonly principals: ReadonlyMap<string, GatewayPrincipal>;
  readonly principalsBySubject: ReadonlyMap<string, GatewayPrincipal>;
  readonly revokedTokens: ReadonlySet<string>;
  /** Endpoint → principals that may call it. */
  readonly allowed: ReadonlyMap<string, ReadonlySet<string>>;
  /** Endpoint → those of them that may name somebody whom they act for. */
  readonly actors: ReadonlyMap<string, ReadonlySet<string>>;
  /** Endpoint → principals that may read its features → what for the policies on data allow it. */
  readonly readers: ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;
}

/** All that one accepted snapshot says, replaced as a whole. */
export interface ServingState {
  readonly manifest: SnapshotManifest;
  readonly routes: ReadonlyMap<string, ActiveRoute>;
  readonly grants: ReadonlyMap<Environment, GrantsIndex>;
  /** Age of the last snapshot that was applied as a whole. */
  readonly ageMs: () => number;
}

export function indexGrants(grants: GatewayGrants): GrantsIndex {
  return {
    grants,
    apiKeys: new Map(grants.apiKeys.map((key) => [key.id, key])),
    principals: new Map(grants.principals.map((principal) => [principal.id, principal])),
    principalsBySubject: new Map(
      grants.principals.flatMap((principal) =>
        principal.subjects.map(({ issuer, subject }) => [subjectKey(issuer, subject), principal] as const),
      ),
    ),
    revokedTokens: new Set(grants.revokedTokens),
    allowed: new Map(grants.endpoints.map((entry) => [entry.endpoint, new Set(entry.principals)])),
    actors: new Map(grants.endpoints.map((entry) => [entry.endpoint, new Set(entry.actors)])),
    readers: new Map(grants.endpoints.map((entry) => [entry.endpoint, readersOf(entry)])),
  };
}

function readersOf({ readers = [], readPurposes = {} }: GatewayEndpointGrant) {
  return new Map(readers.map((id) => [id, new Set(readPurposes[id])] as const));
}

export function subjectKey(issuer: string, subject: string): string {
  return `${issuer}\u0000${subject}`;
}

export function keyOf(route: Route): string {
  return routeKey(route.organisationId, route.environment, route.endpoint);
}

/** Models that are loaded and whose signature counts; asked without waiting for anything. */
export type ReadyModel = (reference: ModelReference) => LoadedModel | undefined;

/** A route with its own model, or with the reason why it has none. */
export function activate(
  route: Route,
  snapshotVersion: number,
  ready: ReadyModel,
  problem?: RouteProblem,
): ActiveRoute {
  const champion = versionOf(route, snapshotVersion, "champion", ready(route.model));
  const others = othersOf(route, snapshotVersion, ready);
  return { ...champion, others, ...(problem ? { problem } : {}) };
}

/** The route with the previous model that its snapshot names: everything else is the new one's. */
export function standInOf(
  route: Route,
  snapshotVersion: number,
  ready: ReadyModel,
  problem: RouteProblem,
): ActiveRoute | undefined {
  const model = route.previous && ready(route.previous.model);
  if (!route.previous || !model) return undefined;
  const own = versionOf({ ...route, ...route.previous }, snapshotVersion, "champion", model);
  return { ...own, others: othersOf(route, snapshotVersion, ready), isStandIn: true, problem };
}

/** Every model that a route may need, the champion's first. */
export function modelsOf(route: Route): ModelReference[] {
  const elsewhere = (route.backends?.order ?? []).filter(({ model }) => model.digest !== route.model.digest);
  const named = [...elsewhere, ...route.variants, ...(route.secondary ? [route.secondary] : [])];
  const beside = named.map(({ model }) => model);
  const keepsPrevious = route.fallbacks.some(({ kind }) => kind === "previous_version");
  return [route.model, ...beside, ...(keepsPrevious && route.previous ? [route.previous.model] : [])];
}

/** The route's own version and all others. */
export function versionsOf(active: ActiveRoute): ActiveRoute[] {
  const { backends, splits, shadows, previous, secondary } = active.others;
  const fallbacks = [previous, secondary].filter((version) => version !== undefined);
  return [active, ...backends, ...splits.values(), ...shadows.map(({ version }) => version), ...fallbacks];
}

/** Versions that a request may name by number: the route's own, and the variants that take requests. Of equal numbers the first counts. */
export function addressable(active: ActiveRoute): ActiveRoute[] {
  const byNumber = new Map<number, ActiveRoute>();
  for (const version of [active, ...active.others.splits.values()])
    if (!byNumber.has(version.route.model.version)) byNumber.set(version.route.model.version, version);
  return [...byNumber.values()];
}

/** The version of that number; `undefined` when there is none that takes requests. */
export function versionNamed(active: ActiveRoute, number: string): ActiveRoute | undefined {
  return addressable(active).find(({ route }) => String(route.model.version) === number);
}

/** The version whose statistics of rows and callers a place adds to: wherever it runs, the model is one. */
export function watchedModel({ route, backend }: ActiveRoute): ModelReference {
  return backend?.own ?? route.model;
}

function othersOf(route: Route, snapshotVersion: number, ready: ReadyModel): OtherVersions {
  const version = (served: ServedVersion, variant: PredictionContext["variant"]) =>
    versionOf(
      { ...route, model: served.model, features: served.features },
      snapshotVersion,
      variant,
      ready(served.model),
    );
  const splits = route.variants.filter(({ kind }) => kind === "split");
  const shadows = route.variants.filter(({ kind }) => kind === "shadow");
  const flag = route.flags?.find(({ decides, enabled }) => decides === "variant" && enabled);
  const isNamed = (step: string) => route.fallbacks.some(({ kind }) => kind === step);
  return {
    backends: backendsOf(route, snapshotVersion, ready),
    splits: new Map(splits.map((variant) => [variant.name, version(variant, "canary")])),
    shadows: shadows.map((variant) => ({ version: version(variant, "shadow"), sample: variant.sample })),
    ...(route.previous && isNamed("previous_version")
      ? { previous: version(route.previous, "fallback") }
      : {}),
    ...(route.secondary && isNamed("secondary_model")
      ? { secondary: version(route.secondary, "fallback") }
      : {}),
    ...(flag ? { flag } : {}),
  };
}

/** Each place as a version of its own; all take the columns of the champion, whose model they run. */
function backendsOf(route: Route, snapshotVersion: number, ready: ReadyModel): ActiveRoute[] {
  const { order = [], why = "cheapest" } = route.backends ?? {};
  return order.map(({ hardware, model }) => {
    const version = versionOf({ ...route, model }, snapshotVersion, "champion", ready(model));
    const at = (reason: string) => ({ ...version.context, backend: { hardware, why: reason } });
    const backend = { hardware, own: route.model, why, failoverContext: at("failover") };
    return { ...version, context: at(why), backend };
  });
}

function versionOf(
  route: Route,
  snapshotVersion: number,
  variant: PredictionContext["variant"],
  model: LoadedModel | undefined,
): ActiveRoute {
  const requestSignature = requestSignatureOf(route.model.signature, route.features);
  const withoutModel = {
    organisationId: route.organisationId,
    useCaseId: route.useCaseId,
    endpoint: route.endpoint,
    environment: route.environment,
    ...(route.charter ? { charter: { version: route.charter.version, digest: route.charter.digest } } : {}),
    snapshotVersion,
    costTags: { businessUnit: route.businessUnitId, ...(route.teamId ? { team: route.teamId } : {}) },
  };
  const reference = {
    name: route.model.name,
    version: String(route.model.version),
    digest: route.model.digest,
  };
  const bytesForm = route.model.upstream && !route.features ? "packed" : "text";
  return {
    route,
    requestSignature,
    requestForm: `${bytesForm} ${canonicalJson(requestSignature)}`,
    bytesForm,
    context: { ...withoutModel, model: reference, variant },
    fallbackContext: { ...withoutModel, model: reference, variant: "fallback" },
    ruleContext: { ...withoutModel, variant: "fallback" },
    model,
    isStandIn: false,
    others: noOthers,
  };
}

/** Context of refusals that reach no route. */
export function nowhere(
  organisationId: string,
  environment: Environment,
  snapshotVersion: number,
): PredictionContext {
  return {
    organisationId,
    useCaseId: "-",
    endpoint: "-",
    environment,
    variant: "champion",
    snapshotVersion,
    costTags: {},
  };
}
