import { type Static, Type } from "@portolan/typebox";
import { Flag, mostFlags } from "../flags/flag-schema.ts";
import { EnvironmentName, type ModelReference, SignedStatement } from "./model-schema.ts";
import { mapVersions, versionsIn } from "./placed-parts.ts";
import { Displacement } from "./resilience-schema.ts";
import { MeasuredMemory, Retiring, type Route, type SnapshotPart } from "./schema.ts";
import { type PartVerdict, partReader } from "./verify-snapshot.ts";

const closed = { additionalProperties: false } as const;

const AttestedVersion = Type.Object(
  {
    environment: EnvironmentName,
    model: Type.String(),
    version: Type.Integer({ minimum: 1 }),
    statements: Type.Array(SignedStatement, { minItems: 1, maxItems: 128 }),
  },
  closed,
);
type AttestedVersion = Static<typeof AttestedVersion>;

const DisplacedVersion = Type.Object({ endpointId: Type.String(), ...Displacement.properties }, closed);
type DisplacedVersion = Static<typeof DisplacedVersion>;

const FlaggedEndpoint = Type.Object(
  { endpointId: Type.String(), flags: Type.Array(Flag, { minItems: 1, maxItems: mostFlags }) },
  closed,
);

const RetiringEndpoint = Type.Object({ endpointId: Type.String(), versions: Retiring }, closed);

/**
 * What is known of the models of routes, for the gateways of one placement: what was measured of their memory, what is attested of them, which are
 * wrong too often and have the fallback chain answer in their place, which end, or which flags their endpoints have. It lies
 * beside the routes and not in them: gateways that are older refuse a route with a member that they do not know, and pass over a part of routes
 * that names no environment.
 */
export const Supplement = Type.Union([
  Type.Object({ memory: Type.Array(MeasuredMemory) }, closed),
  Type.Object({ attestations: Type.Array(AttestedVersion) }, closed),
  Type.Object({ displaced: Type.Array(DisplacedVersion) }, closed),
  Type.Object({ flags: Type.Array(FlaggedEndpoint) }, closed),
  Type.Object({ retiring: Type.Array(RetiringEndpoint) }, closed),
]);
export type Supplement = Static<typeof Supplement>;

export const readSupplement: (bytes: Uint8Array, part: SnapshotPart) => PartVerdict<Supplement> =
  partReader(Supplement);

/** Pure. */
export function isSupplement({ kind, environment }: Pick<SnapshotPart, "kind" | "environment">): boolean {
  return kind === "routes" && environment === undefined;
}

/** What these routes say, once for each model, in a fixed order; nothing where they say nothing. Pure. */
export function supplementsOf(routes: readonly Route[]): Supplement[] {
  const memory = measuredOf(routes.flatMap((route) => route.memory ?? []));
  const attested = routes.flatMap((route) =>
    versionsIn(route).flatMap(({ name: model, version, attestations: statements }) =>
      statements ? [{ environment: route.environment, model, version, statements }] : [],
    ),
  );
  const attestations = [...new Map(attested.map((one) => [attestedKey(one), one])).values()].toSorted(
    (a, b) => (attestedKey(a) < attestedKey(b) ? -1 : 1),
  );
  const displaced = routes
    .flatMap((route) => (route.displaced ? [{ endpointId: route.endpointId, ...route.displaced }] : []))
    .toSorted((a, b) => (a.endpointId < b.endpointId ? -1 : 1));
  const flags = routes
    .flatMap(({ endpointId, flags: own = [] }) => (own.length === 0 ? [] : [{ endpointId, flags: own }]))
    .toSorted((a, b) => (a.endpointId < b.endpointId ? -1 : 1));
  const retiring = routes
    .flatMap(({ endpointId, retiring: versions }) => (versions ? [{ endpointId, versions }] : []))
    .toSorted((a, b) => (a.endpointId < b.endpointId ? -1 : 1));
  return [
    ...(memory.length === 0 ? [] : [{ memory }]),
    ...(attestations.length === 0 ? [] : [{ attestations }]),
    ...(displaced.length === 0 ? [] : [{ displaced }]),
    ...(flags.length === 0 ? [] : [{ flags }]),
    ...(retiring.length === 0 ? [] : [{ retiring }]),
  ];
}

/** The routes as they travel to gateways, which find the rest in parts of its own. Pure. */
export function withoutSupplements(route: Route): Route {
  const travelling = mapVersions(route, (model) => {
    const bare = { ...model };
    delete bare.attestations;
    return bare;
  });
  delete travelling.memory;
  delete travelling.displaced;
  delete travelling.flags;
  delete travelling.retiring;
  return travelling;
}

/**
 * The routes, each with what is known of its own versions; one of which nothing is known stays as it is. Pure.
 *
 * @param supplements of those that speak of one model the last counts
 */
export function withSupplements(routes: readonly Route[], supplements: readonly Supplement[]): Route[] {
  const measured = measuredOf(supplements.flatMap((one) => ("memory" in one ? one.memory : [])));
  const attested = new Map(
    supplements
      .flatMap((one) => ("attestations" in one ? one.attestations : []))
      .map((one) => [attestedKey(one), one.statements]),
  );
  const displaced = supplements.flatMap((one) => ("displaced" in one ? one.displaced : []));
  const flags = new Map(
    supplements
      .flatMap((one) => ("flags" in one ? one.flags : []))
      .map((one) => [one.endpointId, one.flags] as const),
  );
  const retiring = new Map(
    supplements
      .flatMap((one) => ("retiring" in one ? one.retiring : []))
      .map((one) => [one.endpointId, one.versions] as const),
  );
  return routes.map((bare) => {
    const [own, ending] = [flags.get(bare.endpointId), retiring.get(bare.endpointId)];
    const told = { ...bare, ...(own ? { flags: own } : {}), ...(ending ? { retiring: ending } : {}) };
    const route = withDisplacement(own || ending ? told : bare, displaced);
    const digests = new Set(versionsIn(route).map(({ digest }) => digest));
    const memory = measured.filter(({ digest }) => digests.has(digest));
    const whole =
      attested.size === 0 ? route : mapVersions(route, (model) => withStatements(route, model, attested));
    return memory.length === 0 ? whole : { ...whole, memory };
  });
}

function withStatements(
  { environment }: Route,
  model: ModelReference,
  attested: ReadonlyMap<string, AttestedVersion["statements"]>,
): ModelReference {
  const statements = attested.get(attestedKey({ environment, model: model.name, version: model.version }));
  return statements ? { ...model, attestations: [...statements] } : model;
}

/** Of a version that the route names no longer nothing is said. */
function withDisplacement(route: Route, displaced: readonly DisplacedVersion[]): Route {
  const { name, version } = route.model;
  const own = displaced.findLast(
    (one) => one.endpointId === route.endpointId && one.model === name && one.version === version,
  );
  if (!own) return route;
  const { endpointId: _, ...displacement } = own;
  return { ...route, displaced: displacement };
}

function attestedKey({ environment, model, version }: Omit<AttestedVersion, "statements">): string {
  return `${environment} ${model}/${version}`;
}

function measuredOf(memory: readonly MeasuredMemory[]): MeasuredMemory[] {
  const byDigest = new Map(memory.map((one) => [one.digest, one]));
  return [...byDigest.values()].toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
}
