export { computeOnDemand, type OnDemandComputer } from "./on-demand/compute-on-demand.ts";
export { featureViewDigest, readFeatureView } from "./read-view.ts";
export { WindowFold } from "./windows/window-fold.ts";
