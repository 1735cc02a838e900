import {
  type AcceptedHistory,
  type AnalysisEngine,
  columnScales,
  columnTypes,
  type RowsAccess,
} from "@portolan/data/contract";

import {
  type ArtifactCatalogue,
  type Authorizer,
  asPlace,
  type CallContext,
  type Clock,
  covers,
  type Environment,
  locate,
  newId,
  type ObjectStore,
  ownerOf,
  type PlaceDirectory,
  PortolanError,
  placeOf,
  requireSeen,
  sameOwner,
  type UnitOfWork,
  type WorkPlace,
} from "@portolan/kernel";
import type { FeatureErrorCode } from "./errors.ts";
import type { OnlineStore } from "./ports.ts";
import { featureViewDigest, readFeatureView, sourceOf } from "./read-view.ts";
import type { FeatureViewResource } from "./resources.ts";
import { contractColumns, findView, insertView, type StoredView } from "./store.ts";
import { type FeatureView, featureNamesOf } from "./view-model.ts";

export interface FeatureDeps {
  readonly uow: UnitOfWork;
  readonly clock: Pick<Clock, "now">;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  readonly places: PlaceDirectory;
  readonly engine: AnalysisEngine;
  /** Policies on the data that values are made of. */
  readonly access: RowsAccess;
  /** Accepted events once more, as they counted before their batch. */
  readonly history: AcceptedHistory;
  /** The one writer of the online store. */
  readonly online: OnlineStore;
  /** Folder for the jobs' files. */
  readonly workFolder: string;
}

export interface NewView {
  readonly document: string;
  /** Use case or team that the view belongs to, by id or name; without either it is the organisation's. */
  readonly useCaseId?: string;
  readonly teamId?: string;
}

/** Publishes a version of a view, or finds it published already with the same meaning. */
export async function publishView(
  deps: FeatureDeps,
  call: CallContext,
  name: string,
  input: NewView,
): Promise<FeatureViewResource> {
  const organisationId = call.actor.organisationId;
  await deps.authorizer.require(call, "features:publish_view", {
    type: "FeatureView",
    id: name,
    organisationId,
    ...asPlace(input),
  });
  const { document } = input;
  const place = await locate(deps.places, organisationId, input);
  const owner = ownerOf(place);
  const file = `${name}.yaml`;
  const body = await readDocument(deps, call, { document, file, place });
  if (body.name !== name)
    throw new PortolanError<FeatureErrorCode>("features.view_invalid", {
      detail: `the document's name is ${body.name}, its address ${name}`,
      mend: "Make them the same.",
    });
  const digest = featureViewDigest(body);
  return deps.uow.write(call, async (tx) => {
    refuseForeignName(await findView(tx.sql, organisationId, name), name, owner);
    const existing = await findView(tx.sql, organisationId, name, body.version);
    if (existing?.digest === digest) return resourceOf(existing);
    if (existing)
      throw new PortolanError<FeatureErrorCode>("features.view_conflict", {
        detail: `${name} version ${body.version} is published and means something else`,
        mend: "Raise the version in the document.",
      });
    const row = {
      id: newId("featureView", tx.now),
      organisation_id: organisationId,
      team_id: owner.teamId ?? null,
      use_case_id: owner.useCaseId ?? null,
      name,
      version: body.version,
      digest,
      document,
      body,
      published_by: call.actor.id,
      published_at: tx.now,
    };
    await insertView(tx.sql, row);
    await tx.record({
      event: "features.view.published",
      subject: row.id,
      after: digest,
      detail: { name, version: body.version },
    });
    return resourceOf(row);
  });
}

/** The view that a document means, by the contract that it names as the place has it. */
async function readDocument(
  { uow }: Pick<FeatureDeps, "uow">,
  call: CallContext,
  { document, file, place }: { readonly document: string; readonly file: string; readonly place: WorkPlace },
): Promise<FeatureView> {
  const source = sourceOf(document, file);
  const { organisationId } = call.actor;
  const contract = await uow.read(call, (sql) => contractColumns(sql, organisationId, source, place));
  return readFeatureView(
    document,
    file,
    () => (contract ? columnTypes(contract.columns) : undefined),
    () => contract?.primaryKey ?? [],
    () => columnScales(contract?.columns ?? []),
  );
}

/**
 * A view as work in an environment sees it, and whose work it is.
 * @throws PortolanError `features.view_not_found`, the same for another team's view
 */
export async function viewForWork(
  deps: FeatureDeps,
  call: CallContext,
  name: string,
  work: {
    readonly action: string;
    readonly environment: Environment;
    readonly useCaseId?: string | undefined;
    readonly version?: number | undefined;
  },
): Promise<{ readonly view: StoredView; readonly owner: WorkPlace }> {
  const { organisationId } = call.actor;
  const { action, environment, useCaseId, version } = work;
  const view = await deps.uow.read(call, (sql) => findView(sql, organisationId, name, version));
  if (!view) throw viewNotFound(name);
  const named = useCaseId === undefined ? placeOf(view) : { useCaseId };
  const resource = { type: "FeatureView", id: name, organisationId, environment, ...named };
  await requireSeen(deps.authorizer, call, { action, resource }, () => viewNotFound(name));
  const place = await locate(deps.places, organisationId, named);
  if (!covers(placeOf(view), place)) throw viewNotFound(name);
  return { view, owner: ownerOf(place) };
}

function refuseForeignName(newest: StoredView | undefined, name: string, owner: WorkPlace): void {
  if (newest === undefined || sameOwner(placeOf(newest), owner)) return;
  throw new PortolanError<FeatureErrorCode>("features.view_owned_elsewhere", {
    detail: `the name ${name} is taken by another part of the organisation`,
    mend: "Choose another name, or publish it where it belongs.",
  });
}

export async function readView(
  deps: FeatureDeps,
  call: CallContext,
  name: string,
  version?: number,
): Promise<FeatureViewResource> {
  const organisationId = call.actor.organisationId;
  const found = await deps.uow.read(call, (sql) => findView(sql, organisationId, name, version));
  if (!found) throw viewNotFound(name);
  const resource = { type: "FeatureView", id: name, organisationId, ...placeOf(found) };
  await requireSeen(deps.authorizer, call, { action: "features:read_view", resource }, () =>
    viewNotFound(name),
  );
  return resourceOf(found);
}

export function viewNotFound(name: string): PortolanError<FeatureErrorCode> {
  return new PortolanError("features.view_not_found", {
    detail: `there is no feature view ${name}`,
    mend: "Publish it with PUT /v1/feature-views/<name>.",
  });
}

export function noDataset(contract: string, environment: string): PortolanError<FeatureErrorCode> {
  return new PortolanError("features.dataset_missing", {
    detail: `${contract} has no dataset in ${environment}`,
    mend: "Ingest one with POST /v1/ingestions.",
  });
}

export function resourceOf(row: StoredView): FeatureViewResource {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    ...placeOf(row),
    digest: row.digest,
    document: row.document,
    source: row.body.source,
    features: featureNamesOf(row.body),
    entity: row.body.entity.map((key) => key.name),
    publishedBy: row.published_by,
    publishedAt: row.published_at,
  };
}
