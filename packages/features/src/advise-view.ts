import { type FeatureView, hasLog } from "./view-model.ts";

/** What may be meant otherwise than it is written; the view is published all the same. Pure. */
export function adviseView(view: FeatureView): string[] {
  if (hasLog(view)) return [];
  return [
    "its windows are over one dataset: online they are those of the moment of the last materialisation, while a training set has them at the moment of " +
      "each row; write `events: log` for windows that end at the moment of the request",
  ];
}
