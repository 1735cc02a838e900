import {
  asPlace,
  type CallContext,
  digestJson,
  environments,
  PortolanError,
  type ResourceRef,
  requireSeen,
} from "@portolan/kernel";
import type { ModelVersion } from "../contract.ts";
import type { RegistryErrorCode } from "../errors.ts";
import { listReadableVersions, type PromoteDeps, readVersion } from "../promote-version.ts";
import { aliasesOf } from "./meanings.ts";
import {
  insertModelName,
  listAliases,
  listModelNames,
  type ModelRow,
  type NotesRow,
  putVersionNotes,
  readVersionNotes,
  setModelNotes,
  type Tag,
} from "./names-store.ts";

export interface NameDeps extends PromoteDeps {
  /** Use cases of an organisation: a name may be taken by whoever may register a version for any of them. */
  readonly useCases: { list(organisationId: string): Promise<readonly { readonly id: string }[]> };
}

/** A version with what clients say of it. */
export interface NotedVersion {
  readonly version: ModelVersion;
  readonly notes?: NotesRow;
  /** Those of its promotions, and labels. */
  readonly aliases: readonly string[];
}

/** A name, with the versions that there are, the newest first. */
export interface NamedModel {
  readonly row: ModelRow;
  readonly versions: readonly NotedVersion[];
}

const nameForm = /^[a-z0-9][a-z0-9._-]{0,99}$/;
/** Of one model, or of a search, the newest are looked at. */
export const mostVersions = 1_000;
const mostTagLength = 5_000;
const mostTags = 200;

/**
 * Takes a name for versions to come. Whose use case it is, its first version says.
 *
 * @throws PortolanError `registry.model_exists`, `registry.invalid_name`, and what the authorizer throws for who may register nothing
 */
export async function createModelName(
  deps: NameDeps,
  call: CallContext,
  asked: { readonly name: string; readonly description: string; readonly tags: readonly Tag[] },
): Promise<NamedModel> {
  const { name, description, tags } = asked;
  const { organisationId, id: createdBy } = call.actor;
  await requireRegistrar(deps, call, name);
  if (!nameForm.test(name))
    throw invalid(
      `${JSON.stringify(name.slice(0, 100))} is no name of a model`,
      "Use at most 100 small letters, digits and . _ -, the first one a letter or digit.",
    );
  const checked = mergeTags([], tags);
  await deps.work.write(call, async (tx) => {
    const row = { organisation_id: organisationId, name, description, tags: checked };
    if (!(await insertModelName(tx.sql, { ...row, created_by: createdBy, created_at: tx.now })))
      throw new PortolanError<RegistryErrorCode>("registry.model_exists", {
        detail: `there is a registered model ${name} already`,
        mend: "Register a version of it, or choose another name.",
      });
    await tx.record({
      event: "registry.model.created",
      subject: name,
      after: digestJson({ name, description, tags: checked.map(plain) }),
    });
  });
  return readModelName(deps, call, name);
}

/** Somewhere, in some environment: a name alone has no place yet. The refusal is left where the caller sees something. */
async function requireRegistrar(deps: NameDeps, call: CallContext, name: string): Promise<void> {
  const { organisationId } = call.actor;
  const useCases = await deps.useCases.list(organisationId);
  const model = { type: "Model", id: name, organisationId };
  const places: ResourceRef[] = [model, ...useCases.map(({ id }) => ({ ...model, useCaseId: id }))];
  let seen: ResourceRef = model;
  for (const place of places) {
    for (const environment of environments)
      if ((await deps.authorizer.decide(call, "registry:import", { ...place, environment })).allowed) return;
    if (seen === model && (await deps.authorizer.decide(call, "registry:read", place)).allowed) seen = place;
  }
  await deps.authorizer.require(call, "registry:import", { ...seen, environment: "dev" });
}

/** @throws PortolanError `registry.model_not_found`, the same for one that the caller may not see */
export async function readModelName(deps: NameDeps, call: CallContext, name: string): Promise<NamedModel> {
  const { organisationId } = call.actor;
  const [row] = await deps.work.read(call, (sql) => listModelNames(sql, organisationId, name));
  if (!row || !(await maySee(deps, call, row))) throw missingModel(name);
  return {
    row,
    versions: await notedVersions(deps, call, await listReadableVersions(deps, call, name, mostVersions)),
  };
}

/** All that the caller may see, by name. */
export async function listReadableModels(deps: NameDeps, call: CallContext): Promise<NamedModel[]> {
  const { organisationId } = call.actor;
  const rows = await deps.work.read(call, (sql) => listModelNames(sql, organisationId));
  const seen: NamedModel[] = [];
  for (const row of rows)
    if (await maySee(deps, call, row)) {
      const versions = await listReadableVersions(deps, call, row.name, mostVersions);
      seen.push({ row, versions: await notedVersions(deps, call, versions) });
    }
  return seen;
}

/** A name without a version has no place: who took it sees it, and whoever reads models of the whole organisation. */
async function maySee(deps: NameDeps, call: CallContext, row: ModelRow): Promise<boolean> {
  if (row.use_case_id === null && row.created_by === call.actor.id) return true;
  return (await deps.authorizer.decide(call, "registry:read", resourceOf(call, row))).allowed;
}

function resourceOf(call: CallContext, { name, use_case_id: useCaseId }: ModelRow): ResourceRef {
  const { organisationId } = call.actor;
  return { type: "Model", id: name, organisationId, ...asPlace({ useCaseId: useCaseId ?? undefined }) };
}

