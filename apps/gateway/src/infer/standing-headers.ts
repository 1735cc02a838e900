import { asEpochMicros, type EpochMicros, formatHttpDate } from "@portolan/kernel";
import type { Route } from "@portolan/serving/contract";
import type { ActiveRoute, ServingState } from "../snapshot/serving-state.ts";
import { notServed } from "./admit.ts";
import { snapshotAgeHeaders } from "./snapshot-age.ts";

type Announced = NonNullable<Route["sunset"]>;

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
 * @throws PortolanError `serving.snapshot_expired` when the charter refuses, `serving.not_served` when the announced end has come
 */
export function standingHeaders(
  active: ActiveRoute,
  state: ServingState,
  now: EpochMicros,
): Record<string, string> {
  const headers = snapshotAgeHeaders(active, state);
  const { sunset } = active.route;
  if (!sunset) return headers;
  // Control takes the route away when the end has come; a gateway without control keeps to what was announced.
  if (now >= sunset.endsAt) throw notServed();
  const known = told.get(sunset) ?? sunsetHeaders(sunset);
  told.set(sunset, known);
  return { ...headers, ...known };
}
