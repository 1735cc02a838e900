import type { ErrorSpec } from "@portolan/kernel";

export const charterErrors = {
  "charter.not_readable": { status: 400, title: "Charter is not readable" },
  "charter.not_valid": { status: 422, title: "Charter is not valid" },
  "charter.not_whole": { status: 500, title: "Stored charter is not whole" },
  "charter.use_case_unknown": { status: 422, title: "Use case is not registered" },
  "charter.not_open_for_signature": { status: 409, title: "Charter takes no signatures" },
  "charter.signature_not_asked": { status: 422, title: "Signature is not asked for" },
  "charter.signature_not_valid": { status: 422, title: "Signature does not verify" },
  "charter.signing_key_not_usable": { status: 422, title: "Signing key cannot be used" },
  "charter.role_not_held": { status: 403, title: "Signer does not hold the role" },
  "charter.already_signed": { status: 409, title: "Role or person has signed already" },
  "charter.not_withdrawable": { status: 409, title: "Charter cannot be withdrawn" },
  "charter.not_in_force": { status: 409, title: "No charter is in force" },
  "charter.placement_refused": { status: 403, title: "Charter excludes this placement" },
} as const satisfies Record<string, ErrorSpec>;

export type CharterErrorCode = keyof typeof charterErrors;
