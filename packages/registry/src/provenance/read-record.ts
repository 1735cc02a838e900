import type { CallContext, Digest, KeyRing } from "@portolan/kernel";
import { Value } from "@portolan/typebox";
import { openBundle } from "../dsse.ts";
import type { VersionSources } from "../ports.ts";
import { readVersion } from "../promote-version.ts";
import { listAttestations, listPromotions } from "./attestation-store.ts";
import { testResultPredicateType } from "./predicates.ts";
import type { ReadAttestationsDeps } from "./read-attestations.ts";
import { type AttestationView, EvaluationFacts, type VersionRecord } from "./record.ts";

export interface ReadRecordDeps extends ReadAttestationsDeps {
  readonly keys: KeyRing;
  readonly sources: VersionSources;
}

/** Evaluations that a record shows; the attestations are all listed. */
const shownEvaluations = 20;

/**
 * Everything on record of one version. Whoever reads the version reads it: it is what the version is made of.
 *
 * @throws PortolanError `registry.version_not_found`
 */
export async function readVersionRecord(
  deps: ReadRecordDeps,
  call: CallContext,
  model: string,
  version: number,
): Promise<VersionRecord> {
  const { organisationId } = call.actor;
  const { sources } = deps;
  const found = await readVersion(deps, call, model, version);
  const { trainingRunId, trainingSetId, charterId } = found.lineage;
  const read = await deps.work.read(call, async (sql) => {
    const promotions = await listPromotions(sql, found.id);
    // A version that was registered before its use case had a charter was promoted under one.
    const governing = promotions.findLast((one) => one.charterId !== undefined)?.charterId ?? charterId;
    return {
      promotions,
      attestations: await listAttestations(sql, found.id),
      training: trainingRunId && (await sources.training(sql, organisationId, trainingRunId)),
      trainingSet: trainingSetId && (await sources.trainingSet(sql, organisationId, trainingSetId)),
      charter: governing && (await sources.charter(sql, organisationId, governing)),
    };
  });
  const { promotions, attestations, training, trainingSet, charter } = read;
  return {
    version: found,
    promotions,
    attestations,
    evaluations: await attestedEvaluations(deps, attestations),
    packages: training ? [...(await sources.packages(training.environmentLock))] : [],
    ...(training ? { training } : {}),
    ...(trainingSet ? { trainingSet } : {}),
    ...(charter ? { charter } : {}),
  };
}

/** What the newest attested evaluations found; a statement that does not verify is none. */
async function attestedEvaluations(
  { objects, keys }: ReadRecordDeps,
  attestations: readonly AttestationView[],
): Promise<EvaluationFacts[]> {
  const results = attestations.filter(({ predicateType }) => predicateType === testResultPredicateType);
  const found: EvaluationFacts[] = [];
  for (const { digest, signingKeyId } of results.slice(-shownEvaluations).toReversed()) {
    const key = await keys.find(signingKeyId);
    const bundle = await objects.get(digest as Digest);
    const opened = openBundle(bundle, { keys: key ? [key] : [] });
    const facts = opened.kind === "valid" ? opened.statement.predicate["portolan_evaluation"] : undefined;
    if (Value.Check(EvaluationFacts, facts)) found.push(facts);
  }
  return found;
}
