import { asEpochMicros, type Environment } from "@portolan/kernel";
import { routeKey } from "@portolan/serving/contract";
import { expect, test } from "vitest";
import type { ServingState } from "../snapshot/serving-state.ts";
import { findRoute } from "./admit.ts";
import type { Caller } from "./authenticate.ts";

/** A state in which `sam` may ask `score` in the environments named, and it is served in some of them. */
function stateOf(granted: readonly Environment[], served: readonly Environment[]): ServingState {
  const grants = granted.map((environment) => [
    environment,
    { allowed: new Map([["score", new Set(["sam"])]]) },
  ]);
  const routes = served.map((environment) => [
    routeKey("org", environment, "score"),
    { route: { environment } },
  ]);
  return {
    manifest: { organisationId: "org" },
    grants: new Map(grants as never),
    routes: new Map(routes as never),
  } as never;
}

const sam: Caller = {
  principalId: "sam",
  environments: ["dev", "staging", "production"],
  untilMicros: asEpochMicros(1),
};
const ask = (state: ServingState, headers: Record<string, string> = {}, caller = sam) =>
  findRoute(state, caller, { model: "score", headers }).route.environment;

test("without a word the latest environment is meant in which the caller may ask, and no other answers in its place", () => {
  expect(ask(stateOf(["dev", "production"], ["dev", "production"]))).toBe("production");
  expect(ask(stateOf(["dev"], ["dev"]))).toBe("dev");
  // Halted in production: staging's answer would be another model's.
  const halted = stateOf(["staging", "production"], ["staging"]);
  expect(() => ask(halted)).toThrow(expect.objectContaining({ code: "serving.not_served" }));
  expect(ask(halted, { "x-portolan-environment": "staging" })).toBe("staging");
});

test("who may not ask is told nothing of what is halted", () => {
  const stranger = { ...sam, principalId: "eve" };
  expect(() => ask(stateOf(["production"], []), {}, stranger)).toThrow(
    expect.objectContaining({ code: "serving.endpoint_not_found" }),
  );
});
