import type { ErrorSpec } from "@portolan/kernel";

export const capacityErrors = {
  "capacity.unknown_model": { status: 422, title: "Graphics card is not known" },
  "capacity.unknown_profile": { status: 422, title: "MIG profile is not known" },
  "capacity.no_profile_fits": { status: 422, title: "No MIG profile is large enough" },
  "capacity.mig_config_not_valid": { status: 422, title: "MIG configuration is not valid" },
  "capacity.sharing_not_valid": { status: 422, title: "Sharing of cards is not valid" },
  "capacity.objective_impossible": { status: 422, title: "Latency objective cannot be reached" },
  "capacity.too_many_replicas": { status: 422, title: "Too many replicas would be needed" },
  "capacity.availability_impossible": { status: 422, title: "Availability cannot be reached" },
  "capacity.load_not_valid": { status: 422, title: "Load curve is not valid" },
  "capacity.quotas_not_valid": { status: 422, title: "Quotas are not valid" },
  "capacity.quotas_changed": { status: 409, title: "Quotas changed meanwhile" },
  "capacity.request_not_valid": { status: 422, title: "Request for resources is not valid" },
  "capacity.no_team": { status: 422, title: "No team has a quota for it" },
  "capacity.queue_full": { status: 429, title: "Queue is full" },
  "capacity.work_not_found": { status: 404, title: "Work is not in the queue" },
  "capacity.not_approver": { status: 403, title: "May not decide about this work" },
  "capacity.approval_settled": { status: 409, title: "No approval is awaited" },
  "capacity.approval_refused": { status: 409, title: "Work was refused approval" },
  "capacity.not_kept": { status: 409, title: "Work cannot be kept" },
  "capacity.keep_too_long": { status: 422, title: "Work would be kept too long" },
  "capacity.not_stopped": { status: 409, title: "Work was not stopped" },
  "capacity.jobs_not_valid": { status: 422, title: "File of jobs is not valid" },
  "capacity.series_not_valid": { status: 422, title: "Series cannot be forecast" },
  "capacity.trace_not_valid": { status: 422, title: "Trace is not valid" },
} as const satisfies Record<string, ErrorSpec>;

export type CapacityErrorCode = keyof typeof capacityErrors;
