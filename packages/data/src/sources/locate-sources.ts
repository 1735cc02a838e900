import { realpath, stat } from "node:fs/promises";
import { isAbsolute, relative } from "node:path";
import {
  type ArtifactCatalogue,
  type CallContext,
  type EnvironmentPlace,
  type ObjectStore,
  PortolanError,
} from "@portolan/kernel";
import { type ConnectionFolder, readPostgresqlConnection } from "../connections/read-connection.ts";
import type { DataErrorCode } from "../errors.ts";
import type { SourceView } from "../resources.ts";
import type { SourceFile, SourceFormat } from "./source-plan.ts";

export interface SourcePlaces {
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  /** Folders on this host that a source path may lie in; a caller cannot read any other file. */
  readonly sourceFolders: readonly string[];
  /** The operator's connections to other systems; absent: there are none. */
  readonly connections?: ConnectionFolder;
}

/** For whom files are read, and for work where: an object must be held there. */
export interface SourceReader {
  readonly call: CallContext;
  readonly at: EnvironmentPlace;
  /** The ingestion has begun: its sources are its own rows by now. */
  readonly begun?: true;
}

/**
 * The local file of each source, but of the tables of other systems, which are only asked for here. Links are followed before folders are
 * compared, so that a link in an allowed folder does not lead out of it; asked when an ingestion starts and again when its job reads.
 *
 * @param copies files that tables were read into, by the number of their source
 * @throws PortolanError `data.source_unreadable`, `data.connection_unusable`, `registry.artifact_not_found`.
 */
export async function locateSources(
  places: SourcePlaces,
  reader: SourceReader,
  sources: readonly SourceView[],
  copies: ReadonlyMap<number, SourceFile> = new Map(),
): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  for (const [index, source] of sources.entries()) {
    const copy = copies.get(index);
    const file = copy ?? (await locateSource(places, reader, source));
    if (file) files.push(file);
  }
  return files;
}

async function locateSource(
  places: SourcePlaces,
  reader: SourceReader,
  source: SourceView,
): Promise<SourceFile | undefined> {
  const { path, object, relation, connection } = source;
  if ([path, object, relation].filter((one) => one !== undefined).length !== 1)
    throw unreadable(
      "a source is a path, an object and its format, or a relation and its connection",
      "Name one of them.",
    );
  if (relation !== undefined) {
    const { organisationId } = reader.call.actor;
    const use = { organisationId, ...reader.at };
    await readPostgresqlConnection(places.connections, connection ?? "", relation, use);
    return undefined;
  }
  const format = formatOf(source);
  const located =
    path === undefined
      ? await objectPath(places, reader, object ?? "", format)
      : await realSource(places.sourceFolders, path);
  return { path: located, format, ...(source.csv ? { csv: source.csv } : {}) };
}

/** Rows of an earlier ingestion, and events that waited, are named by the work itself; no caller can state these formats. */
async function objectPath(
  { objects, artifacts }: SourcePlaces,
  { call, at, begun }: SourceReader,
  object: string,
  format: SourceFormat,
): Promise<string> {
  const held = begun || ownFormats.includes(format) ? "rows" : undefined;
  return objects.localPath(await artifacts.require(call, object, at, held));
}

const ownFormats: readonly SourceFormat[] = ["accepted", "quarantine", "events"];

async function realSource(folders: readonly string[], path: string): Promise<string> {
  const refused = unreadable(
    `${path} lies in none of the source folders`,
    "Upload the file, or have its folder allowed.",
  );
  if (!isAbsolute(path)) throw refused;
  const real = await realpath(path).catch(() => undefined);
  const allowed = await Promise.all(folders.map((folder) => realpath(folder).catch(() => undefined)));
  // Whether a file outside exists is not for the caller to learn: both answers are the same.
  if (real === undefined || !allowed.some((folder) => folder !== undefined && contains(folder, real)))
    throw refused;
  if (!(await stat(real)).isFile()) throw unreadable(`${path} is no regular file`, "Name a file.");
  // The engine would take them for patterns and read other files than the one that was digested.
  if (/[*?[\]{}]/.test(real)) throw unreadable(`${path} holds pattern characters`, "Rename the file.");
  return real;
}

function contains(folder: string, path: string): boolean {
  const below = relative(folder, path);
  return below !== "" && below !== ".." && !below.startsWith("../") && !isAbsolute(below);
}

function formatOf(source: SourceView): SourceFormat {
  if (source.format) return source.format;
  const ending = source.path?.split(".").at(-1)?.toLowerCase();
  if (ending === "parquet" || ending === "csv" || ending === "jsonl") return ending;
  throw unreadable("the format is not known by the name's ending", "State format: parquet, csv or jsonl.");
}

export function unreadable(detail: string, mend: string): PortolanError<DataErrorCode> {
  return new PortolanError("data.source_unreadable", { detail, mend });
}
