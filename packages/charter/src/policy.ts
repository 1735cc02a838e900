export { deriveFromCharter, enforcementOf } from "./derive.ts";
export { enforcement } from "./enforcement.ts";
export {
  type CharterReading,
  checkCharter,
  describeViolation,
  type ParsedCharter,
  parseCharter,
  requireValid,
} from "./parse-charter.ts";
export { assertPlacement, judgePlacement } from "./placement.ts";
export { type ProductionBlocker, productionBlockers } from "./production-blockers.ts";
export { type RequiredSignature, requiredSignatures } from "./required-signatures.ts";
export { termsOf, workloadOf } from "./terms.ts";
