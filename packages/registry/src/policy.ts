export {
  type BundleExpectation,
  type BundleVerdict,
  modelBundle,
  modelStatement,
  type SignedFile,
  type Statement,
  verifyModelBundle,
} from "./model-signing.ts";
export { judgePromotion, type PromotionEvidence, type PromotionVerdict } from "./promotion.ts";
export { encodeUpstream, readUpstream } from "./upstream.ts";
