import {
  type ArtifactCatalogue,
  type CallContext,
  type Clock,
  type Digest,
  type Environment,
  type JobHandler,
  type JobRun,
  type JsonObject,
  type KeyRing,
  type ObjectStore,
  PortolanError,
  parseDigest,
  type Sql,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { ModelVersion } from "../model-version.ts";
import type { VersionSources } from "../ports.ts";
import { sealStatement } from "../sign-files.ts";
import { findVersion } from "../store.ts";
import { versionFiles } from "../version-files.ts";
import { attestationStatement, type SignedFolder } from "./attestation.ts";
import { insertAttestation, listAttestations, listPromotions } from "./attestation-store.ts";
import {
  decisionPredicate,
  decisionPredicateType,
  deploymentPredicate,
  deploymentPredicateType,
  provenancePredicate,
  provenancePredicateType,
  summaryPredicate,
  summaryPredicateType,
  testResultPredicate,
  testResultPredicateType,
} from "./predicates.ts";
import type { AttestationView, EvaluationFacts, PromotionFacts } from "./record.ts";

export const attestQueue = "registry.attest";

export interface AttestDeps {
  readonly work: UnitOfWork;
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  readonly keys: KeyRing;
  readonly clock: Clock;
  readonly sources: VersionSources;
  /** Called in the transaction that publishes a promotion's attestation: gateways may have waited for it. */
  readonly released: (tx: Transaction) => Promise<void>;
}

export interface AttestRequest {
  readonly environment: Environment;
  /** What there is to attest, e.g. `promotion/7`; asked for twice at a time it is one job. */
  readonly cause: string;
}

/** Has whatever is not yet attested of a version attested, as a durable job; resolves to its id. */
export function enqueueAttestation(
  tx: Transaction,
  { id, model, version, useCaseId }: Pick<ModelVersion, "id" | "model" | "version" | "useCaseId">,
  { environment, cause }: AttestRequest,
): Promise<string> {
  return tx.enqueue({
    queue: attestQueue,
    payload: { model, version, environment },
    key: `${id}/${cause}`,
    place: { environment, useCaseId },
  });
}

/** Signs what is on record of a version and not attested yet; objects, rows and ledger rows become visible together. */
export function attestJob(deps: AttestDeps): JobHandler {
  return { queue: attestQueue, retries: 3, run: (job) => attest(deps, job) };
}

/** A statement that is due. */
interface Due {
  readonly about: string;
  readonly predicateType: string;
  readonly predicate: JsonObject;
}

/** What promotions rest on is published before they are signed: they name rows, not what this job meant to add. */
const phases = ["inputs", "promotions", "uses"] as const;

/** What is due of a phase, whether it is attested already or not. */
const statementsOf: Readonly<
  Record<
    (typeof phases)[number],
    (
      deps: AttestDeps,
      sql: Sql,
      call: CallContext,
      version: ModelVersion,
      stated: readonly AttestationView[],
    ) => Promise<Due[]>
  >
> = { inputs: inputStatements, promotions: promotionStatements, uses: useStatements };

async function attest(deps: AttestDeps, job: JobRun): Promise<JsonObject> {
  const { model, version: number } = job.payload as { model: string; version: number };
  const environment = job.payload["environment"] as Environment;
  const version = await requireVersion(deps, job.call, model, number);
  const attested: string[] = [];
  for (const phase of phases) {
    const due = await deps.work.read(job.call, async (sql) => {
      const stated = await listAttestations(sql, version.id);
      const all = await statementsOf[phase](deps, sql, job.call, version, stated);
      return all.filter(({ about }) => !stated.some((one) => one.about === about));
    });
    const signed = await job.effect(`sign ${phase}`, () => signAll(deps, version, due));
    const published = await job.step(`publish ${phase}`, async (tx) => ({
      added: await publish(deps, tx, version, environment, signed),
    }));
    attested.push(...published.added);
  }
  return { attested };
}

/** @returns what was added: another job may have been first */
async function publish(
  { artifacts, released }: AttestDeps,
  tx: Transaction,
  { id, useCaseId }: ModelVersion,
  environment: Environment,
  signed: readonly AttestationView[],
): Promise<string[]> {
  const added: string[] = [];
  for (const one of signed) {
    if (!(await insertAttestation(tx.sql, id, one))) continue;
    const { about, predicateType, signingKeyId, digest } = one;
    await artifacts.note(tx, { environment, useCaseId }, [{ digest, kind: "signature" }]);
    await tx.record({
      event: "registry.version.attested",
      subject: id,
      after: digest as Digest,
      detail: { about, predicateType, signingKey: signingKeyId },
    });
    added.push(about);
  }
  if (added.some((about) => about.startsWith(promotionAbout))) await released(tx);
  return added;
}

async function inputStatements(
  { sources }: AttestDeps,
  sql: Sql,
  call: CallContext,
  version: ModelVersion,
): Promise<Due[]> {
  const { organisationId } = call.actor;
  const due: Due[] = [];
  const { trainingRunId, trainingSetId } = version.lineage;
  const training =
    trainingRunId === undefined ? undefined : await sources.training(sql, organisationId, trainingRunId);
  if (training) {
    const set =
      trainingSetId === undefined ? undefined : await sources.trainingSet(sql, organisationId, trainingSetId);
    due.push({
      about: trainingAbout,
      predicateType: provenancePredicateType,
      predicate: provenancePredicate(organisationId, training, set),
    });
  }
  for (const evaluation of await sources.evaluations(sql, version.id))
    due.push({
      about: evaluationAbout(evaluation),
      predicateType: testResultPredicateType,
      predicate: testResultPredicate(organisationId, evaluation),
    });
  return due;
}

async function promotionStatements(
  { sources }: AttestDeps,
  sql: Sql,
  call: CallContext,
  version: ModelVersion,
  stated: readonly AttestationView[],
): Promise<Due[]> {
  const { organisationId } = call.actor;
  const evaluations = await sources.evaluations(sql, version.id);
  const due: Due[] = [];
  for (const promotion of await listPromotions(sql, version.id)) {
    const { charterId } = promotion;
    const charter =
      charterId === undefined ? undefined : await sources.charter(sql, organisationId, charterId);
    const inputs = restingOn(promotion, evaluations, stated);
    due.push({
      about: `${promotionAbout}${promotion.number}`,
      predicateType: summaryPredicateType,
      predicate: summaryPredicate(organisationId, version, promotion, charter, inputs),
    });
  }
  return due;
}

/** What people decided about the version, and how endpoints served it: beside the chain that promotions rest on. */
async function useStatements(
  { sources }: AttestDeps,
  sql: Sql,
  call: CallContext,
  version: ModelVersion,
): Promise<Due[]> {
  const { organisationId } = call.actor;
  const decisions = await sources.decisions(sql, organisationId, version);
  const deployments = await sources.deployments(sql, organisationId, version);
  return [
    ...decisions.map((decision) => ({
      about: `${decision.kind}/${decision.id}/${decision.outcome}`,
      predicateType: decisionPredicateType,
      predicate: decisionPredicate(organisationId, version, decision),
    })),
    ...deployments.map((deployment) => ({
      about: `deployment/${deployment.id}`,
      predicateType: deploymentPredicateType,
      predicate: deploymentPredicate(organisationId, version, deployment),
    })),
  ];
}

const trainingAbout = "training";
const promotionAbout = "promotion/";
const evaluationAbout = ({ id }: EvaluationFacts): string => `evaluation/${id}`;

/** Evaluations that a promotion names at most: the newest one decides, and a statement must stay small. */
const namedEvaluations = 100;

/** A promotion rests on the training, and on the evaluations that were made by then: later ones nobody had seen. */
function restingOn(
  { promotedAt }: PromotionFacts,
  evaluations: readonly EvaluationFacts[],
  stated: readonly AttestationView[],
): AttestationView[] {
  const seen = evaluations.filter(({ evaluatedAt }) => evaluatedAt <= promotedAt).slice(-namedEvaluations);
  const wanted = new Set([trainingAbout, ...seen.map(evaluationAbout)]);
  return stated.filter(({ about }) => wanted.has(about));
}

async function signAll(
  deps: AttestDeps,
  version: ModelVersion,
  due: readonly Due[],
): Promise<AttestationView[]> {
  const folder = folderOf(version);
  const signed: AttestationView[] = [];
  for (const { about, predicateType, predicate } of due) {
    const sealed = await sealStatement(deps, attestationStatement(folder, predicateType, predicate));
    signed.push({
      about,
      predicateType,
      digest: await deps.objects.put(sealed.bundle),
      sizeBytes: sealed.bundle.length,
      signingKeyId: sealed.keyId,
      signedAt: sealed.signedAt,
    });
  }
  return signed;
}

/** The folder that a version's signature is over. */
export function folderOf({ model, artifact, lineage }: ModelVersion): SignedFolder {
  const { upstream, prompt } = lineage;
  return { name: model, files: versionFiles({ artifact, isUpstream: upstream !== undefined, prompt }) };
}

async function requireVersion(
  { work }: AttestDeps,
  call: CallContext,
  model: string,
  version: number,
): Promise<ModelVersion> {
  const found = await work.read(call, (sql) => findVersion(sql, call.actor.organisationId, model, version));
  if (!found || !parseDigest(found.artifact))
    throw new PortolanError("registry.version_not_found", { detail: `there is no ${model}/${version}` });
  return found;
}
