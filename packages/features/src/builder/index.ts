export {
  type ContractShape,
  contract,
  type DefinedView,
  days,
  defineView,
  hours,
  minutes,
  type ViewDefinition,
} from "./define-view.ts";
export {
  count,
  distinct,
  type FeatureDefinition,
  last,
  lastK,
  max,
  mean,
  min,
  onDemand,
  sum,
  type Terms,
  value,
  variance,
  type Window,
} from "./features.ts";
export { coalesce, float, type Operand, Term, when } from "./term.ts";
