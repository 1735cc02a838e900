export { featureViewDigest, readFeatureView } from "./read-view.ts";
export { WindowFold } from "./window-fold.ts";
