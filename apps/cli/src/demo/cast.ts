import type { RoleBinding } from "@portolan/identity/contract";
import type { ApiClient } from "../client/api-client.ts";
import { findOrCreate, listItems, type NamedItem } from "../client/directory.ts";
import { type CliContext, connect } from "../context.ts";

/**
 * Who acts in the demo, in which role and where. Each has a credential of their own; nobody does another's work, and
 * the team's people hold their roles in the team alone.
 */
const people = [
  { name: "ada", displayName: "Ada, data scientist", role: "data_scientist", in: "team" },
  { name: "lee", displayName: "Lee, team lead", role: "team_lead", in: "team" },
  { name: "rita", displayName: "Rita, risk", role: "approver_risk", in: "organisation" },
  { name: "mara", displayName: "Mara, ML engineer", role: "ml_engineer", in: "team" },
  { name: "otto", displayName: "Otto, auditor", role: "auditor", in: "organisation" },
] as const;
const machines = [
  { name: "pipeline", displayName: "Pipeline", role: "ci", in: "team" },
  { name: "dispatch", displayName: "Dispatch desk", role: "application", in: "organisation" },
] as const;

export type Persona = (typeof people)[number]["name"] | (typeof machines)[number]["name"];

export interface Cast {
  readonly as: Readonly<Record<Persona, ApiClient>>;
  readonly useCaseId: string;
}

/** Finds or makes the organisation's people, machines and the use case. Running it again changes nothing. */
export async function assembleCast(context: CliContext): Promise<Cast> {
  const admin = await connect(context, "admin");
  const [organisation] = await listItems<NamedItem>(admin, "/v1/organisations");
  await findOrCreate(admin, "/v1/business-units", { name: "operations", displayName: "Operations" });
  const team = await findOrCreate(admin, "/v1/teams", {
    name: "network-planning",
    displayName: "Network planning",
    businessUnit: "operations",
  });
  const useCase = await findOrCreate(admin, "/v1/use-cases", {
    name: "flight-delays",
    displayName: "Flight delays",
    team: "network-planning",
  });
  const scopes = { organisation: organisation?.id ?? "", team: team.id };
  for (const one of people) await enrol(admin, "/v1/users", one, scopes);
  for (const one of machines) await enrol(admin, "/v1/service-accounts", one, scopes);
  const names = [...people, ...machines].map((one) => one.name);
  const clients = await Promise.all(names.map(async (name) => [name, await connect(context, name)] as const));
  return { as: Object.fromEntries(clients) as Record<Persona, ApiClient>, useCaseId: useCase.id };
}

interface Enrolment {
  readonly name: string;
  readonly displayName: string;
  readonly role: string;
  readonly in: "organisation" | "team";
}

async function enrol(
  admin: ApiClient,
  path: string,
  one: Enrolment,
  scopes: Readonly<Record<Enrolment["in"], string>>,
): Promise<void> {
  const principal = await findOrCreate(admin, path, { name: one.name, displayName: one.displayName });
  const { items } = await admin.json<{ items: readonly RoleBinding[] }>({ path: "/v1/role-bindings" });
  if (items.some((binding) => binding.principalId === principal.id && binding.role === one.role)) return;
  await admin.json({
    path: "/v1/role-bindings",
    body: {
      principal: principal.id,
      role: one.role,
      scope: { kind: one.in, id: scopes[one.in] },
      environments: ["dev", "staging", "production"],
    },
  });
}
