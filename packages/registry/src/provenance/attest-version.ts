import {
  type ArtifactCatalogue,
  type CallContext,
  type Clock,
  type Digest,
  digestHex,
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
import { Value } from "@portolan/typebox";
import { type ModelVersion, modelFileName } from "../model-version.ts";
import type { VersionSources } from "../ports.ts";
import { sealStatement } from "../sign-files.ts";
import { findVersion } from "../store.ts";
import { upstreamFileName } from "../upstream.ts";
import { attestationStatement, type SignedFolder } from "./attestation.ts";
import { insertAttestation, listAttestations, listPromotions } from "./attestation-store.ts";
import {
  provenancePredicate,
  provenancePredicateType,
  summaryPredicate,
  summaryPredicateType,
  testResultPredicate,
  testResultPredicateType,
} from "./predicates.ts";
import { type AttestationView, EvaluationFacts, type PromotionFacts } from "./record.ts";

export const attestQueue = "registry.attest";

export interface AttestDeps {
  readonly work: UnitOfWork;
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  readonly keys: KeyRing;
  readonly clock: Clock;
  readonly sources: VersionSources;
}

export interface AttestRequest {
  readonly environment: Environment;
  /** What there is to attest, e.g. `promotion/7`; asked for twice at a time it is one job. */
  readonly cause: string;
  /** What an evaluation found, which no other table of this package holds. */
  readonly evaluation?: EvaluationFacts;
}

/** Has whatever is not yet attested of a version attested, as a durable job; resolves to its id. */
export function enqueueAttestation(
  tx: Transaction,
  { id, model, version, useCaseId }: Pick<ModelVersion, "id" | "model" | "version" | "useCaseId">,
  { environment, cause, evaluation }: AttestRequest,
): Promise<string> {
  return tx.enqueue({
    queue: attestQueue,
    payload: { model, version, environment, ...(evaluation ? { evaluation } : {}) },
    key: `${id}/${cause}`,
    place: { environment, useCaseId },
  });
}

/** Signs what is on record of a version and not attested yet; objects, rows and ledger rows become visible together. */
export function attestJob(deps: AttestDeps): JobHandler {
  return { queue: attestQueue, retries: 3, run: (job) => attest(deps, job) };
}

/** A statement that is due. Those that rest on others are signed after them. */
interface Due {
  readonly about: string;
  readonly predicateType: string;
  readonly predicate: (signed: readonly AttestationView[]) => JsonObject;
}

async function attest(deps: AttestDeps, job: JobRun): Promise<JsonObject> {
  const { model, version: number } = job.payload as { model: string; version: number };
  const environment = job.payload["environment"] as Environment;
  const version = await requireVersion(deps, job.call, model, number);
  const given = job.payload["evaluation"];
  const evaluations = given === undefined ? [] : [Value.Parse(EvaluationFacts, given)];
  const { due, known } = await deps.work.read(job.call, async (sql) => {
    const stated = await listAttestations(sql, version.id);
    const all = await statementsOf(deps, sql, job.call, version, evaluations);
    return { known: stated, due: all.filter(({ about }) => !stated.some((one) => one.about === about)) };
  });
  const signed = await job.effect("sign", () => signAll(deps, version, due, known));
  return job.step("publish", async (tx) => {
    for (const one of signed) {
      if (!(await insertAttestation(tx.sql, version.id, one))) continue;
      const { about, predicateType, signingKeyId, digest } = one;
      await deps.artifacts.note(tx, { environment, useCaseId: version.useCaseId }, [
        { digest, kind: "signature" },
      ]);
      await tx.record({
        event: "registry.version.attested",
        subject: version.id,
        after: digest as Digest,
        detail: { about, predicateType, signingKey: signingKeyId },
      });
    }
    return { attested: signed.map(({ about }) => about) };
  });
}

async function statementsOf(
  { sources }: AttestDeps,
  sql: Sql,
  call: CallContext,
  version: ModelVersion,
  evaluations: readonly EvaluationFacts[],
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
      about: "training",
      predicateType: provenancePredicateType,
      predicate: () => provenancePredicate(organisationId, training, set),
    });
  }
  for (const evaluation of evaluations)
    due.push({
      about: `evaluation/${evaluation.id}`,
      predicateType: testResultPredicateType,
      predicate: () => testResultPredicate(organisationId, evaluation),
    });
  for (const promotion of await listPromotions(sql, version.id)) {
    const { charterId } = promotion;
    const charter =
      charterId === undefined ? undefined : await sources.charter(sql, organisationId, charterId);
    due.push({
      about: `promotion/${promotion.number}`,
      predicateType: summaryPredicateType,
      predicate: (signed) =>
        summaryPredicate(organisationId, version, promotion, charter, restingOn(promotion, signed)),
    });
  }
  return due;
}

/** A promotion rests on the training, and on evaluations that were attested by then: later ones nobody had seen. */
function restingOn({ promotedAt }: PromotionFacts, signed: readonly AttestationView[]): AttestationView[] {
  return signed.filter(
    ({ predicateType, signedAt }) =>
      predicateType === provenancePredicateType ||
      (predicateType === testResultPredicateType && signedAt <= promotedAt),
  );
}

async function signAll(
  deps: AttestDeps,
  version: ModelVersion,
  due: readonly Due[],
  known: readonly AttestationView[],
): Promise<AttestationView[]> {
  const folder = folderOf(version);
  const signed: AttestationView[] = [];
  for (const { about, predicateType, predicate } of due) {
    const sealed = await sealStatement(
      deps,
      attestationStatement(folder, predicateType, predicate([...known, ...signed])),
    );
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
  const name = lineage.upstream ? upstreamFileName : modelFileName;
  return { name: model, files: [{ name, sha256: digestHex(artifact as Digest) }] };
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
