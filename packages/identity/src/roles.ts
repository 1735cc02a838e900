/**
 * The roles that a binding can give. A role holds in one scope (organisation, business unit, team or use case,
 * with everything below it) and in the environments that its binding names.
 */
export const roles = {
  platform_admin: "Runs the installation: organisations, people, keys, policies, everything in its scope",
  team_lead: "Answers for a team: charters, plans, releases; gives the working roles inside the team",
  data_scientist: "Explores, defines features, trains and evaluates",
  ml_engineer: "Ingests, trains, deploys and operates endpoints; promotes below production",
  approver_risk: "Approves for risk: signs charters, pushes and promotes model versions",
  approver_compliance: "Approves for compliance: signs charters, pushes and promotes model versions",
  reviewer: "Decides the reviews of answers: sees their requests, and nothing else",
  auditor: "Reads everything and exports the ledger; changes nothing, whatever other roles are held",
  finance: "Reads plans, charters, usage and the ledger; signs for the budget",
  ci: "An automated pipeline (service accounts only): applies files, trains, pushes model versions",
  application: "A calling application: asks endpoints for predictions and reports outcomes",
  gateway: "A gateway process: pulls snapshots with their bytes, delivers prediction records",
} as const satisfies Record<string, string>;

export type Role = keyof typeof roles;
export const roleNames = Object.keys(roles) as readonly Role[];

/** Roles that only service accounts may hold: a person with them would be a pipeline in disguise. */
export const serviceAccountRoles: readonly Role[] = ["ci", "gateway"];

/** Narrows text from a request or a row to a role. */
export function parseRole(text: string): Role | undefined {
  return Object.hasOwn(roles, text) ? (text as Role) : undefined;
}
