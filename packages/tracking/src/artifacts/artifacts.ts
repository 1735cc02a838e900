import {
  type ArtifactCatalogue,
  asPlace,
  type CallContext,
  type Clock,
  canonicalBytes,
  type Digest,
  digestBytes,
  type EnvironmentPlace,
  type Id,
  isPortolanError,
  type ObjectStore,
  PortolanError,
  type RowBytes,
  type Transaction,
} from "@portolan/kernel";
import type { TrackingErrorCode } from "../errors.ts";
import { experimentIdOf } from "../experiment-id.ts";
import { findRun, findRunOr } from "../find-run.ts";
import { findModelRow } from "../models/model-store.ts";
import type { TrackedRun } from "../ports.ts";
import { type LogDeps, requireWriter, writeWithinBound } from "../run-writer.ts";
import { type ArtifactAddress, parseArtifactAddress } from "./artifact-path.ts";
import {
  type ArtifactRoot,
  deleteArtifactRows,
  isInTheWay,
  listArtifactRows,
  putArtifactRow,
  type StoredArtifact,
  usedByArtifacts,
} from "./artifact-store.ts";
import { type AddressSigner, expiryOf, refused } from "./signed-address.ts";

export interface ArtifactDeps extends LogDeps {
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  readonly rows: RowBytes;
  readonly clock: Pick<Clock, "now">;
  readonly addresses: AddressSigner;
  /** Whether a principal, and the key that it showed, still counts. */
  readonly isActive: (actor: CallContext["actor"]) => Promise<boolean>;
}

/** Of all files of one run, those of its models too. */
export const artifactLimits = {
  fileBytes: 2 ** 30,
  runBytes: 16 * 2 ** 30,
  runFiles: 10_000,
} as const;

/** Where an address leads, as far as the caller may read it. */
export interface Located {
  readonly run: TrackedRun;
  readonly root: ArtifactRoot;
  readonly path: string;
  /** Of a logged model: whether its files stay as they are. */
  readonly isSettled: boolean;
}

/**
 * Stores a file of the caller's own run, or of a model that it logged. A file of the same name is replaced, but for a model that is ready.
 *
 * @param text of the address, decoded once
 * @returns of the stored bytes
 * @throws PortolanError `tracking.invalid_value` for odd paths, `tracking.artifacts_full`, `tracking.model_ready`, and what logging throws
 */
export async function putArtifact(
  deps: ArtifactDeps,
  call: CallContext,
  text: string,
  bytes: AsyncIterable<Uint8Array>,
): Promise<Digest> {
  const address = parseArtifactAddress(text);
  const at = await locateForWriting(deps, call, address);
  if (at.path === "") throw missingArtifact(text);
  const used = await deps.work.read(call, (sql) => usedByArtifacts(sql, at.root, at.path));
  const left = Math.min(artifactLimits.fileBytes, artifactLimits.runBytes - used.bytes);
  if (used.files >= artifactLimits.runFiles || left < 0) throw full();
  const { digest, sizeBytes } = await deps.objects.putStream(bytes, left).catch((error: unknown) => {
    throw isPortolanError(error) && error.code === "objectstore.too_large" ? full() : error;
  });
  await writeFiles(deps, call, at, { event: "tracking.artifact.logged", digest }, (tx) =>
    addFile(deps, tx, at, { digest, sizeBytes }),
  );
  return digest;
}

/** A file whose bytes are stored becomes one of the run's. @throws PortolanError `tracking.artifacts_full`, `tracking.invalid_value` */
export async function addFile(
  { artifacts }: Pick<ArtifactDeps, "artifacts">,
  tx: Transaction,
  { run, root, path }: Located,
  { digest, sizeBytes }: { readonly digest: Digest; readonly sizeBytes: number },
): Promise<void> {
  const now = await usedByArtifacts(tx.sql, root, path);
  if (now.bytes + sizeBytes > artifactLimits.runBytes || now.files >= artifactLimits.runFiles) throw full();
  if (await isInTheWay(tx.sql, root, path)) throw inTheWay(path);
  await artifacts.note(tx, placeOfRun(run), [{ digest, kind: "upload" }]);
  await putArtifactRow(tx.sql, root, { path, digest, sizeBytes, loggedBy: tx.call.actor.id, now: tx.now });
}

