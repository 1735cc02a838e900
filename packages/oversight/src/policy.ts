export { type FinishedClaim, reviewFigures } from "./review-figures.ts";
export { isAnswer, type Selection, selectReview } from "./select-review.ts";
export { type Settlement, settle } from "./settle.ts";
