import { expect, test } from "vitest";
import { featuresParameter } from "./features-used.ts";

test("an answer says by view how old its oldest values are, and by feature what was present", () => {
  const feature = (name: string) => ({ kind: "feature" as const, view: "v@1", feature: name });
  const plan = {
    service: "s",
    entityKeys: ["k"],
    views: [{ name: "v@1", digest: "", entityKeys: ["k"] }],
    columns: [
      { input: "x", index: 0, from: { kind: "request" as const, name: "r" }, missing: null },
      { input: "x", index: 1, from: feature("a"), missing: 0 },
      { input: "x", index: 2, from: feature("b"), missing: 0 },
    ],
    maxAgeMs: null,
  };
  const request = { name: "r", value: 1, source: "request" as const };
  const online = { name: "v@1.a", value: 2, at: 7_000_001, source: "online" as const };
  const used = [
    request,
    online,
    { ...online, name: "v@1.b", at: 7_000_000, source: "default" as const, status: "null" as const },
    request,
    { name: "v@1.a", value: 0, source: "default" as const, status: "not_found" as const },
    { name: "v@1.b", value: 0, source: "stale" as const, at: 5_000_000, status: "outside_max_age" as const },
  ];
  expect(JSON.parse(featuresParameter(plan, used) ?? "")).toEqual({
    "v@1": {
      oldest: "1970-01-01T00:00:05Z",
      features: { a: { present: 1, not_found: 1 }, b: { null: 1, outside_max_age: 1 } },
    },
  });
  expect(featuresParameter(null, used)).toBeUndefined();
  expect(featuresParameter({ ...plan, views: [] }, used)).toBeUndefined();
});
