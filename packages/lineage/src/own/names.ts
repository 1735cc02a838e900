import type { ConnectionAddress } from "@portolan/data/contract";
import type { Environment } from "@portolan/kernel";
import type { NodeName } from "../store/nodes.ts";

/**
 * How Portolan's own things are named in lineage (docs/lineage.md). The authority is the organisation's name; what lies in an environment has it as a
 * path. A name is for ever: other servers keep it.
 */
export interface Names {
  readonly contract: (name: string) => NodeName;
  readonly snapshot: (environment: Environment, contract: string, id: string) => NodeName;
  readonly events: (environment: Environment, contract: string) => NodeName;
  /** A relation or topic of a connection: as the standard names it where the operator publishes its address, else by the connection. */
  readonly connected: (connection: string, name: string) => NodeName;
  readonly view: (reference: string) => NodeName;
  readonly onlineView: (environment: Environment, reference: string) => NodeName;
  /** A feature log, by its view and its own id: one for each place that works with the view. */
  readonly featureLog: (environment: Environment, reference: string, id: string) => NodeName;
  readonly trainingSet: (environment: Environment, name: string, id: string) => NodeName;
  /** Bytes by their digest: an upload, or what a training run left. */
  readonly object: (digest: string) => NodeName;
  readonly modelVersion: (model: string, version: number) => NodeName;
  /** What a model is in an environment: the version that was promoted there last. */
  readonly promoted: (environment: Environment, model: string) => NodeName;
  readonly deployment: (environment: Environment, endpoint: string, id: string) => NodeName;
  readonly release: (environment: Environment, endpoint: string, id: string) => NodeName;
  readonly scores: (environment: Environment, name: string, id: string) => NodeName;
  readonly job: (environment: Environment | undefined, name: string) => NodeName;
}

const schemes = [
  "contract",
  "dataset",
  "events",
  "connection",
  "featurestore",
  "featurelog",
  "trainingset",
  "object",
  "model",
  "endpoint",
  "scores",
  "portolan",
] as const;
type Scheme = (typeof schemes)[number];

export function namesOf(authority: string, addresses: ReadonlyMap<string, ConnectionAddress>): Names {
  const at = (scheme: Scheme, name: string, environment?: Environment): NodeName => ({
    namespace: `${scheme}://${authority}${environment === undefined ? "" : `/${environment}`}`,
    name,
  });
  return {
    contract: (name) => at("contract", name),
    snapshot: (environment, contract, id) => at("dataset", `${contract}@${id}`, environment),
    events: (environment, contract) => at("events", contract, environment),
    connected: (connection, name) =>
      externalName(addresses.get(connection), name) ?? {
        namespace: `connection://${authority}/${connection}`,
        name,
      },
    view: (reference) => at("featurestore", reference),
    onlineView: (environment, reference) => at("featurestore", reference, environment),
    featureLog: (environment, reference, id) => at("featurelog", `${reference}@${id}`, environment),
    trainingSet: (environment, name, id) => at("trainingset", `${name}@${id}`, environment),
    object: (digest) => at("object", digest),
    modelVersion: (model, version) => at("model", `${model}/${version}`),
    promoted: (environment, model) => at("model", model, environment),
    deployment: (environment, endpoint, id) => at("endpoint", `${endpoint}@${id}`, environment),
    release: (environment, endpoint, id) => at("endpoint", `${endpoint}@${id}`, environment),
    scores: (environment, name, id) => at("scores", `${name}@${id}`, environment),
    job: (environment, name) => at("portolan", name, environment),
  };
}

function externalName(address: ConnectionAddress | undefined, name: string): NodeName | undefined {
  if (address === undefined) return undefined;
  if (address.kind === "kafka") return { namespace: `kafka://${address.broker}`, name };
  const { host, port, database } = address;
  return { namespace: `postgres://${host}:${port}`, name: `${database}.${name}` };
}

/** Whether a namespace is one of Portolan's own in this organisation: only Portolan says how such a thing came to be. */
export function isOwnNamespace(authority: string, namespace: string): boolean {
  return schemes.some((scheme) => {
    const root = `${scheme}://${authority}`;
    return namespace === root || namespace.startsWith(`${root}/`);
  });
}