/**
 * Takes a file, or all below a folder, off the caller's own run. Its bytes stay in the object store as long as anything holds them.
 *
 * @throws PortolanError as `putArtifact` does
 */
export async function deleteArtifacts(deps: ArtifactDeps, call: CallContext, text: string): Promise<void> {
  const at = await locateForWriting(deps, call, parseArtifactAddress(text));
  const digest = digestBytes(canonicalBytes({ deleted: text }));
  await writeFiles(deps, call, at, { event: "tracking.artifact.deleted", digest }, async (tx) => {
    if ((await deleteArtifactRows(tx.sql, at.root, at.path)) === 0) throw missingArtifact(text);
  });
}

/**
 * A file of verified bytes, for whoever may read the run. Bytes that are rows of data go to whoever logged them, and to others only where the
 * policies on data allow them all.
 *
 * @throws PortolanError `tracking.artifact_not_found`, `data.access_denied`
 */
export async function openArtifact(
  deps: ArtifactDeps,
  call: CallContext,
  text: string,
): Promise<{ readonly localPath: string; readonly sizeBytes: number }> {
  return localFile(deps, await readableFile(deps, call, text));
}

async function readableFile(deps: ArtifactDeps, call: CallContext, text: string): Promise<StoredArtifact> {
  const { run, root, path } = await locate(deps, call, parseArtifactAddress(text));
  const rows = await deps.work.read(call, (sql) => listArtifactRows(sql, root, path));
  const file = rows.find((one) => one.path === path);
  if (!file) throw missingArtifact(text);
  if (file.loggedBy !== call.actor.id)
    await deps.rows.release(call, { digest: file.digest, places: [placeOfRun(run)], isRows: false });
  return file;
}

async function localFile({ objects }: ArtifactDeps, { digest, sizeBytes }: StoredArtifact) {
  return { localPath: await objects.localPath(digest), sizeBytes };
}

/**
 * A signed address of a file that the caller may read now: for minutes it lets whoever holds it read this content as the caller.
 *
 * @param seconds that it counts
 * @throws PortolanError as `openArtifact` does, and `tracking.invalid_value` for a time that is too long
 */
export async function signArtifact(
  deps: ArtifactDeps,
  call: CallContext,
  text: string,
  seconds?: number,
): Promise<{ readonly signed: string; readonly sizeBytes: number }> {
  const until = expiryOf(deps.clock.now(), seconds);
  const { digest, sizeBytes } = await readableFile(deps, call, text);
  // The request's id is the next one's own.
  const { requestId: _, ...as } = call;
  return { signed: deps.addresses.sign({ call: as, artifact: text, digest, until }), sizeBytes };
}

/**
 * The file of a signed address, with the rights that its caller has by now: one who lost them, or whose key was revoked, reads nothing.
 *
 * @throws PortolanError `tracking.address_refused`, and as `openArtifact` does
 */
export async function openSigned(
  deps: ArtifactDeps,
  requestId: Id<"request">,
  signed: string,
): ReturnType<typeof openArtifact> {
  const grant = deps.addresses.open(signed, deps.clock.now());
  const call: CallContext = { ...grant.call, requestId };
  if (!(await deps.isActive(call.actor))) throw refused("whoever asked for it has no access any more");
  const file = await readableFile(deps, call, grant.artifact);
  if (file.digest !== grant.digest) throw refused("another file has this name by now");
  return localFile(deps, file);
}

/**
 * A file that a run's trainer logged, by its path below the run's artifacts. Rights are not asked: for who works at the run itself.
 */
export async function findRunFile(
  { work }: Pick<ArtifactDeps, "work">,
  call: CallContext,
  runId: string,
  path: string,
): Promise<Pick<StoredArtifact, "digest" | "sizeBytes"> | undefined> {
  const rows = await work.read(call, (sql) => listArtifactRows(sql, { runId }, path));
  return rows.find((one) => one.path === path);
}

/** One entry of a folder. */
export interface ArtifactEntry {
  /** The name within the folder. */
  readonly name: string;
  readonly isFolder: boolean;
  readonly sizeBytes?: number;
}

