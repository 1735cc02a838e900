import { expect, test } from "vitest";
import { deriveRoute, type RouteFacts } from "./derive-route.ts";

const ids = { organisationId: "org_1", endpointId: "ep_1", deploymentId: "dep_1", name: "helper" };
const model: RouteFacts["model"] = {
  name: "helper",
  version: 1,
  digest: `sha256:${"0".repeat(64)}`,
  sizeBytes: 1,
  bundle: { digest: `sha256:${"1".repeat(64)}`, signedAt: 1 },
  signature: { inputs: [], outputs: [] },
  origin: "imported",
};

test("without a charter text has a minute, and tensors a second; neither stands in for the other", () => {
  const derive = (of: RouteFacts["model"], previous: RouteFacts["previous"] = null) =>
    deriveRoute(
      ids,
      { useCaseId: "uc_1", environment: "dev", model: "helper", version: 1 } as Parameters<
        typeof deriveRoute
      >[1],
      {
        useCase: { useCaseId: "uc_1", businessUnitId: "bu_1", teamId: null },
        charter: undefined,
        model: of,
        previous,
        secondary: null,
        variants: [],
      } as RouteFacts,
    );
  const upstream = { region: "local", owner: "self", environments: ["dev"] } as const;
  const text = derive({ ...model, upstream: { ...upstream, protocol: "openai", environments: ["dev"] } });
  const tensors = derive({
    ...model,
    upstream: { ...upstream, protocol: "open-inference", environments: ["dev"] },
  });
  expect(text.limits.timeoutMs).toBe(60_000);
  expect(text.resilience.slowMs).toBeGreaterThan(tensors.resilience.slowMs);
  expect([tensors.limits.timeoutMs, derive(model).limits.timeoutMs]).toEqual([1000, 1000]);
  const before = { model, features: null };
  expect(derive(tensors.model, before).previous).toEqual(before);
  expect(derive(text.model, before).previous).toBeNull();
});
