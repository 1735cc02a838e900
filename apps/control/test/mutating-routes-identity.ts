import { newId, systemClock } from "@portolan/kernel";
import { keyProof, must } from "./api.ts";
import { heldRow } from "./held-row.ts";
import { known, type MutatingRoute, type World } from "./mutating-world.ts";

const named = (name: string) => ({ name, displayName: name });
const environments = ["dev", "staging", "production"];

function remember(name: string, member = "id"): NonNullable<MutatingRoute["learn"]> {
  return (body, world) => void world.known.set(name, String(body[member]));
}

async function create(world: World, path: string, body: object): Promise<string> {
  return String((await must(world.api, "POST", path, body, await world.api.token("ada")))["id"]);
}

/** Quotas of the unit and team that the world has. */
export const quotaApplication = {
  file: "quotas.yaml",
  quotas:
    "version: 1\nbusinessUnits:\n  - name: operations\n    teams:\n      - name: network-planning\n        quotas: { cpu: 4 }\n",
};

function decision(path: "approval" | "refusal", event: string, body: object): MutatingRoute {
  return {
    route: `POST /v1/queue/:id/${path}`,
    as: "ada",
    ledger: "governed",
    events: [event],
    request: async (world) => {
      const id = newId("trainingRun", systemClock.now());
      const row = heldRow(id, known(world, "organisation"), { environment: "dev" }, systemClock.now());
      await world.control.database.session((session) => session.query(...row));
      return { url: `/v1/queue/${id}/${path}`, body };
    },
  };
}