/** What lies directly in a folder, by name; nothing for a file and for what is not there. @throws PortolanError 404 as `findRun` does */
export async function listArtifacts(
  deps: ArtifactDeps,
  call: CallContext,
  text: string,
): Promise<ArtifactEntry[]> {
  const { root, path } = await locate(deps, call, parseArtifactAddress(text));
  const rows = await deps.work.read(call, (sql) => listArtifactRows(sql, root, path));
  return entriesBelow(path, rows);
}

/** Pure. */
export function entriesBelow(
  folder: string,
  files: readonly Pick<StoredArtifact, "path" | "sizeBytes">[],
): ArtifactEntry[] {
  const skipped = folder === "" ? 0 : folder.length + 1;
  const entries = new Map<string, ArtifactEntry>();
  for (const { path, sizeBytes } of files) {
    const [name = "", ...below] = path.slice(skipped).split("/");
    if (name === "") continue;
    entries.set(name, below.length > 0 ? { name, isFolder: true } : { name, isFolder: false, sizeBytes });
  }
  return [...entries.values()];
}

async function locate(deps: ArtifactDeps, call: CallContext, address: ArtifactAddress): Promise<Located> {
  const { owner, path } = address;
  const { organisationId } = call.actor;
  const row =
    owner.kind === "model"
      ? await deps.work.read(call, (sql) => findModelRow(sql, organisationId, owner.id))
      : undefined;
  const missing = () => missingArtifact(path);
  if (owner.kind === "model" && !row) throw missing();
  const run = row ? await findRunOr(deps, call, row.run_id, missing) : await findRun(deps, call, owner.id);
  if (experimentIdOf({ ...run, organisationId }) !== address.experimentId) throw missing();
  const root = { runId: run.id, ...(row ? { modelId: row.id } : {}) };
  return { run, root, path, isSettled: row?.status === "LOGGED_MODEL_READY" };
}

export async function locateForWriting(
  deps: ArtifactDeps,
  call: CallContext,
  address: ArtifactAddress,
): Promise<Located> {
  const at = await locate(deps, call, address);
  await requireWriter(deps, call, at.run.id);
  if (at.isSettled) throw ready(address.owner.id);
  return at;
}

/** One request: within what the run may log, and one leaf in the ledger, all with its effect. */
export async function writeFiles(
  deps: ArtifactDeps,
  call: CallContext,
  { run, root }: Located,
  leaf: { readonly event: string; readonly digest: Digest },
  effect: (tx: Transaction) => Promise<void>,
): Promise<void> {
  const { modelId } = root;
  const request = { runId: run.id, subject: modelId ?? run.id, ...leaf, sizeBytes: 0, count: 1 };
  await writeWithinBound(deps, call, request, async (tx) => {
    const { organisationId } = call.actor;
    const model = modelId === undefined ? undefined : await findModelRow(tx.sql, organisationId, modelId);
    if (modelId !== undefined && model?.status === "LOGGED_MODEL_READY") throw ready(modelId);
    await effect(tx);
  });
}

function placeOfRun({ environment, useCaseId }: TrackedRun): EnvironmentPlace {
  return { environment, ...asPlace({ useCaseId }) };
}

export function missingArtifact(text: string): PortolanError<TrackingErrorCode> {
  return new PortolanError("tracking.artifact_not_found", {
    detail: `there is no artifact ${JSON.stringify(text.slice(0, 200))} here`,
    mend: "artifacts/list says what the run has.",
  });
}

export function full(): PortolanError<TrackingErrorCode> {
  const { fileBytes, runBytes, runFiles } = artifactLimits;
  return new PortolanError("tracking.artifacts_full", {
    detail: `a file has at most ${fileBytes / 2 ** 30} GiB, and one run at most ${runFiles} files of ${runBytes / 2 ** 30} GiB together`,
    mend: "Delete what the run does not need, or log to another run.",
  });
}

function inTheWay(path: string): PortolanError<TrackingErrorCode> {
  return new PortolanError("tracking.invalid_value", {
    detail: `${JSON.stringify(path)} cannot be a file here: a file and a folder would have one name`,
    mend: "Choose another name.",
  });
}

function ready(modelId: string): PortolanError<TrackingErrorCode> {
  return new PortolanError("tracking.model_ready", {
    detail: `the files of the model ${modelId} stay as they are: it is ready`,
    mend: "Log another model: versions are registered from what this one holds.",
  });
}
