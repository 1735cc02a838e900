import {
  type ArtifactCatalogue,
  type Authorizer,
  type CallContext,
  type Environment,
  type ObjectStore,
  PortolanError,
  parseDigest,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { charterMissing, heldBy } from "./add-version.ts";
import type { GateResult, ModelVersion } from "./contract.ts";
import type { RegistryErrorCode } from "./errors.ts";
import type { CharterLookup, GateEvidence } from "./ports.ts";
import { judgePromotion, type PromotionVerdict, replacedChampion } from "./promotion.ts";
import { enqueueAttestation } from "./provenance/attest-version.ts";
import {
  findPromoted,
  findVersion,
  insertPromotion,
  listVersions,
  promotedVersionId,
  promotionHistory,
} from "./store.ts";

export interface PromoteDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly artifacts: ArtifactCatalogue;
  readonly charters: CharterLookup;
  readonly evidence: GateEvidence;
}

export interface PromoteRequest {
  readonly model: string;
  readonly version: number;
  readonly to: Environment;
}

/**
 * Promotes one version, the same digest, to an environment, which then holds its bytes. A blocked promotion changes nothing, and is on the ledger
 * like a successful one.
 */
export async function promoteVersion(
  deps: PromoteDeps,
  call: CallContext,
  request: PromoteRequest,
): Promise<PromotionVerdict> {
  const organisationId = call.actor.organisationId;
  const found = await readVersion(deps, call, request.model, request.version);
  await deps.authorizer.require(call, "registry:promote", {
    type: "Model",
    id: request.model,
    organisationId,
    useCaseId: found.useCaseId,
    environment: request.to,
  });
  return deps.work.write(call, async (tx) => {
    const charter = await deps.charters.inForce(tx.sql, found.useCaseId);
    if (!charter && request.to !== "dev") throw charterMissing(found.useCaseId);
    const before = await promotedVersionId(tx.sql, organisationId, request.model, request.to);
    const promotedBefore = await promotionHistory(tx.sql, found.id);
    const replaces = replacedChampion(request.to, found.id, before, promotedBefore);
    const gates = await deps.evidence.latest(tx.sql, found.id, found.useCaseId, replaces);
    const verdict = judgePromotion({
      to: request.to,
      gates,
      required: charter?.requiredGates[speechOf(found)] ?? [],
      promotedBefore,
      notEnforced: charter?.notEnforced ?? [],
      dataClass: found.lineage.dataClass,
      packaging: found.lineage.packaging,
    });
    if (verdict.kind === "blocked") {
      await tx.record({
        event: "registry.version.promotion_blocked",
        subject: found.id,
        detail: {
          to: request.to,
          failures: verdict.failures.map((failure) => `${failure.gate}: ${failure.observed}`),
        },
      });
      return verdict;
    }
    await recordPromotion(deps, tx, found, {
      to: request.to,
      replaces: before ?? null,
      // Nothing is judged for dev.
      gates: request.to === "dev" ? [] : gates,
      charterId: charter?.charterId ?? null,
    });
    return verdict;
  });
}

async function recordPromotion(
  deps: Pick<PromoteDeps, "artifacts">,
  tx: Transaction,
  found: ModelVersion,
  promotion: {
    readonly to: Environment;
    readonly replaces: string | null;
    readonly gates: readonly GateResult[];
    readonly charterId: string | null;
  },
): Promise<void> {
  const { to, replaces, gates, charterId } = promotion;
  const { model, version } = found;
  const number = await insertPromotion(tx.sql, {
    organisation_id: tx.call.actor.organisationId,
    model,
    environment: to,
    version_id: found.id,
    promoted_by: tx.call.actor.id,
    promoted_at: tx.now,
    gates: JSON.stringify(gates),
    charter_id: charterId,
  });
  await enqueueAttestation(tx, found, { environment: to, cause: `promotion/${number}` });
  // The same digest moves: from now on that environment holds the bytes too.
  await deps.artifacts.note(
    tx,
    { environment: to, useCaseId: found.useCaseId },
    heldBy({ ...found, prompt: found.lineage.prompt }),
  );
  const after = parseDigest(found.artifact);
  await tx.record({
    event: "registry.version.promoted",
    subject: found.id,
    ...(after ? { after } : {}),
    detail: { model, version, to, replaces },
  });
}

/** What a version speaks; text is always another server's. Pure. */
export function speechOf({ lineage: { upstream } }: Pick<ModelVersion, "lineage">): "tensors" | "text" {
  return upstream?.protocol === "openai" ? "text" : "tensors";
}

/** One version, or the same 404 whether it does not exist or may not be seen. */
export async function readVersion(
  deps: Pick<PromoteDeps, "work" | "authorizer">,
  call: CallContext,
  model: string,
  version: number,
): Promise<ModelVersion> {
  const organisationId = call.actor.organisationId;
  const found = await deps.work.read(call, (sql) => findVersion(sql, organisationId, model, version));
  const resource = {
    type: "Model",
    id: model,
    organisationId,
    ...(found ? { useCaseId: found.useCaseId } : {}),
  };
  const decision = await deps.authorizer.decide(call, "registry:read", resource);
  if (!found || !decision.allowed) {
    throw new PortolanError<RegistryErrorCode>("registry.version_not_found", {
      detail: `there is no version ${version} of ${model}`,
    });
  }
  return found;
}

/** The version that is promoted in an environment; `undefined` when there is none, or the caller may not see it. */
export async function readPromoted(
  deps: Pick<PromoteDeps, "work" | "authorizer">,
  call: CallContext,
  model: string,
  environment: Environment,
): Promise<ModelVersion | undefined> {
  const organisationId = call.actor.organisationId;
  const found = await deps.work.read(call, (sql) => findPromoted(sql, organisationId, model, environment));
  if (!found) return undefined;
  const resource = { type: "Model", id: model, organisationId, useCaseId: found.useCaseId };
  return (await deps.authorizer.decide(call, "registry:read", resource)).allowed ? found : undefined;
}

/** Versions that the caller may see, newest first. @param most of which the newest are looked at */
export async function listReadableVersions(
  deps: Pick<PromoteDeps, "work" | "authorizer">,
  call: CallContext,
  model?: string,
  most = 100,
): Promise<ModelVersion[]> {
  const organisationId = call.actor.organisationId;
  const all = await deps.work.read(call, (sql) => listVersions(sql, organisationId, model, most));
  const readable: ModelVersion[] = [];
  for (const version of all) {
    const resource = { type: "Model", id: version.model, organisationId, useCaseId: version.useCaseId };
    if ((await deps.authorizer.decide(call, "registry:read", resource)).allowed) readable.push(version);
  }
  return readable;
}

/** The signature bundle (`model.sig`) of a version. */
export async function readBundle(
  deps: Pick<PromoteDeps, "work" | "authorizer"> & { readonly objects: ObjectStore },
  call: CallContext,
  model: string,
  version: number,
): Promise<Uint8Array> {
  const found = await readVersion(deps, call, model, version);
  const digest = parseDigest(found.bundle);
  if (!digest) throw new PortolanError("kernel.internal", { detail: `version ${found.id} names no bundle` });
  return deps.objects.get(digest);
}
