import { dataRoutes } from "./mutating-routes-data.ts";
import { governanceRoutes } from "./mutating-routes-governance.ts";
import { identityRoutes } from "./mutating-routes-identity.ts";
import { mlflowRoutes } from "./mutating-routes-mlflow.ts";
import { modelRoutes } from "./mutating-routes-models.ts";
import { monitoringRoutes } from "./mutating-routes-monitoring.ts";
import { oversightRoutes } from "./mutating-routes-oversight.ts";
import { pipelineRoutes } from "./mutating-routes-pipelines.ts";
import { flagRoutes, releaseRoutes, retrainingRoutes } from "./mutating-routes-releases.ts";
import type { MutatingRoute } from "./mutating-world.ts";

/** In the order in which they are driven: each finds what it needs. A new route goes to the table of its kind. */
export const mutatingRoutes: readonly MutatingRoute[] = [
  ...identityRoutes,
  ...governanceRoutes,
  ...dataRoutes,
  ...modelRoutes,
  ...mlflowRoutes,
  ...releaseRoutes,
  ...flagRoutes,
  ...retrainingRoutes,
  ...pipelineRoutes,
  ...monitoringRoutes,
  ...oversightRoutes,
];