/** Adds to versions what clients say of them. */
export async function notedVersions(
  deps: NameDeps,
  call: CallContext,
  versions: readonly ModelVersion[],
): Promise<NotedVersion[]> {
  const { organisationId } = call.actor;
  return deps.work.read(call, async (sql) => {
    const notes = await readVersionNotes(
      sql,
      versions.map(({ id }) => id),
    );
    const labels = await listAliases(sql, organisationId);
    return versions.map((version) => {
      const own = labels.filter(({ model, version: n }) => model === version.model && n === version.version);
      const aliases = [...aliasesOf(version.stages), ...own.map(({ alias }) => alias)];
      const found = notes.get(version.id);
      return { version, aliases, ...(found ? { notes: found } : {}) };
    });
  });
}

/** @throws PortolanError `registry.version_not_found` */
export async function readNotedVersion(
  deps: NameDeps,
  call: CallContext,
  model: string,
  version: number,
): Promise<NotedVersion> {
  const found = await readVersion(deps, call, model, version);
  const [noted] = await notedVersions(deps, call, [found]);
  return noted ?? { version: found, aliases: [] };
}

/** What is said of a name or a version by its people; nothing that is signed, served or judged by. */
export interface Notes {
  readonly description?: string;
  readonly setTags?: readonly Tag[];
  readonly deleteTag?: string;
}

/** Notes something of a name. @throws PortolanError as `readModelName` does, and what the authorizer throws */
export async function noteModel(
  deps: NameDeps,
  call: CallContext,
  name: string,
  notes: Notes,
): Promise<NamedModel> {
  const { row } = await readModelName(deps, call, name);
  await requireNoter(deps, call, row);
  const { organisationId } = call.actor;
  await deps.work.write(call, async (tx) => {
    const [now = row] = await listModelNames(tx.sql, organisationId, name, true);
    await setModelNotes(tx.sql, organisationId, name, {
      tags: changedTags(now.tags, notes),
      ...(notes.description === undefined ? {} : { description: notes.description }),
    });
    await tx.record({ event: "registry.model.noted", subject: name, after: digestJson(asJson(notes)) });
  });
  return readModelName(deps, call, name);
}

/** Notes something of a version. @throws PortolanError `registry.version_not_found`, and what the authorizer throws */
export async function noteVersion(
  deps: NameDeps,
  call: CallContext,
  of: { readonly model: string; readonly version: number },
  notes: Notes,
): Promise<NotedVersion> {
  const { version } = await readNotedVersion(deps, call, of.model, of.version);
  const { row } = await readModelName(deps, call, of.model);
  await requireNoter(deps, call, row);
  await deps.work.write(call, async (tx) => {
    await listModelNames(tx.sql, call.actor.organisationId, of.model, true);
    const before = (await readVersionNotes(tx.sql, [version.id])).get(version.id);
    await putVersionNotes(tx.sql, {
      version_id: version.id,
      description: notes.description ?? before?.description ?? "",
      tags: changedTags(before?.tags ?? [], notes),
      logged_model_id: before?.logged_model_id ?? null,
      run_id: before?.run_id ?? null,
      source: before?.source ?? null,
      updated_at: tx.now,
    });
    await tx.record({
      event: "registry.version.noted",
      subject: version.id,
      after: digestJson(asJson(notes)),
    });
  });
  return readNotedVersion(deps, call, of.model, of.version);
}

async function requireNoter(deps: NameDeps, call: CallContext, row: ModelRow): Promise<void> {
  if (row.use_case_id === null && row.created_by === call.actor.id) return;
  const question = { action: "registry:create_model", resource: resourceOf(call, row) };
  await requireSeen(deps.authorizer, call, question, () => missingModel(row.name));
}

function changedTags(before: readonly Tag[], { setTags = [], deleteTag }: Notes): Tag[] {
  return mergeTags(
    before.filter(({ key }) => key !== deleteTag),
    setTags,
  );
}

export function mergeTags(before: readonly Tag[], set: readonly Tag[]): Tag[] {
  for (const { key, value } of set) {
    if (key.startsWith("portolan."))
      throw invalid(`the tag ${JSON.stringify(key)} is the platform's to set`, "Choose another name.");
    if (key.length > 250 || value.length > mostTagLength)
      throw invalid(`a tag has a key of 250 and a value of ${mostTagLength} characters at most`);
  }
  const merged = new Map([...before, ...set].map(({ key, value }) => [key, value]));
  if (merged.size > mostTags) throw invalid(`there are at most ${mostTags} tags of one thing`);
  return [...merged].map(([key, value]) => ({ key, value }));
}

function asJson({ description, setTags, deleteTag }: Notes) {
  return {
    ...(description === undefined ? {} : { description }),
    ...(setTags === undefined ? {} : { setTags: setTags.map(plain) }),
    ...(deleteTag === undefined ? {} : { deleteTag }),
  };
}

function plain({ key, value }: Tag) {
  return { key, value };
}

export function invalid(detail: string, mend?: string): PortolanError<RegistryErrorCode> {
  return new PortolanError("registry.not_registrable", { detail, ...(mend === undefined ? {} : { mend }) });
}

export function missingModel(name: string): PortolanError<RegistryErrorCode> {
  return new PortolanError("registry.model_not_found", {
    detail: `there is no registered model ${JSON.stringify(name.slice(0, 100))} here`,
    mend: "registered-models/search lists those that you may see.",
  });
}
