import { windowShape } from "./events/window-shape.ts";
import type { OnlineViewHeader } from "./ports.ts";
import { featureViewDigest } from "./read-view.ts";
import { type FeatureView, isEventView, storedNamesOf, viewReference } from "./view-model.ts";

/** A view and whose values of it are meant. */
export interface PlacedView {
  readonly organisationId: string;
  readonly environment: string;
  readonly view: FeatureView;
}

/** How the online store knows a view. */
export function onlineHeader({ organisationId, environment, view }: PlacedView): OnlineViewHeader {
  return {
    organisationId,
    environment,
    view: viewReference(view),
    digest: featureViewDigest(view),
    ttlMicros: view.ttlMicros,
    featureNames: storedNamesOf(view),
    ...(isEventView(view) ? { windows: windowShape(view) } : {}),
    ...(view.online === "accepted" ? { isEarly: true } : {}),
  };
}
