import {
  asEpochMicros,
  canonicalBytes,
  digestBytes,
  type Environment,
  formatInstant,
  type JsonObject,
  type JsonValue,
} from "@portolan/kernel";
import type { ModelVersion } from "../model-version.ts";
import type {
  CharterFacts,
  DecisionFacts,
  DeploymentFacts,
  EvaluationFacts,
  PromotionFacts,
  TrainingFacts,
  TrainingSetFacts,
} from "./record.ts";

/** SLSA provenance (slsa.dev/spec/v1.0/provenance): how a training run made the model. */
export const provenancePredicateType = "https://slsa.dev/provenance/v1";
/** In-toto test result (in-toto/attestation, spec/predicates/test-result.md): what an evaluation found. */
export const testResultPredicateType = "https://in-toto.io/attestation/test-result/v0.1";
/** SLSA verification summary (slsa.dev/spec/v1.0/verification_summary): why a version may be in an environment. */
export const summaryPredicateType = "https://slsa.dev/verification_summary/v1";

/** What people decided about a version; no predicate of in-toto or SLSA says who asked and who approved. */
export const decisionPredicateType = "urn:portolan:decision:1";
/** How an endpoint serves a version. */
export const deploymentPredicateType = "urn:portolan:deployment:1";

/** What made a model: inputs and parameters as docs/training.md describes them. */
const buildType = "urn:portolan:training-run:1";
const builder = "urn:portolan:control";

/** What already was signed about the version, for statements that rest on it. */
export interface SignedInput {
  readonly about: string;
  /** `sha256:…` of the bundle. */
  readonly digest: string;
}

/** An in-toto resource descriptor. */
function resource(name: string, digest?: string, more: JsonObject = {}): JsonObject {
  return {
    name,
    ...(digest === undefined ? {} : { digest: { sha256: digest.replace(/^sha256:/, "") } }),
    ...more,
  };
}

/** Bytes of canonical JSON of one member; with all others a statement stays well below what verifiers read. */
const maxMemberBytes = 65_536;

/** What is larger is stated by the digest of its canonical JSON (RFC 8785). */
function withinBound(value: JsonObject): JsonObject {
  const bytes = canonicalBytes(value);
  return bytes.length <= maxMemberBytes ? value : resource("canonical-json", digestBytes(bytes));
}

/** The URI of something of an organisation. */
function uri(organisationId: string, ...path: readonly (string | number)[]): string {
  return ["urn:portolan", organisationId, ...path.map((part) => encodeURIComponent(String(part)))].join(":");
}

/** How a training run made a version. Pure. */
export function provenancePredicate(
  organisationId: string,
  training: TrainingFacts,
  trainingSet: TrainingSetFacts | undefined,
): JsonObject {
  const { runId, environment, params, seed, locks, python, isolation, networkBlocked, startedAt } = training;
  return {
    buildDefinition: {
      buildType,
      externalParameters: {
        environment,
        params: withinBound(params),
        seed,
        code: training.code,
        locks,
        ...(trainingSet ? { trainingSet: trainingSet.id } : {}),
      },
      internalParameters: { python, isolation, networkBlocked },
      resolvedDependencies: [
        resource("code", training.code),
        resource("environment-lock", training.environmentLock),
        ...(training.base === undefined ? [] : [resource("base-model", training.base)]),
        ...dataResources(organisationId, training, trainingSet),
      ],
    },
    runDetails: {
      builder: { id: builder },
      metadata: {
        invocationId: uri(organisationId, "training-run", runId),
        startedOn: instant(startedAt),
        finishedOn: instant(training.finishedAt),
      },
      byproducts: [resource("training-log", training.log)],
      portolan_startedBy: training.startedBy,
      portolan_metrics: withinBound(training.metrics),
    },
  };
}

function dataResources(
  organisationId: string,
  training: TrainingFacts,
  set: TrainingSetFacts | undefined,
): JsonObject[] {
  if (!set) return [resource("training-set", training.data)];
  const { from, to, rows, label, definition } = set;
  const annotations = { from: instant(from), to: instant(to), rows, label, definition };
  return [
    resource("training-set", training.data, {
      uri: uri(organisationId, "training-set", set.id),
      annotations,
    }),
    resource(`dataset of ${set.contract}`, set.dataset, {
      uri: uri(organisationId, "dataset", set.datasetId),
    }),
    ...set.views.flatMap(({ view, digest, log }) => [
      resource(`feature view ${view}`, digest),
      ...(log
        ? [
            resource(`feature log of ${view}`, log.digest, {
              uri: uri(organisationId, "feature-log", log.id),
              annotations: { lastSequence: log.lastSequence },
            }),
          ]
        : []),
    ]),
  ];
}

