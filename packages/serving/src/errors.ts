import type { ErrorSpec } from "@portolan/kernel";

/** Codes of the serving domain; the ones from `bad_request` on are answered by gateways. */
export const servingErrors = {
  "serving.charter_required": { status: 409, title: "No charter in force" },
  "serving.charter_blocks": { status: 409, title: "The charter blocks this deployment" },
  "serving.model_not_deployable": { status: 409, title: "Model version cannot be deployed" },
  "serving.gateway_not_declared": { status: 409, title: "Gateway has not declared its place" },
  "serving.part_not_found": { status: 404, title: "Not part of the current snapshot" },
  "serving.no_snapshot": { status: 404, title: "No snapshot published yet" },
  "serving.bad_request": { status: 400, title: "Inference request is not understood" },
  "serving.body_too_large": { status: 413, title: "Request body exceeds the limit" },
  "serving.unsupported_media": { status: 415, title: "Request encoding is not supported" },
  "serving.method_not_allowed": { status: 405, title: "Method not allowed" },
  "serving.unauthenticated": { status: 401, title: "Caller is not known" },
  "serving.purpose_required": { status: 403, title: "A purpose must be declared" },
  "serving.act_for_forbidden": { status: 403, title: "Caller may not act for somebody else" },
  "serving.endpoint_not_found": { status: 404, title: "Request for unknown model" },
  "serving.repository_governed": { status: 403, title: "Models are loaded and unloaded by deployments" },
  "serving.rate_limited": { status: 429, title: "Rate limit exceeded" },
  "serving.overloaded": { status: 503, title: "More requests wait than can be answered" },
  "serving.verification_limited": { status: 429, title: "Too many failed credentials" },
  "serving.abnormal_usage": { status: 429, title: "Abnormal usage detected" },
  "serving.timeout": { status: 504, title: "The model did not answer in time" },
  "serving.model_unavailable": { status: 503, title: "The model is not available" },
  "serving.model_refused": { status: 503, title: "Model bytes or signature refused" },
  "serving.model_failed": { status: 502, title: "The model failed on this input" },
  "serving.upstream_broke_off": { status: 502, title: "The upstream broke off within its answer" },
  "serving.client_gone": { status: 499, title: "The caller left before the answer" },
  "serving.features_unavailable": { status: 424, title: "Feature values are missing" },
  "serving.log_unavailable": { status: 503, title: "The prediction log cannot be written" },
  "serving.snapshot_expired": { status: 503, title: "Route snapshot is too old" },
} as const satisfies Record<string, ErrorSpec>;
export type ServingErrorCode = keyof typeof servingErrors;
