export { redundancyText, trainingFeedTexts } from "./capacity-json.ts";
export { type ComputeJudgement, judgeCompute, type MeasuredCompute } from "./compute-judgement.ts";
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
export { renderPlan, toCents } from "./render-plan.ts";
export { explainSources, sourceFigures } from "./sources/explain-sources.ts";
export { tierThresholds } from "./tier.ts";
export { type UnitPrices, unitPrices } from "./unit-prices.ts";
