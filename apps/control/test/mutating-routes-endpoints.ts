import type { MutatingRoute } from "./mutating-world.ts";

/** How an endpoint ends, for a while or for good, and goes on: in an order that leaves it serving. */
export const endOfEndpoints: readonly MutatingRoute[] = [
  {
    route: "POST /v1/endpoints/:name/sunset",
    as: "ci",
    ledger: "governed",
    events: ["serving.endpoint.sunset_announced"],
    request: () => ({
      url: "/v1/endpoints/delays/sunset",
      body: { environment: "dev", endsAt: "2199-01-01T00:00:00Z", reason: "the next one is out" },
    }),
  },
  {
    route: "POST /v1/endpoints/:name/sunset/withdrawal",
    as: "ci",
    ledger: "governed",
    events: ["serving.endpoint.sunset_withdrawn"],
    request: () => ({
      url: "/v1/endpoints/delays/sunset/withdrawal",
      body: { environment: "dev", reason: "still needed" },
    }),
  },
  {
    route: "POST /v1/endpoints/:name/halt",
    as: "ci",
    ledger: "governed",
    events: ["serving.endpoint.halted"],
    request: () => ({
      url: "/v1/endpoints/delays/halt",
      body: { environment: "dev", reason: "to be sure" },
    }),
  },
  {
    route: "POST /v1/endpoints/:name/resume",
    as: "ada",
    ledger: "governed",
    events: ["serving.endpoint.resumed"],
    request: () => ({
      url: "/v1/endpoints/delays/resume",
      body: { environment: "dev", reason: "all is well" },
    }),
  },
];
