import type { ErrorSpec } from "@portolan/kernel";

export const identityErrors = {
  "identity.unauthenticated": { status: 401, title: "No accepted credential" },
  "identity.forbidden": { status: 403, title: "Not allowed" },
  "identity.fresh_token_required": { status: 403, title: "Sign in again for this" },
  "identity.not_bootstrapped": { status: 409, title: "No organisation exists yet" },
  "identity.already_bootstrapped": { status: 409, title: "An organisation exists already" },
  "identity.name_taken": { status: 409, title: "Name is taken" },
  "identity.bad_binding": { status: 422, title: "Role binding is not possible" },
  "identity.bad_api_key_request": { status: 422, title: "API key cannot be issued like this" },
  "identity.bad_proof_of_possession": { status: 422, title: "Key possession is not proven" },
  "identity.key_not_usable": { status: 409, title: "Signing key is not usable" },
  "identity.key_file_missing": { status: 500, title: "Private key file is missing" },
  "identity.bad_issuer": { status: 422, title: "Token issuer cannot be trusted like this" },
  "identity.bad_policy": { status: 422, title: "Policy is not valid" },
  "identity.bad_policy_test": { status: 422, title: "Policy test file is not valid" },
  "identity.bad_route": { status: 500, title: "Route declares no usable action" },
  "identity.dev_issuer_disabled": { status: 403, title: "Development tokens are switched off" },
  "identity.metrics_token_required": { status: 500, title: "Metrics need a token on this address" },
  "identity.tls_required": { status: 500, title: "TLS is required on this address" },
} as const satisfies Record<string, ErrorSpec>;
