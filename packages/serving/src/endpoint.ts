import { type Static, Type } from "typebox";
import { EnvironmentName, FallbackRule, FeaturePlan, Route } from "./snapshot/schema.ts";

export const EndpointName = Type.String({
  pattern: "^[a-z0-9][a-z0-9-]{0,62}$",
  description: "Name of the endpoint; the model name in Open Inference Protocol calls",
});

/** What a caller states to put a model version behind an endpoint; all else is derived from the charter. */
export const DeployRequest = Type.Object(
  {
    environment: EnvironmentName,
    useCaseId: Type.String(),
    model: Type.String({ description: "Model name in the registry" }),
    version: Type.Integer({ minimum: 1 }),
    fallback: Type.Optional(FallbackRule),
    features: Type.Optional(FeaturePlan),
  },
  { additionalProperties: false },
);
export type DeployRequest = Static<typeof DeployRequest>;

export const Endpoint = Type.Object({
  id: Type.String(),
  name: EndpointName,
  environment: EnvironmentName,
  useCaseId: Type.String(),
  deploymentId: Type.String(),
  deployedAt: Type.Integer({ description: "Epoch microseconds" }),
  deployedBy: Type.String(),
  snapshotVersion: Type.Union([Type.Integer(), Type.Null()], {
    description: "First snapshot that carries this deployment; null until it is published",
  }),
  route: Route,
});
export type Endpoint = Static<typeof Endpoint>;

export const EndpointList = Type.Object({ endpoints: Type.Array(Endpoint) });
export type EndpointList = Static<typeof EndpointList>;
