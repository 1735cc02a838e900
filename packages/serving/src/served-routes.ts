import { termsOf } from "@portolan/charter/policy";
import {
  asEpochMicros,
  type CallContext,
  type Clock,
  type Digest,
  digestJson,
  formatInstant,
  isPortolanError,
  type LedgerEvent,
  type Place,
  type PortolanError,
} from "@portolan/kernel";
import { chooseBackends } from "./backends/choose-backend.ts";
import { deriveRoute, requireServable } from "./derive-route.ts";
import type { DeployRequest, Stop } from "./endpoint.ts";
import type { CharterInForce, ServedCharter } from "./ports.ts";
import type { ModelReference, Route, ServedVersion } from "./snapshot/schema.ts";
import type { Deployed, RetiringRow } from "./store.ts";
import { mayBeAsked, requireUpstreamPlace } from "./upstream-places.ts";

/** What the charter in force makes of a deployment: its route of today, or the reason why it stops; somebody's halt is one. */
export type Served =
  | { readonly kind: "route"; readonly deployed: Deployed; readonly route: Route }
  | { readonly kind: "stopped"; readonly deployed: Deployed; readonly stop: Stop };

/** What the last snapshot said of an endpoint, so that the next one's changes get their ledger rows. */
export interface ServedMark {
  readonly deploymentId: string;
  readonly route: Digest | null;
  readonly charter: Digest | null;
  readonly stopped: string | null;
}

export interface ServedDeps {
  readonly clock: Clock;
  readonly charters: CharterInForce;
  readonly location: Place;
}

/** Judges every deployment under the charter that is in force now. */
export async function servedRoutes(
  deps: ServedDeps,
  call: CallContext,
  deployments: readonly Deployed[],
): Promise<Served[]> {
  const charters = new Map<string, Promise<CharterLookup>>();
  return Promise.all(
    deployments.map(async (deployed) => {
      const { useCaseId } = deployed;
      const lookup = charters.get(useCaseId) ?? lookUp(deps.charters, call, useCaseId);
      charters.set(useCaseId, lookup);
      return serve(deployed, await lookup, deps);
    }),
  );
}

type CharterLookup = { readonly charter: ServedCharter | undefined } | { readonly stop: Stop };

/** A charter that was tampered with governs nobody, and must not keep the others' revocations back. */
async function lookUp(
  charters: CharterInForce,
  call: CallContext,
  useCaseId: string,
): Promise<CharterLookup> {
  try {
    return { charter: await charters.inForce(call, useCaseId) };
  } catch (error) {
    if (isPortolanError(error) && error.code.startsWith("charter.")) return { stop: stopOf(error) };
    throw error;
  }
}

function serve(
  deployed: Deployed,
  lookup: CharterLookup,
  { clock, location }: Pick<ServedDeps, "clock" | "location">,
): Served {
  const stop = peoplesStop(deployed, clock.now());
  if (stop) return { kind: "stopped", deployed, stop };
  const { sunset, retiring } = deployed;
  if ("stop" in lookup) return { kind: "stopped", deployed, stop: lookup.stop };
  const { charter } = lookup;
  const { request, route, name, endpointId, deploymentId } = deployed;
  try {
    requireServable(name, request, charter, location);
    requireUpstreamPlace(route.model, request.environment, charter);
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    return { kind: "stopped", deployed, stop: stopOf(error) };
  }
  const { organisationId, businessUnitId, teamId, useCaseId } = route;
  // A fallback crosses no border: what the charter of today keeps from being asked is left out, and the champion goes on.
  const gone = retiring.filter(({ ends_at: endsAt }) => endsAt <= clock.now());
  const isAllowed = (model: ModelReference) =>
    !isAmong(gone, model) && mayBeAsked(model, request.environment, charter);
  const allowed = (version: ServedVersion | null) => version && (isAllowed(version.model) ? version : null);
  return {
    kind: "route",
    deployed,
    route: {
      ...announced(sunset),
      ...retiringOf(deployed, clock.now()),
      ...displaced(deployed),
      ...deriveRoute({ organisationId, endpointId, deploymentId, name }, request, {
        useCase: { useCaseId, businessUnitId, teamId },
        charter,
        model: route.model,
        previous: allowed(deployed.previous),
        backends: backendsUnder(route, charter, isAllowed),
        secondary: allowed(asked(route.secondary, request.secondary)),
        variants: route.variants
          .filter(({ model }) => isAllowed(model))
          .map((variant) => ({
            ...variant,
            features: request.variants?.find(({ name: asked }) => asked === variant.name)?.features ?? null,
          })),
      }),
    },
  };
}

/** The choice under the charter of today, by what was known when it was deployed. */
function backendsUnder(
  { model, backends }: Route,
  charter: ServedCharter | undefined,
  isAllowed: (model: ModelReference) => boolean,
): Route["backends"] {
  const isOwn = (one: ModelReference) => one.name === model.name && one.version === model.version;
  const own = backends?.order.find((one) => isOwn(one.model));
  if (!backends || !own) return undefined;
  const others = backends.order.filter((one) => !isOwn(one.model) && isAllowed(one.model));
  const bound = charter && termsOf(charter.document).latencyMsP95;
  return { ...chooseBackends(own, others, bound), planned: backends.planned };
}