/** What an evaluation found, as the tests that its gates are. Without a gate there is nothing to pass: a warning. Pure. */
export function testResultPredicate(organisationId: string, evaluation: EvaluationFacts): JsonObject {
  // Figures of parts are in the evaluation; statements that were signed before there were any stay what they are.
  const { gates, set, setId, results, parts: _, ...facts } = evaluation;
  const names = (passed: boolean) => gates.filter((gate) => gate.passed === passed).map(({ gate }) => gate);
  const failed = names(false);
  const noGate = "no charter in force: no gate was judged";
  return {
    result: failed.length > 0 ? "FAILED" : gates.length === 0 ? "WARNED" : "PASSED",
    configuration: [resource("evaluation-set", set, { uri: uri(organisationId, "evaluation-set", setId) })],
    passedTests: names(true),
    warnedTests: gates.length === 0 ? [noGate] : [],
    failedTests: failed,
    portolan_evaluation: {
      ...facts,
      setId,
      gates,
      ...(set === undefined ? {} : { set }),
      ...(results === undefined ? {} : { results }),
    },
  };
}

/**
 * Why a version may be in an environment: the charter that it was judged by with who signed it, the gates, who promoted it, and
 * the attestations that this rests on. Pure.
 */
export function summaryPredicate(
  organisationId: string,
  { model, version, lineage }: Pick<ModelVersion, "model" | "version" | "lineage">,
  promotion: PromotionFacts,
  charter: CharterFacts | undefined,
  inputs: readonly SignedInput[],
): JsonObject {
  const { number, to, promotedBy, promotedAt, gates } = promotion;
  // For dev nothing is judged, by no charter either.
  const judgedBy = to === "dev" ? undefined : charter;
  const unjudged = to === "dev" ? "dev" : gates === undefined ? "not-kept" : "no-charter";
  const approvals: JsonValue[] = (judgedBy?.approvals ?? []).map((one) => ({
    ...one,
    signedAt: instant(one.signedAt),
  }));
  return {
    verifier: { id: builder },
    timeVerified: instant(promotedAt),
    resourceUri: uri(organisationId, "model", model, version),
    policy: judgedBy
      ? {
          uri: uri(organisationId, "charter", judgedBy.id),
          digest: { sha256: judgedBy.digest.replace(/^sha256:/, "") },
        }
      : { uri: `urn:portolan:policy:${unjudged}` },
    inputAttestations: inputs.map(({ about, digest }) => ({
      uri: uri(organisationId, "model", model, version, about),
      digest: { sha256: digest.replace(/^sha256:/, "") },
    })),
    verificationResult: "PASSED",
    verifiedLevels: [releaseLevel(to)],
    portolan_promotion: {
      number,
      to,
      promotedBy,
      origin: lineage.origin,
      ...(lineage.prompt === undefined ? {} : { prompt: lineage.prompt }),
      ...(gates === undefined ? {} : { gates }),
    },
    portolan_approvals: approvals,
  };
}

/** Reasons that a statement repeats, and characters of each. */
const mostReasons = 20;
const longestReason = 500;

/** Who asked for a release, a retraining or a size, who approved it, and what came of it. Pure. */
export function decisionPredicate(
  organisationId: string,
  { model, version }: Pick<ModelVersion, "model" | "version">,
  decision: DecisionFacts,
): JsonObject {
  const { kind, id, environment, endpoint, what, requestedBy, approvalsNeeded, outcome, decidedBy } =
    decision;
  return {
    resourceUri: uri(organisationId, "model", model, version),
    kind,
    uri: uri(organisationId, kind === "size" ? "training-run" : kind, id),
    environment,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(what === undefined ? {} : { what }),
    requestedBy,
    requestedOn: instant(decision.requestedAt),
    approvalsNeeded,
    approvals: decision.approvals.map(({ by, at }) => ({ by, on: instant(at) })),
    outcome,
    decidedBy,
    decidedOn: instant(decision.decidedAt),
    reasons: decision.reasons.slice(0, mostReasons).map((reason) => reason.slice(0, longestReason)),
  };
}

/** The configuration that a deployment served a version by. Pure. */
export function deploymentPredicate(
  organisationId: string,
  { model, version }: Pick<ModelVersion, "model" | "version">,
  { id, endpoint, environment, role, deployedBy, deployedAt, route, digest, config }: DeploymentFacts,
): JsonObject {
  return {
    resourceUri: uri(organisationId, "model", model, version),
    uri: uri(organisationId, "deployment", id),
    endpoint,
    environment,
    role,
    deployedBy,
    deployedOn: instant(deployedAt),
    route: resource("route", route),
    configuration: resource("serving-config", digest, { content: withinBound(config as JsonObject) }),
  };
}

function instant(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}

/** The level that a verification summary gives a version that may be in an environment. */
export function releaseLevel(environment: Environment): string {
  return `PORTOLAN_${environment.toUpperCase()}`;
}

/** A version by its name; equal bytes may be several versions, also of several organisations. */
export interface VersionName {
  /** Absent: of whatever organisation. */
  readonly organisationId?: string;
  readonly model: string;
  readonly version: number;
}

/** Whether the resource of a verification summary is this version. */
export function namesVersion(
  resourceUri: unknown,
  { organisationId, model, version }: VersionName,
): resourceUri is string {
  if (typeof resourceUri !== "string") return false;
  const [, named = ""] = /^urn:portolan:([^:]+):/.exec(resourceUri) ?? [];
  return resourceUri === uri(organisationId ?? named, "model", model, version);
}
