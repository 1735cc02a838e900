import { type Environment, environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { type Role, roleNames } from "./roles.ts";

export {
  type ActionEffect,
  type ActionName,
  type ActionReach,
  type ActionSpec,
  actionNames,
  actions,
  parseAction,
  type ResourceType,
  reachOf,
  resourceTypes,
} from "./actions.ts";
export type {
  GatewayApiKey,
  GatewayCaller,
  GatewayDecision,
  GatewayEndpointGrant,
  GatewayGrants,
  GatewayIssuer,
  GatewayPrincipal,
} from "./gateway-grants.ts";
export { GatewayGrantsPart } from "./gateway-grants-schema.ts";
export { parseRole, type Role, roleNames, roles, serviceAccountRoles } from "./roles.ts";
export type { JsonWebKeySet, TokenAlgorithm, TrustedIssuer } from "./tokens/trusted-issuer.ts";

/** Lower-case words joined by hyphens: names go into URLs, file names and policies. */
export const Name = Type.String({
  pattern: "^[a-z0-9]+(-[a-z0-9]+)*$",
  maxLength: 63,
  description: "Lower-case letters, digits and single hyphens",
});
export const DisplayName = Type.String({ minLength: 1, maxLength: 200 });
export const EnvironmentName = Type.Unsafe<Environment>(Type.Enum([...environments]));
export const RoleName = Type.Unsafe<Role>(Type.Enum([...roleNames]));
const Micros = Type.Integer({ description: "Epoch microseconds (UTC)" });

export const Organisation = Type.Object({
  id: Type.String(),
  name: Name,
  displayName: DisplayName,
  home: Type.Boolean({ description: "Owns this installation" }),
  createdAt: Micros,
});
export type Organisation = Static<typeof Organisation>;

export const BusinessUnit = Type.Object({
  id: Type.String(),
  organisationId: Type.String(),
  name: Name,
  displayName: DisplayName,
  createdAt: Micros,
});
export type BusinessUnit = Static<typeof BusinessUnit>;

export const Team = Type.Object({
  id: Type.String(),
  organisationId: Type.String(),
  businessUnitId: Type.String(),
  name: Name,
  displayName: DisplayName,
  createdAt: Micros,
});
export type Team = Static<typeof Team>;

export const UseCase = Type.Object({
  id: Type.String(),
  organisationId: Type.String(),
  businessUnitId: Type.String(),
  teamId: Type.String(),
  name: Name,
  displayName: DisplayName,
  createdAt: Micros,
});
export type UseCase = Static<typeof UseCase>;

export const User = Type.Object({
  id: Type.String(),
  organisationId: Type.String(),
  name: Name,
  displayName: DisplayName,
  email: Type.Optional(Type.String()),
  createdAt: Micros,
  disabledAt: Type.Optional(Micros),
});
export type User = Static<typeof User>;

export const ServiceAccount = Type.Object({
  id: Type.String(),
  organisationId: Type.String(),
  name: Name,
  displayName: DisplayName,
  createdAt: Micros,
  disabledAt: Type.Optional(Micros),
});
export type ServiceAccount = Static<typeof ServiceAccount>;

export const scopeKinds = ["organisation", "business_unit", "team", "use_case"] as const;
export type ScopeKind = (typeof scopeKinds)[number];
export const ScopeKindName = Type.Unsafe<ScopeKind>(Type.Enum([...scopeKinds]));

export const RoleBinding = Type.Object({
  id: Type.String(),
  organisationId: Type.String(),
  principalId: Type.String(),
  role: RoleName,
  scope: Type.Object({ kind: ScopeKindName, id: Type.String() }),
  environments: Type.Array(EnvironmentName, { uniqueItems: true, minItems: 1 }),
  createdAt: Micros,
});
export type RoleBinding = Static<typeof RoleBinding>;

/** An API key without its secret, which is shown once at creation and stored only as a hash. */
export const ApiKey = Type.Object({
  id: Type.String(),
  organisationId: Type.String(),
  principalId: Type.String(),
  name: DisplayName,
  environment: EnvironmentName,
  scopes: Type.Optional(Type.Array(Type.String())),
  createdAt: Micros,
  expiresAt: Micros,
  revokedAt: Type.Optional(Micros),
  lastUsedAt: Type.Optional(Micros),
});
export type ApiKey = Static<typeof ApiKey>;

export const SigningKeyView = Type.Object({
  id: Type.String(),
  purpose: Type.String(),
  algorithm: Type.String(),
  publicKeyPem: Type.String(),
  holder: Type.Optional(Type.String()),
  validFrom: Micros,
  retiredAt: Type.Optional(Micros),
  revokedAt: Type.Optional(Micros),
});
export type SigningKeyView = Static<typeof SigningKeyView>;

export const WhoAmI = Type.Object({
  kind: Type.Union([Type.Literal("user"), Type.Literal("service_account"), Type.Literal("system")]),
  id: Type.String(),
  organisationId: Type.String(),
  environments: Type.Array(EnvironmentName),
  scopes: Type.Optional(Type.Array(Type.String())),
  bindings: Type.Array(RoleBinding),
});
export type WhoAmI = Static<typeof WhoAmI>;
