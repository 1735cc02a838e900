import { aCall } from "@portolan/testkit";
import { expect, test } from "vitest";
import { resolveOnDemand } from "./on-demand.ts";

test("what a view computes on demand is what was published, whatever a deployment says of it", async () => {
  const onDemand = {
    request: [{ name: "miles", type: "float" as const }],
    stored: ["delay"],
    features: [{ name: "per_mile", expression: "delay / miles" }],
  };
  const view = (name: string) => ({ name, digest: `sha256:${"0".repeat(64)}`, entityKeys: [] });
  const features = {
    service: "s",
    entityKeys: ["origin"],
    views: [view("own@1"), { ...view("other@1"), missing: "refuse" as const, onDemand }],
    columns: [],
    maxAgeMs: null,
  };
  const version = { model: "score", version: 1, features };
  const request = { environment: "dev", useCaseId: "uc_1", ...version } as const;
  const views = {
    onDemand: async (_: unknown, { name }: { readonly name: string }) =>
      name === "own@1" ? onDemand : undefined,
    texts: async (_: unknown, { name }: { readonly name: string }) => (name === "own@1" ? ["carrier"] : []),
  };
  const resolved = await resolveOnDemand(views, aCall(), {
    ...request,
    secondary: version,
    variants: [{ name: "b", kind: "split", ...version }],
  });
  const found = [
    { ...view("own@1"), texts: ["carrier"], onDemand },
    { ...view("other@1"), missing: "refuse" },
  ];
  expect(resolved.features?.views).toEqual(found);
  expect(resolved.secondary?.features?.views).toEqual(found);
  expect(resolved.variants?.[0]?.features?.views).toEqual(found);
  expect(await resolveOnDemand(views, aCall(), { ...request, features: { ...features, views: [] } })).toEqual(
    { ...request, features: { ...features, views: [] } },
  );
});
