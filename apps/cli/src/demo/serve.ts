import { check, until } from "./narrator.ts";
import { endpointName, modelName, type TrainingSet, type World } from "./world.ts";

/** The endpoint: the promoted version behind the charter's limits, its features read in the gateway. */
export async function deployStep(world: World): Promise<string[]> {
  const { lee, dispatch } = world.cast.as;
  const set = world.heldOut;
  await lee.json({
    method: "PUT",
    path: `/v1/endpoints/${endpointName}`,
    body: {
      environment: "production",
      useCaseId: world.cast.useCaseId,
      model: modelName,
      version: world.version,
      features: featurePlan(set),
    },
  });
  const startedAt = performance.now();
  await until(async () => {
    const response = await fetch(
      `${world.state.gatewayUrl}/v2/models/${endpointName}/versions/${world.version ?? 0}/ready`,
      {
        headers: {
          authorization: `Bearer ${await dispatch.token()}`,
          "x-portolan-environment": "production",
        },
      },
    );
    return response.ok;
  }, "the gateway did not take the new route");
  const refused = await fetch(`${world.state.gatewayUrl}/v2/models/${endpointName}/infer`, {
    method: "POST",
    body: "{}",
  });
  check(refused.status === 401, `a caller without credential got ${refused.status}, not 401`);
  return [
    `live ${Math.round(performance.now() - startedAt)} ms after the deployment, through a signed snapshot`,
    "a caller without a credential is refused (401)",
  ];
}

/** Which view holds a feature follows from the names in the folder's feature views. */
export function featurePlan(set: TrainingSet | undefined) {
  const keys: Readonly<Record<string, readonly string[]>> = {
    "origin-departures": ["origin"],
    arrivals: ["origin"],
    routes: ["origin", "destination"],
  };
  const viewOf = (feature: string) =>
    feature.startsWith("origin_")
      ? "origin-departures"
      : feature.startsWith("inbound_")
        ? "arrivals"
        : feature.startsWith("route_")
          ? "routes"
          : undefined;
  const named = (name: string) => set?.views.find(({ view }) => view.split("@")[0] === name)?.view ?? name;
  return {
    service: "flight-delays",
    entityKeys: ["origin", "destination"],
    eventTime: "request",
    maxAgeMs: 6 * 3_600_000,
    views: (set?.views ?? []).map(({ view, digest }) => ({
      name: view,
      digest,
      entityKeys: keys[view.split("@")[0] ?? ""] ?? [],
    })),
    columns: (set?.features ?? []).map((feature, index) => {
      const view = viewOf(feature);
      return {
        input: "features",
        index,
        from:
          view === undefined
            ? { kind: "request", name: feature }
            : { kind: "feature", view: named(view), feature },
        missing: view === undefined ? null : "NaN",
      };
    }),
  };
}
