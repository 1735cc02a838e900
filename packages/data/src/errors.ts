import type { ErrorSpec } from "@portolan/kernel";

export const dataErrors = {
  "data.contract_invalid": { status: 400, title: "Data contract is not usable" },
  "data.contract_conflict": {
    status: 409,
    title: "Contract version is already published with other content",
  },
  "data.contract_owned_elsewhere": { status: 409, title: "Contract name belongs elsewhere" },
  "data.contract_not_found": { status: 404, title: "Contract not found" },
  "data.ingestion_not_found": { status: 404, title: "Ingestion not found" },
  "data.dataset_not_found": { status: 404, title: "Dataset not found" },
  "data.under_hold": { status: 409, title: "A legal hold keeps the data" },
  "data.erasure_not_found": { status: 404, title: "Erasure not found" },
  "data.erasure_failed": { status: 500, title: "Erasure stopped" },
  "data.access_denied": { status: 403, title: "Policies on data do not allow it" },
  "data.access_policy_invalid": { status: 400, title: "Access policy is not usable" },
  "data.access_policy_not_found": { status: 404, title: "Access policy not found" },
  "data.access_policy_unfit": { status: 422, title: "Access policy does not fit the data" },
  "data.nothing_to_replay": { status: 409, title: "No rows to judge again" },
  "data.notice_undeliverable": { status: 502, title: "Notice was not delivered" },
  "data.connection_unusable": { status: 400, title: "Connection cannot be used for this" },
  "data.connection_failed": { status: 502, title: "Source system cannot be reached" },
  "data.subscription_not_found": { status: 404, title: "Subscription not found" },
  "data.topic_renewed": { status: 409, title: "Topic was made anew" },
  "data.too_many_events": { status: 429, title: "Too many events wait" },
  "data.source_unreadable": { status: 400, title: "Source cannot be read" },
  "data.source_too_large": { status: 422, title: "Source is larger than it may be" },
  "data.reference_too_large": { status: 422, title: "Too many keys to judge single events by" },
  "data.analysis_failed": { status: 422, title: "Analysis failed" },
  "data.analysis_too_large": { status: 422, title: "Analysis needs too much disk" },
  "data.analysis_cancelled": { status: 409, title: "Analysis was cancelled" },
} as const satisfies Record<string, ErrorSpec>;
export type DataErrorCode = keyof typeof dataErrors;