/** The version of the deployment with the columns as they were asked for: the charter's bounds are put on anew. */
function asked(version: ServedVersion | null, request: DeployRequest["secondary"]): ServedVersion | null {
  return version && { model: version.model, features: request?.features ?? null };
}

const haltedCode = "serving.halted";
const sunsetCode = "serving.sunset";

/** Why people have an endpoint serve nothing, whatever its charter says; `undefined` when they do not. Pure. */
export function peoplesStop(
  { halt, sunset, retiring, route }: Pick<Deployed, "halt" | "sunset" | "retiring" | "route">,
  now: number,
): Stop | undefined {
  if (halt) return haltedBy(halt);
  if (sunset && sunset.ends_at <= now) return ended(sunset);
  // Nobody else answers in the place of the endpoint's own version.
  const own = retiring.find((one) => one.ends_at <= now && isAmong([one], route.model));
  return own && { ...ended(own), detail: `its version ${own.version} ${ended(own).detail}` };
}

function isAmong(
  versions: readonly Pick<RetiringRow, "model" | "version">[],
  { name, version }: ModelReference,
): boolean {
  return versions.some((one) => one.model === name && one.version === version);
}

/** Versions that are served and end later. */
function retiringOf({ retiring, route, previous }: Deployed, now: number): Pick<Route, "retiring"> {
  const served = [
    route.model,
    ...route.variants.map(({ model }) => model),
    ...[previous, route.secondary].flatMap((one) => (one ? [one.model] : [])),
  ];
  const found = retiring
    .filter((one) => one.ends_at > now && served.some((model) => isAmong([one], model)))
    .map(({ model, version, announced_at: announcedAt, ends_at: endsAt, successor }) => ({
      model,
      version,
      announcedAt,
      endsAt,
      ...(successor === null ? {} : { successor }),
    }));
  return found.length === 0 ? {} : { retiring: found };
}

/** Why an endpoint's own version answers nobody while its fallback chain does; `undefined` while it answers. Pure. */
export function displacedStop({ displacement }: Pick<Deployed, "displacement">): Stop | undefined {
  if (!displacement) return undefined;
  const at = formatInstant(asEpochMicros(displacement.began_at));
  return {
    code: "serving.displaced",
    detail: `answered by its fallback chain since ${at}: ${displacement.reason}`,
  };
}

/** Whether a stop is somebody's halt, or an announced end that has come. */
export function isPeoplesStop({ code }: Stop): boolean {
  return code === haltedCode || code === sunsetCode;
}

function haltedBy({ reason, halted_at, halted_by }: NonNullable<Deployed["halt"]>): Stop {
  const at = formatInstant(asEpochMicros(halted_at));
  return { code: haltedCode, detail: `halted by ${halted_by} at ${at}: ${reason}` };
}

function announced(sunset: Deployed["sunset"]): Pick<Route, "sunset"> {
  if (!sunset) return {};
  const { announced_at: announcedAt, ends_at: endsAt, successor } = sunset;
  return { sunset: { announcedAt, endsAt, ...(successor === null ? {} : { successor }) } };
}

function displaced({ displacement, route }: Deployed): Pick<Route, "displaced"> {
  if (!displacement) return {};
  const { began_at: since, alert_id: alert } = displacement;
  const { name: model, version } = route.model;
  return { displaced: { model, version, alert, since } };
}

function ended({ ends_at, reason }: Pick<RetiringRow, "ends_at" | "reason">): Stop {
  return {
    code: sunsetCode,
    detail: `ended at ${formatInstant(asEpochMicros(ends_at))}, as announced: ${reason}`,
  };
}

function stopOf(error: PortolanError): Stop {
  return { code: error.code, detail: error.detail ?? error.message };
}

export function markOf(served: Served): ServedMark {
  const { deploymentId } = served.deployed;
  return served.kind === "stopped"
    ? { deploymentId, route: null, charter: null, stopped: served.stop.code }
    : {
        deploymentId,
        route: digestJson(served.route),
        charter: (served.route.charter?.digest ?? null) as Digest | null,
        stopped: null,
      };
}

/**
 * The ledger row of what a snapshot changes at an endpoint without anybody deploying: a charter stops it, lets it go
 * on, or changes its terms. `undefined` when it changes nothing. Pure.
 */
export function changeOf(before: ServedMark | null, served: Served): LedgerEvent | undefined {
  const { endpointId, name, environment, deploymentId } = served.deployed;
  const place = { endpoint: name, environment, deployment: deploymentId };
  const was = before?.route ? { before: before.route } : {};
  if (served.kind === "stopped") {
    if (before?.stopped === served.stop.code) return undefined;
    const detail = { ...place, code: served.stop.code };
    return { event: "serving.route.stopped", subject: endpointId, ...was, detail };
  }
  const after = markOf(served);
  const { charter } = served.route;
  const event = {
    subject: endpointId,
    ...was,
    ...(after.route ? { after: after.route } : {}),
    detail: { ...place, charter: charter?.digest ?? null, charterVersion: charter?.version ?? null },
  };
  if (before?.stopped) return { event: "serving.route.resumed", ...event };
  const isSameDeployment = before?.deploymentId === deploymentId;
  if (!isSameDeployment || before.charter === after.charter) return undefined;
  return { event: "serving.route.rederived", ...event };
}
