/** What others may see of serving: endpoints, and the route snapshot that gateways live on. */
export { DeployRequest, Endpoint, EndpointList, Gateway, GatewayDeclaration } from "./endpoint.ts";
export {
  FallbackRule,
  FeaturePlan,
  KeysPart,
  Limits,
  ModelReference,
  Placement,
  Route,
  RoutesPart,
  routeKey,
  SignedSnapshot,
  SnapshotAge,
  SnapshotManifest,
  SnapshotPart,
  SnapshotTrust,
  snapshotFormat,
} from "./snapshot/schema.ts";
