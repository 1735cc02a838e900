export { featureViewDigest, readFeatureView } from "./read-view.ts";
export { WindowFold } from "./windows/window-fold.ts";
