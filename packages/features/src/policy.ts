export { computeOnDemand, type OnDemandComputer } from "./on-demand/compute-on-demand.ts";
export { cellStatuses } from "./online/online-columns.ts";
export { featureViewDigest, readFeatureView } from "./read-view.ts";
export { WindowFold } from "./windows/window-fold.ts";
