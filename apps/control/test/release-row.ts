import { retrainingTerms } from "@portolan/retraining/policy";
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

/** Inserts a retraining in production of the model of the endpoint `arrivals`, which nobody has looked at. */
export function retrainingRow(
  id: string,
  organisation: string,
  useCase: string,
  at: number,
): [text: string, values: unknown[]] {
  const cause = { trigger: "manual", reason: "to be sure", evidence: {} };
  return [
    `insert into retraining.retrainings (id, organisation_id, environment, endpoint, use_case_id, business_unit_id, model, champion_version,
       state, cause, terms, requested_by, made, moves, reasons, faults, started_at)
     values ($1, $2, 'production', 'arrivals', $3, 'bu', 'arrivals', 1, 'preparing', $4, $5, 'x', '{}', '[]', '[]', 0, $6)`,
    [
      id,
      organisation,
      useCase,
      JSON.stringify(cause),
      JSON.stringify(retrainingTerms(undefined, undefined)),
      at,
    ],
  ];
}

/** Inserts a change of a flag that waits for one approval, and flips it at an endpoint. */
export function flagChangeRow(
  id: string,
  organisation: string,
  [environment, endpoint, key]: readonly [environment: string, endpoint: string, key: string],
  at: number,
): [text: string, values: unknown[]] {
  const flag = { default: false, enabled: true, rules: [], split: [], sticky: "entity" };
  return [
    `insert into rollout.flag_changes (id, organisation_id, environment, endpoint, key, definition, reason, approvals_needed,
       requested_by, requested_at, state)
     values ($1, $2, $3, $4, $5, $6, 'to see it', 1, 'x', $7, 'waiting')`,
    [id, organisation, environment, endpoint, key, JSON.stringify(flag), at],
  ];
}
