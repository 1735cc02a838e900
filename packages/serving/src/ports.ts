import type { CharterDocument } from "@portolan/charter/contract";
import type { OnDemandPlan } from "@portolan/features/contract";
import type { CallContext, Digest, Environment, JsonValue, SigningKey } from "@portolan/kernel";
import type { TSchema } from "@portolan/typebox";
import type { ComputeVerdict } from "./endpoint.ts";
import type { Flag } from "./flags/flag-schema.ts";
import type { SignedStatement } from "./snapshot/model-schema.ts";
import type { ModelReference, ProfileReference } from "./snapshot/schema.ts";

/** What serving must know of a use case; `identity` has it. */
export interface ServedUseCase {
  readonly useCaseId: string;
  readonly businessUnitId: string;
  readonly teamId: string | null;
}
export interface UseCaseLookup {
  find(call: CallContext, useCaseId: string): Promise<ServedUseCase | undefined>;
}

/** The charter that governs a use case; `charter` has it. */
export interface ServedCharter {
  readonly id: string;
  readonly version: number;
  readonly digest: Digest;
  readonly document: CharterDocument;
}
export interface CharterInForce {
  inForce(call: CallContext, useCaseId: string): Promise<ServedCharter | undefined>;
}

/** A registered version; `registry` has it. */
export interface DeployableModel {
  readonly useCaseId: string;
  readonly reference: ModelReference;
  /** Environments that the version was promoted to. */
  readonly stages: readonly Environment[];
}
export interface ModelLookup {
  find(call: CallContext, model: string, version: number): Promise<DeployableModel | undefined>;
}

/** Holds what was measured of a version against the plan of its charter; `registry` and `planner` know. */
export interface ComputeJudge {
  /** Null while it is not measured, or where no charter is in force. */
  judge(
    call: CallContext,
    model: Pick<ModelReference, "name" | "version">,
    charter: ServedCharter | undefined,
  ): Promise<ComputeVerdict | null>;
}

/** Published feature views; `features` has them. */
export interface ViewLookup {
  /** What the view of this name and digest computes on demand; undefined where it computes nothing, or there is none. */
  onDemand(
    call: CallContext,
    view: { readonly name: string; readonly digest: string },
  ): Promise<OnDemandPlan | undefined>;
  /** Which features of it are texts; none where there is no such view. */
  texts(
    call: CallContext,
    view: { readonly name: string; readonly digest: string },
  ): Promise<readonly string[]>;
}

/** Reference profiles of model versions; `monitoring` has them. */
export interface ProfileLookup {
  /** Of those that have one, by `name/version`. */
  find(
    call: CallContext,
    versions: readonly Pick<ModelReference, "name" | "version">[],
  ): Promise<ReadonlyMap<string, ProfileReference>>;
}

/** What was measured of versions when they were registered; `registry` has it. */
export interface MemoryLookup {
  /** Bytes that one loaded copy takes, of those that were measured, by `name/version`. */
  find(
    call: CallContext,
    versions: readonly Pick<ModelReference, "name" | "version">[],
  ): Promise<ReadonlyMap<string, number>>;
}

/** What was attested of versions; `registry` has it. */
export interface AttestationLookup {
  /** The newest promotion to the environment that is attested, and what it rests on, by `name/version`; nothing of versions without one. */
  find(
    call: CallContext,
    environment: Environment,
    versions: readonly Pick<ModelReference, "name" | "version">[],
  ): Promise<ReadonlyMap<string, readonly SignedStatement[]>>;
}

/** Feature flags; `rollout` has them. */
export interface FlagLookup {
  /** Of the caller's organisation, by `environment/endpoint`; in a fixed order. */
  inForce(call: CallContext): Promise<ReadonlyMap<string, readonly Flag[]>>;
}

/** Identity's grants for one organisation, as gateways get them (`GatewayGrants`). */
export interface GrantsSource {
  /** What gateways read them by; grants that do not fit are never signed. */
  readonly shape: TSchema;
  /** Of every environment, in a fixed order. */
  read(
    organisationId: string,
    endpoints: readonly GrantedEndpoint[],
  ): Promise<readonly { readonly environment: Environment; readonly grants: JsonValue }[]>;
}
export interface GrantedEndpoint {
  readonly endpoint: string;
  readonly environment: Environment;
  readonly businessUnitId: string;
  readonly teamId: string | null;
  readonly useCaseId: string;
  /** Features that its deployment reads, by view (`name@version`). */
  readonly views: readonly { readonly name: string; readonly digest: string; readonly features: string[] }[];
}

/** Public keys with their lives, retired and revoked ones too. */
export interface PublicKeys {
  list(purpose: "model" | "snapshot"): Promise<readonly SigningKey[]>;
}
