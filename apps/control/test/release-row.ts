import { defaultPlan } from "@portolan/rollout/policy";

/** Inserts a release in production that has not begun, at the endpoint `arrivals`. */
export function releaseRow(
  id: string,
  organisation: string,
  deployment: string,
  at: number,
): [text: string, values: unknown[]] {
  return [
    `insert into rollout.releases (id, organisation_id, environment, endpoint, use_case_id, business_unit_id, model, version,
       champion_model, champion_version, base_request, plan, approvals_needed, state, step, deployment_id, before_deployment_id,
       reasons, requested_by, started_at)
     values ($1, $2, 'production', 'arrivals', 'uc', 'bu', 'arrivals', 2, 'arrivals', 1, '{}', $3, 1, 'running', -1, $4, $4, '[]', 'x', $5)`,
    [id, organisation, JSON.stringify({ ...defaultPlan, events: ["support-tickets"] }), deployment, at],
  ];
}
