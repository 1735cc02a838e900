import {
  type ArtifactCatalogue,
  type Authorizer,
  asPlace,
  type BytesToRelease,
  type CallContext,
  covers,
  type Digest,
  type EnvironmentPlace,
  isPortolanError,
  locate,
  type ObjectStore,
  ownerOf,
  type PlaceDirectory,
  PortolanError,
  parseDigest,
  type ResourceRef,
  type RowBytes,
  rowKinds,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { type Holding, insertReferences, listHoldings } from "./artifact-store.ts";
import type { RegistryErrorCode } from "./errors.ts";
import { goneAmong } from "./gone-bytes.ts";

export interface CatalogueDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
  readonly rows: RowBytes;
}

export interface ArtifactDeps extends CatalogueDeps {
  readonly artifacts: ArtifactCatalogue;
  readonly places: PlaceDirectory;
}

/** Bytes. Models of classical machine learning are below this; larger artifacts go to an object store. */
export const largestArtifactBytes = 2 ** 30;

/** The rows of `registry.artifact_references`, for every domain that stores bytes or is named a digest. */
export function createArtifactCatalogue(deps: CatalogueDeps): ArtifactCatalogue {
  return {
    note: (tx, at, references) => note(deps, tx, at, references),
    require: async (call, text, at, held) => {
      const { digest, holdings } = await requireHoldings(
        deps,
        call,
        text,
        ({ place, kind }) =>
          place.environment === at.environment &&
          covers(place, at) &&
          (held === "rows" || !rowKinds.includes(kind)),
      );
      const isOwn = held === "rows" || holdings.some((one) => one.kind !== "upload" || isUploader(call, one));
      if (!isOwn && (await deps.rows.areRows(call, digest, at.environment))) throw artifactNotFound(digest);
      return digest;
    },
  };
}

function isUploader({ actor }: CallContext, { kind, notedBy }: Holding): boolean {
  return kind === "upload" && notedBy === actor.id;
}

async function note(
  { objects }: CatalogueDeps,
  tx: Transaction,
  at: EnvironmentPlace,
  references: Parameters<ArtifactCatalogue["note"]>[2],
): Promise<void> {
  const owner = ownerOf(at);
  await insertReferences(
    tx.sql,
    references.map(({ digest, kind }) => ({
      organisation_id: tx.call.actor.organisationId,
      digest,
      environment: at.environment,
      team_id: owner.teamId ?? null,
      use_case_id: owner.useCaseId ?? null,
      kind,
      noted_by: tx.call.actor.id,
      noted_at: tx.now,
    })),
  );
  const digests = references.map(({ digest }) => digest as Digest);
  const gone = await goneAmong(tx.sql, objects, digests);
  if (gone !== undefined)
    throw new PortolanError("kernel.conflict", {
      detail: `the bytes ${gone} were removed while they were stored`,
      mend: "Repeat it: they are stored anew.",
    });
}

/** Those of the fitting holdings that the caller may read, at least one; the refusal of the first is left as a denial. */
async function requireHoldings(
  deps: CatalogueDeps,
  call: CallContext,
  text: string,
  fits: (held: Holding) => boolean,
): Promise<{ readonly digest: Digest; readonly holdings: readonly Holding[] }> {
  const digest = parseDigest(text);
  if (!digest) throw artifactNotFound(text);
  const { organisationId } = call.actor;
  const listed = await deps.work.read(call, (sql) => listHoldings(sql, organisationId, digest));
  const fitting = listed.filter(fits);
  const holdings: Holding[] = [];
  for (const of of Map.groupBy(fitting, ({ place }) => JSON.stringify(place)).values()) {
    const [{ place }] = of as [Holding, ...Holding[]];
    const { allowed } = await deps.authorizer.decide(
      call,
      "artifacts:read",
      artifactResource(call, place, digest),
    );
    if (allowed) holdings.push(...of);
  }
  if (holdings.length > 0) return { digest, holdings };
  const [denied] = fitting;
  if (denied) await leaveDenial(deps, call, artifactResource(call, denied.place, digest));
  throw artifactNotFound(digest);
}

async function leaveDenial(deps: CatalogueDeps, call: CallContext, resource: ResourceRef): Promise<void> {
  try {
    await deps.authorizer.require(call, "artifacts:read", resource);
  } catch (error) {
    if (!isPortolanError(error)) throw error;
  }
}

/**
 * Stores bytes for a place. What the answer says does not depend on whether somebody else holds the same bytes.
 */
export async function uploadArtifact(
  deps: ArtifactDeps,
  call: CallContext,
  bytes: AsyncIterable<Uint8Array>,
  named: EnvironmentPlace,
): Promise<{ readonly digest: Digest; readonly sizeBytes: number }> {
  const { organisationId } = call.actor;
  const { environment } = named;
  await deps.authorizer.require(call, "artifacts:write", {
    type: "Artifact",
    organisationId,
    environment,
    ...asPlace(named),
  });
  const place = await locate(deps.places, organisationId, named);
  const { digest, sizeBytes } = await deps.objects.putStream(bytes, largestArtifactBytes);
  await deps.work.write(call, async (tx) => {
    await deps.artifacts.note(tx, { environment, ...place }, [{ digest, kind: "upload" }]);
    await tx.record({
      event: "registry.artifact.uploaded",
      subject: digest,
      after: digest,
      detail: { environment, sizeBytes, ...ownerOf(place) },
    });
  });
  return { digest, sizeBytes };
}

/**
 * A file of verified bytes by their digest, when the caller may read them somewhere; the same 404 for all others and for none. Rows of data are
 * handed out as far as the policies on them allow all of them; who uploaded bytes has them already.
 */
export async function readArtifact(
  deps: ArtifactDeps,
  call: CallContext,
  text: string,
  purpose?: string,
): Promise<string> {
  const { digest, holdings } = await requireHoldings(deps, call, text, () => true);
  if (!holdings.some((one) => isUploader(call, one)))
    await release(deps, call, {
      digest,
      places: holdings.map(({ place }) => place),
      isRows: holdings.every(({ kind }) => rowKinds.includes(kind)),
      ...(purpose === undefined ? {} : { purpose }),
    });
  if (!(await deps.objects.has(digest))) throw artifactNotFound(digest);
  return deps.objects.localPath(digest);
}

async function release({ rows }: ArtifactDeps, call: CallContext, bytes: BytesToRelease): Promise<void> {
  try {
    await rows.release(call, bytes);
  } catch (error) {
    throw isPortolanError(error) && error.code === "kernel.not_found"
      ? artifactNotFound(bytes.digest)
      : error;
  }
}

function artifactResource(call: CallContext, held: EnvironmentPlace, digest: Digest): ResourceRef {
  return { type: "Artifact", id: digest, organisationId: call.actor.organisationId, ...held };
}

function artifactNotFound(text: string): PortolanError<RegistryErrorCode> {
  return new PortolanError("registry.artifact_not_found", {
    detail: `there is no artifact ${text.slice(0, 80)} here`,
    mend: "Upload it with POST /v1/artifacts for this environment and use case, and use the digest in the answer.",
  });
}