/** Organisations, people, roles, keys and trust. */
export const identityRoutes: readonly MutatingRoute[] = [
  {
    route: "POST /v1/bootstrap",
    ledger: "governed",
    events: ["identity.organisation.created"],
    request: ({ control }) => ({
      url: "/v1/bootstrap",
      body: { secret: control.secret, organisation: named("acme"), administrator: named("ada") },
    }),
    learn: (body, world) => void world.known.set("organisation", (body["organisation"] as { id: string }).id),
  },
  {
    route: "POST /v1/dev/token",
    ledger: "governed",
    events: ["identity.token.issued"],
    request: ({ control }) => ({
      url: "/v1/dev/token",
      body: { secret: control.secret, principal: "ada", environments },
    }),
  },
  {
    route: "POST /v1/organisations",
    as: "ada",
    ledger: "governed",
    events: ["identity.organisation.created"],
    request: () => ({
      url: "/v1/organisations",
      body: { ...named("globex"), administrator: named("gus") },
    }),
  },
  {
    route: "POST /v1/business-units",
    as: "ada",
    ledger: "governed",
    events: ["identity.business_unit.created"],
    request: () => ({ url: "/v1/business-units", body: named("operations") }),
  },
  {
    route: "POST /v1/teams",
    as: "ada",
    ledger: "governed",
    events: ["identity.team.created"],
    request: () => ({
      url: "/v1/teams",
      body: { ...named("network-planning"), businessUnit: "operations" },
    }),
  },
  {
    route: "POST /v1/use-cases",
    as: "ada",
    ledger: "governed",
    events: ["identity.use_case.created"],
    request: () => ({
      url: "/v1/use-cases",
      body: { ...named("flight-delays"), team: "network-planning" },
    }),
    learn: remember("useCase"),
  },
  {
    route: "POST /v1/users",
    as: "ada",
    ledger: "governed",
    events: ["identity.user.created"],
    request: () => ({ url: "/v1/users", body: named("lea") }),
  },
  {
    route: "POST /v1/service-accounts",
    as: "ada",
    ledger: "governed",
    events: ["identity.service_account.created"],
    request: () => ({ url: "/v1/service-accounts", body: named("ci") }),
  },
  {
    route: "POST /v1/users/:id/disable",
    as: "ada",
    ledger: "governed",
    events: ["identity.principal.disabled"],
    request: async (world) => ({
      url: `/v1/users/${await create(world, "/v1/users", named("eve"))}/disable`,
      body: { reason: "left the company" },
    }),
  },
  {
    route: "POST /v1/service-accounts/:id/disable",
    as: "ada",
    ledger: "governed",
    events: ["identity.principal.disabled"],
    request: async (world) => ({
      url: `/v1/service-accounts/${await create(world, "/v1/service-accounts", named("old-ci"))}/disable`,
      body: { reason: "replaced" },
    }),
  },
  {
    route: "POST /v1/role-bindings",
    as: "ada",
    ledger: "governed",
    events: ["identity.role.bound"],
    request: () => ({
      url: "/v1/role-bindings",
      body: {
        principal: "lea",
        role: "team_lead",
        scope: { kind: "team", id: "network-planning" },
        environments,
      },
    }),
  },
  {
    route: "DELETE /v1/role-bindings/:id",
    as: "ada",
    ledger: "governed",
    events: ["identity.role.unbound"],
    request: async (world) => {
      const scope = { kind: "team", id: "network-planning" };
      const binding = { principal: "lea", role: "finance", scope, environments };
      return { url: `/v1/role-bindings/${await create(world, "/v1/role-bindings", binding)}` };
    },
  },
  {
    route: "POST /v1/api-keys",
    as: "lea",
    ledger: "governed",
    events: ["identity.api_key.created"],
    request: () => ({ url: "/v1/api-keys", body: { name: "laptop", environment: "dev" } }),
    learn: (body, world) => void world.known.set("apiKey", (body["apiKey"] as { id: string }).id),
  },
  {
    route: "POST /v1/api-keys/:id/revoke",
    as: "lea",
    ledger: "governed",
    events: ["identity.api_key.revoked"],
    request: (world) => ({
      url: `/v1/api-keys/${known(world, "apiKey")}/revoke`,
      body: { reason: "laptop lost" },
    }),
  },
  {
    route: "POST /v1/signing-keys",
    as: "lea",
    ledger: "governed",
    events: ["identity.charter_key.registered"],
    request: async ({ api }) => {
      const { id } = await must(api, "GET", "/v1/whoami", undefined, await api.token("lea"));
      return { url: "/v1/signing-keys", body: keyProof(String(id)).body };
    },
    learn: remember("signingKey"),
  },
  {
    route: "POST /v1/signing-keys/:id/revoke",
    as: "lea",
    ledger: "governed",
    events: ["identity.charter_key.revoked"],
    request: (world) => ({
      url: `/v1/signing-keys/${known(world, "signingKey")}/revoke`,
      body: { reason: "laptop lost" },
    }),
  },
  {
    route: "POST /v1/signing-keys/rotate/:purpose",
    as: "ada",
    ledger: "governed",
    events: ["identity.signing_key.rotated"],
    request: async ({ api }) => {
      const url = "/v1/signing-keys/rotate/model";
      await must(api, "POST", url, undefined, await api.token("ada")); // the first makes the first key
      return { url };
    },
  },
  {
    route: "PUT /v1/policies",
    as: "ada",
    ledger: "governed",
    events: ["identity.policies.replaced"],
    request: () => ({
      url: "/v1/policies",
      body: {
        files: [
          {
            name: "freeze.cedar",
            text: '@id("no-friday")\n@description("Nothing is deployed by interns.")\nforbid (principal == Portolan::User::"usr_intern", action, resource);\n',
          },
        ],
      },
    }),
  },
  {
    route: "PUT /v1/quotas",
    as: "ada",
    ledger: "governed",
    events: ["capacity.quotas.applied"],
    request: () => ({ url: "/v1/quotas", body: quotaApplication }),
  },
  {
    route: "DELETE /v1/quotas",
    as: "ada",
    ledger: "governed",
    events: ["capacity.quotas.removed"],
    request: () => ({ url: "/v1/quotas" }),
  },
  decision("approval", "capacity.approval.approved", {}),
  decision("refusal", "capacity.approval.refused", { reason: "too large" }),
  {
    route: "PUT /v1/oidc-issuers",
    as: "ada",
    ledger: "governed",
    events: ["identity.issuer.trusted"],
    request: () => ({
      url: "/v1/oidc-issuers",
      body: {
        issuer: "https://id.acme.example",
        audiences: ["portolan"],
        algorithms: ["ES256"],
        jwksUri: "https://id.acme.example/keys",
        environments: ["dev"],
      },
    }),
  },
  {
    route: "DELETE /v1/oidc-issuers",
    as: "ada",
    ledger: "governed",
    events: ["identity.issuer.distrusted"],
    request: () => ({ url: "/v1/oidc-issuers?issuer=https://id.acme.example" }),
  },
];
