import { type CallContext, type Environment, PortolanError } from "@portolan/kernel";
import type { DeployRequest } from "@portolan/serving/contract";
import type { Endpoints } from "../src/ports.ts";

/** Deployments in memory, each published at once in a snapshot of its own. */
export class DeployedEndpoints implements Endpoints {
  readonly deployed: DeployRequest[] = [];
  readonly by: string[] = ["usr_lee"];
  /** Why nothing can be deployed now. */
  fault: Error | undefined;
  /** Why nothing that is asked about may be deployed. */
  refusal: Error | undefined;
  /** What was asked about. */
  readonly checked: DeployRequest[] = [];
  /** What happens between a look at the endpoint and its deployment, once. */
  meanwhile: (() => Promise<unknown>) | undefined;
  /** Versions whose end is announced. */
  ending: readonly { readonly model: string; readonly version: number; readonly endsAt: number }[] = [];
  readonly #name: string;
  readonly #environment: Environment;
  #snapshot = 100;

  constructor(name: string, environment: Environment) {
    this.#name = name;
    this.#environment = environment;
    this.deployed.push({ environment, useCaseId: "uc_1", model: "churn", version: 1 });
  }

  get inForce(): string {
    return `dep_${this.deployed.length}`;
  }

  get snapshot(): number {
    return this.#snapshot;
  }

  async find(_call: CallContext, environment: Environment, name: string) {
    const request = this.deployed.at(-1);
    if (name !== this.#name || environment !== this.#environment || !request) return undefined;
    const deploymentId = this.inForce;
    const owner = { businessUnitId: "bu_1", teamId: null };
    const deployedBy = this.by.at(-1) ?? "";
    return { deploymentId, snapshotVersion: this.#snapshot, request, deployedBy, ...owner };
  }

  async endOf(...[, , { model, version }]: Parameters<Endpoints["endOf"]>): Promise<number | undefined> {
    return this.ending.find((one) => one.model === model && one.version === version)?.endsAt;
  }

  async check(_call: CallContext, _name: string, request: DeployRequest): Promise<void> {
    this.checked.push(request);
    if (this.refusal) throw this.refusal;
  }

  async deploy(call: CallContext, _name: string, request: DeployRequest, insteadOf: string): Promise<string> {
    const before = this.meanwhile;
    this.meanwhile = undefined;
    await before?.();
    if (this.fault) throw this.fault;
    if (insteadOf !== this.inForce) throw new PortolanError("kernel.conflict", {});
    this.deployed.push(request);
    this.by.push(call.actor.id);
    this.#snapshot++;
    return this.inForce;
  }
}
