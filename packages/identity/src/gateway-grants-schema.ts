import { type Environment, environments } from "@portolan/kernel";
import { Type } from "@portolan/typebox";
import type { GatewayGrants } from "./gateway-grants.ts";
import { tokenAlgorithms } from "./tokens/trusted-issuer.ts";

const Names = Type.Array(Type.String());
const Micros = Type.Integer({ description: "Epoch microseconds (UTC)" });
const EnvironmentName = Type.Unsafe<Environment>(Type.Enum([...environments]));

const Issuer = Type.Object({
  issuer: Type.String({ minLength: 1 }),
  organisationId: Type.String(),
  audiences: Names,
  algorithms: Type.Array(Type.Enum([...tokenAlgorithms])),
  tokenType: Type.Union([Type.Literal("at+jwt"), Type.Literal("JWT")]),
  jwks: Type.Object({ keys: Type.Array(Type.Record(Type.String(), Type.Unknown())) }),
  jwksUri: Type.Optional(Type.String()),
  subjectClaim: Type.String({ minLength: 1 }),
  environments: Type.Array(EnvironmentName),
  environmentsClaim: Type.Optional(Type.String()),
});

const Principal = Type.Object({
  id: Type.String(),
  kind: Type.Union([Type.Literal("user"), Type.Literal("service_account")]),
  businessUnitId: Type.Optional(Type.String()),
  roles: Type.Optional(Names),
  groups: Type.Optional(Names),
  subjects: Type.Array(Type.Object({ issuer: Type.String(), subject: Type.String() })),
  tokensNotBefore: Type.Optional(Micros),
});

const ApiKey = Type.Object({
  id: Type.String(),
  secretSha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  principalId: Type.String(),
  environment: EnvironmentName,
  scopes: Type.Optional(Names),
  expiresAt: Micros,
  revokedAt: Type.Optional(Micros),
});

const EndpointGrant = Type.Object({
  endpoint: Type.String(),
  environment: EnvironmentName,
  principals: Names,
  actors: Names,
  readers: Type.Optional(Names),
  readPurposes: Type.Optional(Type.Record(Type.String(), Names)),
});

/**
 * The form of an identity part. Members that it does not name are let through: a gateway that is older than control
 * goes on with what it knows.
 */
export const GatewayGrantsPart = Type.Unsafe<GatewayGrants>(
  Type.Object({
    organisationId: Type.String(),
    environment: EnvironmentName,
    revocationEpoch: Type.Integer({ minimum: 0 }),
    issuers: Type.Array(Issuer),
    principals: Type.Array(Principal),
    apiKeys: Type.Array(ApiKey),
    revokedTokens: Names,
    endpoints: Type.Array(EndpointGrant),
  }),
);
