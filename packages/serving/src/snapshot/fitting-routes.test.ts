import { expect, test } from "vitest";
import { deriveRoute, type RouteFacts } from "../derive-route.ts";
import { mayGoOn, underTermsOfToday } from "./fitting-routes.ts";
import type { ModelReference, Route } from "./schema.ts";

const digest = (digit: number) => `sha256:${String(digit).repeat(64)}`;
const own: ModelReference = {
  name: "delays",
  version: 1,
  digest: digest(1),
  sizeBytes: 1,
  bundle: { digest: digest(9), signedAt: 1 },
  signature: { inputs: [], outputs: [] },
  origin: "trained",
};
const abroad: ModelReference = {
  ...own,
  digest: digest(2),
  upstream: { protocol: "open-inference", region: "us-east-1", owner: "aws", environments: ["dev"] },
};

function route(model: ModelReference, previous: ModelReference | null = null): Route {
  const facts: RouteFacts = {
    useCase: { useCaseId: "uc_1", businessUnitId: "bu_1", teamId: null },
    charter: undefined,
    model,
    previous: previous && { model: previous, features: null },
    secondary: null,
    variants: [],
    backends: undefined,
  };
  const ids = { organisationId: "org_1", endpointId: "ep_1", deploymentId: "dep_1", name: "delays" };
  return deriveRoute(ids, { useCaseId: "uc_1", environment: "dev", model: "delays", version: 1 }, facts);
}

test("a last good route goes on within the borders of today, and never beyond them", () => {
  const now = route(own);
  expect(mayGoOn(route({ ...own, digest: digest(3) }), now)).toBe(true);
  // The charter of today left the server abroad out, or still names it as the one before.
  expect(mayGoOn(route(abroad), now)).toBe(false);
  expect(mayGoOn(route(abroad), route(own, abroad))).toBe(true);
  const kept = { regions: ["eu-*"], owners: null };
  expect(mayGoOn(now, { ...now, placement: kept })).toBe(false);
  expect(mayGoOn({ ...now, placement: kept }, { ...now, placement: { ...kept } })).toBe(true);
});

test("a last good route goes on under the terms of the charter in force; one that does not fit keeps its own, and its charter's name", () => {
  const charter = (version: number) => ({ id: "cht_1", version, digest: digest(version) });
  const before: Route = {
    ...route({ ...own, digest: digest(3) }),
    charter: charter(1),
    purposes: [],
    nonFiniteOutputs: "allow",
    durability: "buffered",
  };
  const { nonFiniteOutputs: _, ...silent } = route(own);
  const now: Route = { ...silent, charter: charter(2), purposes: ["care"], durability: "durable" };
  const goesOn = underTermsOfToday(before, now);
  expect(goesOn).toMatchObject({
    model: before.model,
    charter: charter(2),
    purposes: ["care"],
    durability: "durable",
  });
  expect(goesOn).not.toHaveProperty("nonFiniteOutputs");

  const limits = { ...now.limits, burst: 0 };
  const inPart = underTermsOfToday(before, { ...now, limits });
  expect(inPart).toMatchObject({ charter: charter(1), purposes: ["care"], limits: before.limits });
});
