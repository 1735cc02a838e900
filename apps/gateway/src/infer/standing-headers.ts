import { asEpochMicros, type EpochMicros, formatHttpDate } from "@portolan/kernel";
import type { Route } from "@portolan/serving/contract";
import type { ActiveRoute, ServingState } from "../snapshot/serving-state.ts";
import { notServed } from "./admit.ts";
import type { ChainFallback } from "./answer-chain.ts";
import type { Progress } from "./progress.ts";
import { snapshotAgeHeaders } from "./snapshot-age.ts";

type Announced = NonNullable<Route["sunset"]>;
type Retiring = NonNullable<Route["retiring"]>[number];

/** Told again with each answer: put together once. */
const told = new WeakMap<Announced, Readonly<Record<string, string>>>();

/** Deprecation as in RFC 9745, Sunset as in RFC 8594, and where to go instead. Pure. */
export function sunsetHeaders(sunset: Announced): Readonly<Record<string, string>> {
  const { announcedAt, endsAt, successor } = sunset;
  return {
    deprecation: `@${Math.floor(announcedAt / 1_000_000)}`,
    sunset: formatHttpDate(asEpochMicros(endsAt)),
    ...(successor === undefined ? {} : { link: `<${successor}>; rel="successor-version"` }),
  };
}

/**
 * What every answer of a route says, whatever was asked: the age of an old snapshot, and the endpoint's announced end.
 * @throws PortolanError `serving.snapshot_expired` when the charter refuses, `serving.not_served` when the announced end of the endpoint, or of its own version, has come
 */
export function standingHeaders(
  active: ActiveRoute,
  state: ServingState,
  now: EpochMicros,
): Record<string, string> {
  const headers = snapshotAgeHeaders(active, state);
  const { sunset } = active.route;
  // Control takes the route away when the end has come, its own version's too; a gateway without control keeps to what was announced.
  if (sunset && now >= sunset.endsAt) throw notServed();
  if (active.isStandIn !== true && hasEnded(active, now)) throw notServed();
  return sunset ? { ...headers, ...toldOf(sunset) } : headers;
}

function toldOf(sunset: Announced): Readonly<Record<string, string>> {
  const known = told.get(sunset) ?? sunsetHeaders(sunset);
  told.set(sunset, known);
  return known;
}

/** The announced end of the version itself, where there is one. Pure. */
function retirementOf({ route, backend }: ActiveRoute): Retiring | undefined {
  const { name, version } = backend?.own ?? route.model;
  return route.retiring?.find((one) => one.model === name && one.version === version);
}

/** Whether the announced end of the version itself has come. Pure. */
export function hasEnded(version: ActiveRoute, now: EpochMicros): boolean {
  const retirement = retirementOf(version);
  return retirement !== undefined && now >= retirement.endsAt;
}

/**
 * A chosen version whose announced end has come answers nobody: of a share of the requests the endpoint's own version takes its place, and who named it is told.
 * Control takes such versions away; a gateway without control keeps to what was announced.
 * @throws PortolanError `serving.not_served` where the caller named it, or nobody is left
 */
function stillAnswering(
  chosen: ActiveRoute,
  champion: ActiveRoute,
  { now, isNamed }: { readonly now: EpochMicros; readonly isNamed: boolean },
): ActiveRoute {
  if (!hasEnded(chosen, now)) return chosen;
  if (isNamed || chosen === champion) throw notServed();
  return stillAnswering(champion, champion, { now, isNamed });
}

/**
 * Notes who answers a request, with what its answers say of its own end; it is another one than was drawn where that one's end has come.
 * @param isNamed whether the caller named the version
 * @throws PortolanError as `stillAnswering`
 */
export function answerBy(
  progress: Progress,
  drawn: ActiveRoute,
  champion: ActiveRoute,
  isNamed: boolean,
): ActiveRoute {
  const active = stillAnswering(drawn, champion, { now: progress.receivedAt, isNamed });
  if (active.route.retiring) tellEnd(progress, active.route, retirementOf(active));
  progress.active = active;
  return active;
}

/** A version's end is told with its own answers alone: where another one answers in its place, with that one's; a rule and a fixed answer have none. */
export function tellWhoAnswered(
  progress: Progress,
  { by, fallback }: { readonly by: ActiveRoute; readonly fallback?: ChainFallback | undefined },
): void {
  if (!fallback || !by.route.retiring) return;
  const { answeredBy } = fallback;
  const isVersion = answeredBy !== "rule" && answeredBy !== "fixed";
  tellEnd(progress, by.route, isVersion ? retirementOf(by) : undefined);
}

/** What ends first is told: behind the endpoint's end there is none of its versions. */
function tellEnd(progress: Progress, { sunset }: Route, retirement: Retiring | undefined): void {
  const first = sunset && retirement ? (sunset.endsAt <= retirement.endsAt ? sunset : retirement) : undefined;
  const end = first ?? sunset ?? retirement;
  const { deprecation: _, sunset: __, link: ___, ...headers } = progress.headers;
  progress.headers = end ? { ...headers, ...toldOf(end) } : headers;
}
