export { type BundleVerdict, verifyCharterBundle } from "./bundle.ts";
export { type CharterChange, charterDiff } from "./charter-diff.ts";
export { deriveFromCharter } from "./derive.ts";
export { didYouMean } from "./did-you-mean.ts";
export { enforcement } from "./enforcement.ts";
export { enforcementOf } from "./enforcement-of.ts";
export { type CharterExplanation, explainCharter, explanationMarkdown } from "./explain.ts";
export {
  type CharterReading,
  checkCharter,
  describeViolation,
  type ParsedCharter,
  parseCharter,
  requireValid,
} from "./parse-charter.ts";
export {
  allowedPlaces,
  assertPlacement,
  judgePlacement,
  placementRefused,
  residencyRefusals,
} from "./placement.ts";
export { type ProductionBlocker, productionBlockers } from "./production-blockers.ts";
export { regulationRules } from "./regulations.ts";
export { type RequiredSignature, requiredSignatures } from "./required-signatures.ts";
export {
  charterSigningBytes,
  charterSigningPrefix,
  type SigningStatement,
  verifyCharterSignature,
} from "./signing-statement.ts";
export {
  type CharterTerms,
  exposureOf,
  type RateLimit,
  termsOf,
  type WorkloadTerms,
  workloadOf,
} from "./terms.ts";
