import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { EvaluationFacts, VersionRecord } from "@portolan/registry/contract";
import { limitationsOf } from "@portolan/registry/policy";

/** What a reader of a model has to know, each line from the record; what is not on record is absent. */
export interface ModelCard {
  readonly model: string;
  readonly version: number;
  readonly artifact: string;
  readonly signedBy: string;
  readonly signedAt: string;
  readonly promotedIn: readonly string[];
  readonly intendedUse?: {
    readonly useCase: string;
    readonly description: string;
    readonly task: string;
    readonly purposes: readonly string[];
    readonly team: string;
    readonly riskLevel: string;
    readonly regulations: readonly string[];
    readonly humanReview: string;
    readonly explainability: string;
    readonly charter: string;
    readonly approvedBy: readonly string[];
  };
  readonly limitations: readonly string[];
  readonly trainingData?: {
    readonly name: string;
    readonly id: string;
    /** Of the rows as the model learned from them. */
    readonly digest: string;
    /** Where an erasure restated them since: of the rows as they are now. */
    readonly restatedAs?: string;
    readonly contract: string;
    readonly from: string;
    readonly to: string;
    readonly rows: number;
    readonly label: string;
    readonly features: readonly string[];
    readonly views: readonly string[];
    readonly classification?: string;
    readonly dataClass?: string;
  };
  readonly training?: {
    readonly run: string;
    readonly code: string;
    readonly params: Readonly<Record<string, string | number | boolean>>;
    readonly seed: number;
    readonly python: string;
    readonly packages: readonly string[];
    readonly isolation: string;
    /** In a sentence; absent: nothing is known of any. */
    readonly privacy?: string;
  };
  readonly source?: string;
  /** Digest of the prompt that is part of a text version. */
  readonly prompt?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The newest evaluation. */
  readonly evaluation?: EvaluationFacts;
  readonly promotions: readonly { readonly to: string; readonly at: string; readonly by: string }[];
  /** What people decided about it, newest first. */
  readonly decisions: readonly {
    readonly what: string;
    readonly id: string;
    readonly where: string;
    readonly requestedBy: string;
    readonly approvedBy: readonly string[];
    readonly approvalsNeeded: number;
    readonly outcome: string;
    readonly at: string;
  }[];
  /** How endpoints served it, newest first. */
  readonly deployments: readonly {
    readonly id: string;
    readonly where: string;
    readonly as: string;
    readonly configuration: string;
    readonly by: string;
    readonly at: string;
  }[];
  readonly attestations: readonly { readonly about: string; readonly digest: string }[];
}

/** The model card of a version. The same record gives the same card. Pure. */
export function modelCard(record: VersionRecord): ModelCard {
  const { version, charter, trainingSet, training, evaluations, promotions, attestations } = record;
  const [evaluation] = evaluations;
  const tensors = (which: "inputs" | "outputs") =>
    version.signature[which].map(({ name, datatype, shape }) => `${name}: ${datatype}[${shape.join(", ")}]`);
  const { source, prompt } = version.lineage;
  return {
    model: version.model,
    version: version.version,
    artifact: version.artifact,
    signedBy: version.signingKeyId,
    signedAt: instant(version.signedAt),
    promotedIn: version.stages,
    ...(charter ? { intendedUse: intendedUse(charter) } : {}),
    limitations: charter ? limitationsOf(charter, trainingSet?.dataClass) : [],
    ...(trainingSet
      ? { trainingData: trainingData(trainingSet, training?.data, charter?.classification) }
      : {}),
    ...(training ? { training: trainingOf(training, record.packages) } : {}),
    ...(source === undefined ? {} : { source }),
    ...(prompt === undefined ? {} : { prompt }),
    inputs: tensors("inputs"),
    outputs: tensors("outputs"),
    ...(evaluation ? { evaluation } : {}),
    promotions: promotions.map(({ to, promotedAt, promotedBy }) => ({
      to,
      at: instant(promotedAt),
      by: promotedBy,
    })),
    decisions: record.decisions.map(decisionLine),
    deployments: record.deployments.map(deploymentLine),
    attestations: attestations.map(({ about, digest }) => ({ about, digest })),
  };
}

function decisionLine(decision: VersionRecord["decisions"][number]): ModelCard["decisions"][number] {
  const { kind, id, what, environment, endpoint, requestedBy, approvals, approvalsNeeded, outcome } =
    decision;
  return {
    what: what === undefined ? kind : `${kind}: ${what}`,
    id,
    where: endpoint === undefined ? environment : `${endpoint} in ${environment}`,
    requestedBy,
    approvedBy: approvals.map(({ by }) => by),
    approvalsNeeded,
    outcome: outcome.replaceAll("_", " "),
    at: instant(decision.decidedAt),
  };
}

function deploymentLine(deployment: VersionRecord["deployments"][number]): ModelCard["deployments"][number] {
  const { id, endpoint, environment, role, digest, deployedBy, deployedAt } = deployment;
  return {
    id,
    where: `${endpoint} in ${environment}`,
    as: role,
    configuration: digest,
    by: deployedBy,
    at: instant(deployedAt),
  };
}

type Charter = NonNullable<VersionRecord["charter"]>;

function intendedUse(charter: Charter): NonNullable<ModelCard["intendedUse"]> {
  const { useCase, description, task, purposes, team, riskLevel, regulations } = charter;
  return {
    useCase,
    description,
    task,
    purposes,
    team,
    riskLevel,
    regulations,
    humanReview: charter.humanReview,
    explainability: charter.explainability,
    charter: `${charter.id}, version ${charter.version}, ${charter.digest}`,
    approvedBy: charter.approvals.map(({ role, signer }) => `${role} (${signer})`),
  };
}

function trainingData(
  set: NonNullable<VersionRecord["trainingSet"]>,
  learned: string | undefined,
  classification: string | undefined,
): NonNullable<ModelCard["trainingData"]> {
  const { name, id, object, contract, from, to, rows, label, features, views, dataClass } = set;
  return {
    name,
    id,
    digest: learned ?? object,
    ...(learned === undefined || learned === object ? {} : { restatedAs: object }),
    contract,
    from: instant(from),
    to: instant(to),
    rows,
    label,
    features,
    views: views.map(({ view }) => view),
    ...(classification === undefined ? {} : { classification }),
    ...(dataClass === undefined ? {} : { dataClass }),
  };
}

function trainingOf(
  training: NonNullable<VersionRecord["training"]>,
  packages: VersionRecord["packages"],
): NonNullable<ModelCard["training"]> {
  const { runId, code, params, seed, python, isolation, privacy } = training;
  return {
    run: runId,
    code,
    params,
    seed,
    python,
    packages: packages.map(({ name, version }) => `${name} ${version}`),
    isolation,
    ...(privacy ? { privacy: privacyText(privacy) } : {}),
  };
}

type Privacy = NonNullable<NonNullable<VersionRecord["training"]>["privacy"]>;

function privacyText({ epsilon, delta, unit, noiseMultiplier, samplingRate, steps, noise }: Privacy): string {
  const told = `(${epsilon.toFixed(3)}, ${delta})-differential privacy of each ${unit} by DP-SGD: noise ${noiseMultiplier}, sampling rate ${samplingRate}, ${steps} steps`;
  return noise === "secret"
    ? told
    : `${told}; but the noise can be made again from the run's seed, which hides nothing from who reads it`;
}

function instant(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}
