import { contract, count, defineView, mean, minutes, onDemand } from "@portolan/features/builder";

// What examples/flight-delays/features/routes.yaml says, in TypeScript: both have one digest.

const flights = contract("flights", {
  departure_local: "local",
  departed_at: "instant",
  delay: "int",
  distance: "int",
  origin: "text",
  destination: "text",
});

export const routes = defineView({
  name: "routes",
  description: "How late this connection was in the last week.",
  source: flights,
  entity: ["origin", "destination"],
  eventTime: "departed_at",
  available: ({ departed_at, distance }) => departed_at.plus(minutes(30)).plus(distance.times(7_500_000)),
  ttl: "24h",
  events: "log",
  request: { distance_miles: "float" },
  features: ({ delay }) => ({
    route_flights_7d: count({ window: "7d" }),
    route_delay_7d: mean(delay, { window: "7d" }),
    route_late_share_7d: mean(delay.gt(15), { window: "7d" }),
  }),
  onDemand: ({ distance_miles }, feature) => ({
    route_delay_per_100_miles: onDemand(feature("route_delay_7d").times(100).over(distance_miles)),
  }),
});
