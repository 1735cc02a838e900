/** What others may see of serving: endpoints, and the route snapshot that gateways live on. */
export { Backend, Backends, Hardware } from "./backends/backend-schema.ts";
export {
  type ComputeVerdict,
  DeployedRoute,
  DeployOrder,
  DeployRequest,
  Endpoint,
  EndpointList,
  Gateway,
  GatewayDeclaration,
  keepable,
} from "./endpoint.ts";
export { Flag, FlagDefinition, FlagKey, type FlagRule, FlagValue, mostFlags } from "./flags/flag-schema.ts";
export { gatewayProcess } from "./gateway-process.ts";
export { Halt, HaltRequest, Resumption } from "./halts/contract.ts";
export { FallbackStep, Resilience } from "./snapshot/resilience-schema.ts";
export { Batching, Scaling } from "./snapshot/runs-schema.ts";
export {
  FeaturePlan,
  KeysPart,
  Limits,
  MeasuredMemory,
  ModelReference,
  Placement,
  ProfileReference,
  Route,
  RoutesPart,
  routeKey,
  ServedVersion,
  SignedSnapshot,
  SnapshotAge,
  SnapshotManifest,
  SnapshotPart,
  SnapshotTrust,
  snapshotFormat,
  type UpstreamPlace,
  Variant,
} from "./snapshot/schema.ts";
export { Traffic, VariantName } from "./snapshot/traffic-schema.ts";
export { Sunset, SunsetRequest, SunsetWithdrawal } from "./sunsets/contract.ts";
