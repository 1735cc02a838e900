import { Value } from "@portolan/typebox";
import { expect, test } from "vitest";
import type { GatewayGrants } from "./gateway-grants.ts";
import { GatewayGrantsPart } from "./gateway-grants-schema.ts";

const grants: GatewayGrants = {
  organisationId: "org_1",
  environment: "production",
  revocationEpoch: 3,
  issuers: [
    {
      issuer: "https://issuer.example",
      organisationId: "org_1",
      audiences: ["portolan"],
      algorithms: ["EdDSA"],
      tokenType: "at+jwt",
      jwks: { keys: [{ kty: "OKP", kid: "k1" }] },
      subjectClaim: "sub",
      environments: ["production"],
    },
  ],
  principals: [{ id: "sa_1", kind: "service_account", subjects: [] }],
  apiKeys: [
    {
      id: "key_1",
      secretSha256: "0".repeat(64),
      principalId: "sa_1",
      environment: "production",
      expiresAt: 1,
    },
  ],
  revokedTokens: ["jti_1"],
  endpoints: [
    { endpoint: "delays", environment: "production", principals: ["sa_1"], actors: [], readers: ["sa_1"] },
  ],
};

test("an identity part is read in the form that control makes, and by gateways that know less of it", () => {
  expect(Value.Check(GatewayGrantsPart, grants)).toBe(true);
  expect(Value.Check(GatewayGrantsPart, { ...grants, later: 1 })).toBe(true);
});

test("a part that would let a gateway decide wrongly is refused", () => {
  const [apiKey] = grants.apiKeys;
  const [issuer] = grants.issuers;
  const { revokedTokens: _, ...unrevoking } = grants;
  const bad = [
    unrevoking,
    { ...grants, environment: "everywhere" },
    { ...grants, apiKeys: [{ ...apiKey, secretSha256: "none" }] },
    { ...grants, issuers: [{ ...issuer, algorithms: ["none"] }] },
    { ...grants, issuers: [{ ...issuer, jwks: undefined }] },
    { ...grants, endpoints: [{ endpoint: "delays", environment: "production" }] },
  ];
  expect(bad.map((one) => Value.Check(GatewayGrantsPart, one))).toEqual(bad.map(() => false));
});
