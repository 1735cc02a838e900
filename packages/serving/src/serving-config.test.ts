import { digestJson } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { deriveRoute, type RouteFacts } from "./derive-route.ts";
import type { DeployRequest } from "./endpoint.ts";
import { namedVersions, servingConfig } from "./serving-config.ts";

const aModel = (version: number): RouteFacts["model"] => ({
  name: "score",
  version,
  digest: `sha256:${String(version).repeat(64)}`,
  sizeBytes: 1,
  bundle: { digest: `sha256:${"a".repeat(64)}`, signedAt: 1 },
  signature: { inputs: [], outputs: [] },
  origin: "imported",
});

function aRoute(
  {
    version = 1,
    deploymentId = "dpl_1",
    endpointId = "end_1",
    previous = null as RouteFacts["previous"],
  } = {},
  asked: Partial<DeployRequest> = {},
  variants: RouteFacts["variants"] = [],
) {
  const request: DeployRequest = { environment: "dev", useCaseId: "uc_1", model: "score", version, ...asked };
  return deriveRoute({ organisationId: "org_1", endpointId, deploymentId, name: "score" }, request, {
    useCase: { useCaseId: "uc_1", businessUnitId: "bu_1", teamId: null },
    charter: undefined,
    model: aModel(version),
    previous,
    secondary: null,
    variants,
  });
}

const digestOf = (route: ReturnType<typeof aRoute>) => digestJson(servingConfig(route));
const candidate = { name: "candidate", kind: "split", sample: 1, model: aModel(2), features: null } as const;
const split = [{ variant: "candidate", weight: 5 }];

describe("a serving configuration", () => {
  test("is the same for another version, deployment or endpoint, and whatever was deployed before", () => {
    const whole = digestOf(aRoute());
    expect(digestOf(aRoute({ version: 2, deploymentId: "dpl_2" }))).toBe(whole);
    expect(digestOf(aRoute({ previous: { model: aModel(7), features: null } }))).toBe(whole);
    const shared = (endpointId: string) =>
      digestOf(aRoute({ endpointId }, { traffic: { split } }, [candidate]));
    expect(shared("end_2")).toBe(shared("end_1"));
  });

  test.each<[string, Partial<DeployRequest>, RouteFacts["variants"]]>([
    ["a cache", { cacheMebibytes: 1 }, []],
    ["batching", { batching: { preferredRows: [8], maxDelayMs: 2 } }, []],
    ["fallbacks", { fallbacks: [{ kind: "previous_version" }] }, []],
    ["a variant beside it", {}, [candidate]],
    ["shares of traffic", { traffic: { split } }, [candidate]],
  ])("changes with %s", (_what, asked, variants) => {
    const digest = digestOf(aRoute({}, asked, variants));
    expect(digest).not.toBe(digestOf(aRoute()));
    expect(digest).toBe(digestOf(aRoute({ deploymentId: "dpl_9" }, asked, variants)));
  });

  test("says of whom a rule names how many and the digest of their list, in whatever order, and no id", () => {
    const configOf = (values: string[]) =>
      servingConfig(
        aRoute({}, { traffic: { split, rules: [{ by: "principal", values, variant: "candidate" }] } }, [
          candidate,
        ]),
      );
    const config = configOf(["usr_b", "usr_a"]);
    expect(config["traffic"]).toMatchObject({
      rules: [
        {
          by: "principal",
          values: { count: 2, digest: digestJson(["usr_a", "usr_b"]) },
          variant: "candidate",
        },
      ],
    });
    expect(JSON.stringify(config)).not.toMatch(/usr_/);
    expect(configOf(["usr_a", "usr_b"])).toEqual(config);
    expect(configOf(["usr_a", "usr_c"])).not.toEqual(config);
  });

  test("names the bytes of versions beside it, and none of their signatures", () => {
    const config = servingConfig(aRoute({}, {}, [candidate]));
    expect(config["variants"]).toEqual([
      { ...candidate, model: { name: "score", version: 2, digest: `sha256:${"2".repeat(64)}` } },
    ]);
    expect(digestOf(aRoute({}, {}, [{ ...candidate, model: aModel(3) }]))).not.toBe(digestJson(config));
  });
});

test("the versions that a route names are each named once, the champion first", () => {
  const shadow = { ...candidate, name: "shadow", kind: "shadow", model: aModel(1) } as const;
  const route = { ...aRoute({}, {}, [candidate, shadow]), secondary: { model: aModel(3), features: null } };
  expect(namedVersions(route)).toEqual([
    { name: "score", version: 1, role: "champion" },
    { name: "score", version: 2, role: "candidate" },
    { name: "score", version: 3, role: "secondary" },
  ]);
});
