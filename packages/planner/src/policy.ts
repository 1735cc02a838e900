export { cardBatchesText, redundancyText, trainingFeedTexts } from "./capacity-json.ts";
export { comparePlans, type PlanComparison } from "./compare/compare-plans.ts";
export { renderComparison } from "./compare/render-comparison.ts";
export { type ComputeJudgement, judgeCompute, type MeasuredCompute } from "./compute-judgement.ts";
export { assumptionHelp, assumptionKeys, assumptionOption } from "./costs/assumption-catalogue.ts";
export { parseAssumptions } from "./costs/changed-assumptions.ts";
export { purchaseLines, spotLine } from "./costs/render-ways.ts";
export { startsText } from "./costs/starts.ts";
export { cpuCostPerThousand } from "./cpu-price.ts";
export { checkpointEvery, paidPerHourOfWork } from "./ownership/interruptions.ts";
export { ownOrRent } from "./ownership/own-or-rent.ts";

export { type Architecture, planArchitecture } from "./placement/architecture.ts";
export { choosePipeline, pipelineThresholds } from "./placement/pipeline.ts";

export { choosePlacement, placementThresholds } from "./placement-choice.ts";
export { judgeBudget, planCharter } from "./plan-charter.ts";
export { planJson } from "./plan-json.ts";
export { planPortfolio } from "./portfolio/portfolio.ts";
export {
  certifications,
  mergePriceBooks,
  parsePriceFile,
  placements,
  pricedResources,
  pricingModels,
  staleFrom,
} from "./price-book.ts";
export { choosePrice } from "./price-choice.ts";
export { certificationNames, certificationsAsked, eligibleBook, needsOf } from "./prices/provider-needs.ts";
export {
  certificationsText,
  findPrice,
  type PriceFilter,
  type PriceFinding,
  type PriceView,
  reviewPrices,
  searchPrices,
} from "./prices/search-prices.ts";
export { judgeReadiness } from "./readiness/judge-readiness.ts";
export { freshMicros } from "./readiness/standing.ts";
export { renderPlan } from "./render-plan.ts";
export { shownMoney as toCents } from "./shown-money.ts";
export { explainSources, sourceFigures } from "./sources/explain-sources.ts";
export { tierThresholds } from "./tier.ts";
export { type UnitPrices, unitPrices } from "./unit-prices.ts";
