import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { type CallContext, canonicalBytes, digestBytes, isPortolanError } from "@portolan/kernel";
import { refuse } from "../check-values.ts";
import { parseArtifactAddress } from "./artifact-path.ts";
import { deleteArtifactRows, listArtifactRows, type StoredArtifact } from "./artifact-store.ts";
import {
  type ArtifactDeps,
  addFile,
  artifactLimits,
  full,
  type Located,
  locateForWriting,
  missingArtifact,
  writeFiles,
} from "./artifacts.ts";

// A file in several parts. A part is an artifact of the run, in a folder of the upload beside the file to be: it is written, counted, recorded
// and, where nobody ends the upload, found and deleted as any other.

const mostParts = 1000;
const uploadId = /^[0-9a-f]{32}$/;

/** A file to be, as MLflow's client names it. */
export interface UploadedFile {
  /** Address of its folder, decoded once. */
  readonly folder: string;
  /** Of the file on the client's machine: its last part is the name. */
  readonly localPath: string;
}

export interface UploadPart {
  readonly number: number;
  /** Address of the artifact that takes it. */
  readonly address: string;
}

/**
 * Begins an upload of a run's own file.
 *
 * @throws PortolanError as `putArtifact` does
 */
export async function beginUpload(
  deps: ArtifactDeps,
  call: CallContext,
  file: UploadedFile,
  count: number,
): Promise<{ readonly id: string; readonly parts: readonly UploadPart[] }> {
  if (!Number.isInteger(count) || count < 1 || count > mostParts)
    refuse([
      {
        detail: `a file has 1 to ${mostParts} parts, not ${count}`,
        mend: "Set MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE larger.",
        at: { pointer: "/num_parts" },
      },
    ]);
  const at = await locateFile(deps, call, file);
  const id = randomBytes(16).toString("hex");
  const digest = digestBytes(canonicalBytes({ upload: id, path: at.path, parts: count }));
  await writeFiles(deps, call, at, { event: "tracking.upload.begun", digest }, async () => undefined);
  const parts = Array.from({ length: count }, (_, index) => ({
    number: index + 1,
    address: `${file.folder}/${folderOf(id)}/${index + 1}`,
  }));
  return { id, parts };
}

/**
 * Makes the file of its parts, which are no artifacts from then on.
 *
 * @param numbers and the digests that were answered for them, where the client states them
 * @throws PortolanError `tracking.artifact_not_found` for a part that is not there, `tracking.invalid_value`, `tracking.artifacts_full`, and as
 * `putArtifact` does
 */
export async function completeUpload(
  deps: ArtifactDeps,
  call: CallContext,
  file: UploadedFile,
  id: string,
  stated: readonly { readonly number: number; readonly digest?: string }[],
): Promise<void> {
  const at = await locateFile(deps, call, file);
  const folder = partsFolderOf(at, id);
  const rows = await deps.work.read(call, (sql) => listArtifactRows(sql, at.root, folder));
  const parts = stated.map(({ number, digest }, index) => {
    const part = rows.find(({ path }) => path === `${folder}/${number}`);
    if (part === undefined || number !== index + 1 || (digest && digest !== part.digest))
      throw missingArtifact(`part ${number} of the upload ${id}`);
    return part;
  });
  if (parts.length === 0 || parts.length !== rows.length)
    throw missingArtifact(`${parts.length} of ${rows.length} parts of the upload ${id}`);
  const stored = await deps.objects
    .putStream(bytesOf(deps, parts), artifactLimits.fileBytes)
    .catch((error: unknown) => {
      throw isPortolanError(error) && error.code === "objectstore.too_large" ? full() : error;
    });
  const leaf = { event: "tracking.artifact.logged", digest: stored.digest };
  await writeFiles(deps, call, at, leaf, async (tx) => {
    if ((await deleteArtifactRows(tx.sql, at.root, folder)) !== parts.length)
      throw missingArtifact(`all parts of the upload ${id}`);
    await addFile(deps, tx, at, stored);
  });
}

/** Gives an upload up; whatever parts there are go. @throws PortolanError as `putArtifact` does */
export async function abortUpload(
  deps: ArtifactDeps,
  call: CallContext,
  file: UploadedFile,
  id: string,
): Promise<void> {
  const at = await locateFile(deps, call, file);
  const folder = partsFolderOf(at, id);
  const digest = digestBytes(canonicalBytes({ deleted: folder }));
  await writeFiles(deps, call, at, { event: "tracking.artifact.deleted", digest }, async (tx) => {
    await deleteArtifactRows(tx.sql, at.root, folder);
  });
}

async function locateFile(
  deps: ArtifactDeps,
  call: CallContext,
  { folder, localPath }: UploadedFile,
): Promise<Located> {
  const name = localPath.split(/[\\/]/).at(-1) ?? "";
  const at = await locateForWriting(deps, call, parseArtifactAddress(`${folder}/${name}`));
  if (name === "" || at.path === "") throw missingArtifact(localPath);
  return at;
}

function folderOf(id: string): string {
  return `.upload-${id}`;
}

/** Beside the file, within its root. @throws PortolanError `tracking.artifact_not_found` */
function partsFolderOf({ path }: Located, id: string): string {
  if (!uploadId.test(id)) throw missingArtifact(`the upload ${id}`);
  return [...path.split("/").slice(0, -1), folderOf(id)].join("/");
}

async function* bytesOf(
  { objects }: Pick<ArtifactDeps, "objects">,
  parts: readonly StoredArtifact[],
): AsyncGenerator<Uint8Array> {
  for (const { digest } of parts) yield* createReadStream(await objects.localPath(digest));
}
