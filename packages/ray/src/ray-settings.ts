import { type Place, PortolanError, requirePrivateTransport, type Secret } from "@portolan/kernel";
import { type PythonMinor, pythonMinors, type TrainingErrorCode } from "@portolan/training";

/** A cluster, as its operator describes it. */
export interface RaySettings {
  /** Of its dashboard, which answers the Jobs API; without a path. */
  readonly address: string;
  /** Sent as a bearer token with every request. */
  readonly token?: Secret;
  /** PEM of the authority that signed its certificate; absent: the system's. */
  readonly ca?: string;
  /** Where the cluster's machines reach this server. */
  readonly controlUrl: string;
  /** Of the Python that the cluster runs. */
  readonly python: PythonMinor;
  readonly place: Place;
}

/** The settings by name; an absent `RAY_ADDRESS` means that there is no cluster. */
export interface RayVariables {
  readonly RAY_ADDRESS?: string;
  readonly RAY_TOKEN?: Secret;
  readonly RAY_CONTROL_URL?: string;
  readonly RAY_PYTHON?: string;
  readonly RAY_REGION?: string;
  readonly RAY_OWNER?: string;
}

/**
 * Reads a cluster's description. Pure.
 *
 * @param ca the bytes of `RAY_CA_FILE` as text
 * @throws PortolanError `kernel.plain_http_refused`; `training.backend_missing` naming what is absent
 */
export function readRaySettings(variables: RayVariables, ca?: string): RaySettings | undefined {
  const { RAY_ADDRESS: address, RAY_TOKEN: token } = variables;
  if (address === undefined) return undefined;
  const needed = (name: Exclude<keyof RayVariables, "RAY_TOKEN">): string => {
    const value = variables[name];
    if (value !== undefined && value !== "") return value;
    throw incomplete(`RAY_ADDRESS is set and ${name} is not`, `Set ${name} (docs/configuration.md).`);
  };
  const minor = needed("RAY_PYTHON");
  const python = pythonMinors.find((known) => known === minor);
  if (!python)
    throw incomplete(
      `RAY_PYTHON is ${minor.slice(0, 20)}`,
      `Name the cluster's Python: ${pythonMinors.join(", ")}.`,
    );
  const controlUrl = needed("RAY_CONTROL_URL");
  // The training set and the run's token go there.
  requirePrivateTransport(address, "RAY_ADDRESS");
  requirePrivateTransport(controlUrl, "RAY_CONTROL_URL");
  return {
    address: address.replace(/\/+$/, ""),
    ...(token ? { token } : {}),
    ...(ca === undefined ? {} : { ca }),
    controlUrl: controlUrl.replace(/\/+$/, ""),
    python,
    place: { region: needed("RAY_REGION"), owner: needed("RAY_OWNER") },
  };
}

function incomplete(detail: string, mend: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.backend_missing", { detail, mend });
}
