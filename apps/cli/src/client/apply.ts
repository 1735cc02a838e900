import { basename } from "node:path";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { isPortolanError } from "@portolan/kernel";
import type { Project, TextFile } from "../project-files.ts";
import type { ApiClient } from "./api-client.ts";
import { inOrderOfReference } from "./contract-order.ts";
import { lineDiff } from "./line-diff.ts";

export interface Change {
  readonly kind: "create" | "update" | "unchanged";
  readonly what: "charter" | "contract" | "feature view";
  readonly name: string;
  readonly note: string;
  /** One line per changed value. */
  readonly details: readonly string[];
  /** What may be meant otherwise than it is written. */
  readonly advice?: readonly string[];
}

interface Submitted {
  readonly outcome: "created" | "unchanged" | "dry_run";
  readonly charterId?: string;
  readonly version: number;
  readonly changes: readonly {
    readonly pointer: string;
    readonly before?: unknown;
    readonly after?: unknown;
  }[];
}

/** Brings the server to what the folder says, in the order of dependency; resolves to the diff. Idempotent. */
export async function applyProject(
  api: ApiClient,
  project: Project,
  options: { readonly dryRun: boolean },
): Promise<Change[]> {
  const { charter } = project;
  // Contracts and views belong to the folder's use case: who works there may publish them, and nobody else's name is taken.
  const useCase = requireValid(parseCharter(charter.text, charter.path)).document.useCase.name;
  const folder = { ...options, useCase };
  const changes = [await applyCharter(api, charter, folder)];
  for (const contract of inOrderOfReference(project))
    changes.push(await applyContract(api, contract, project.tables, folder));
  for (const view of project.featureViews) changes.push(await applyView(api, view, folder));
  return changes;
}

interface Folder {
  readonly useCase: string;
  readonly dryRun: boolean;
}

async function applyCharter(api: ApiClient, file: TextFile, { useCase, dryRun }: Folder): Promise<Change> {
  const body = { source: file.text, file: basename(file.path), dryRun };
  const submitted = await api.json<Submitted>({ path: "/v1/charters", body });
  const kind =
    // A dry run names the version that says the same already, when there is one.
    submitted.outcome === "unchanged" || (dryRun && submitted.charterId !== undefined)
      ? "unchanged"
      : submitted.version === 1
        ? "create"
        : "update";
  const note =
    kind === "unchanged"
      ? `version ${submitted.version}`
      : `version ${submitted.version}, needs signing before it governs`;
  const details = submitted.version === 1 ? [] : submitted.changes.map(changeLine);
  return { kind, what: "charter", name: useCase, note, details };
}

function changeLine({ pointer, before, after }: Submitted["changes"][number]): string {
  return `${pointer}: ${JSON.stringify(before) ?? "absent"} -> ${JSON.stringify(after) ?? "absent"}`;
}

async function applyContract(
  api: ApiClient,
  file: TextFile,
  tables: Project["tables"],
  { useCase, dryRun }: Folder,
): Promise<Change> {
  const name = basename(file.path).replace(/\.odcs\.ya?ml$/, "");
  const body = { document: file.text, references: tables, useCaseId: useCase };
  return applyVersioned(api, { what: "contract", name, path: `/v1/contracts/${name}`, body }, dryRun);
}

async function applyView(api: ApiClient, file: TextFile, { useCase, dryRun }: Folder): Promise<Change> {
  const name = basename(file.path).replace(/\.ya?ml$/, "");
  const body = { document: file.text, useCaseId: useCase };
  return applyVersioned(api, { what: "feature view", name, path: `/v1/feature-views/${name}`, body }, dryRun);
}

interface Versioned {
  readonly what: "contract" | "feature view";
  readonly name: string;
  readonly path: string;
  readonly body: { readonly document: string } & Readonly<Record<string, unknown>>;
}

interface VersionedView {
  readonly version?: string | number;
  readonly digest: string;
  readonly document?: string;
  readonly advice?: readonly string[];
}

/** PUT finds an equal version by itself; comparing before and after tells what it did. */
async function applyVersioned(api: ApiClient, item: Versioned, dryRun: boolean): Promise<Change> {
  const before = await current(api, item.path);
  const after = dryRun
    ? undefined
    : await api.json<VersionedView>({ method: "PUT", path: item.path, body: item.body });
  const same = after ? after.digest === before?.digest : before?.document === item.body.document;
  const kind = before === undefined ? "create" : same ? "unchanged" : "update";
  const version = after?.version ?? before?.version;
  const known = before?.document;
  return {
    kind,
    what: item.what,
    name: item.name,
    note: version === undefined ? "" : `version ${version}`,
    details: kind === "update" && known !== undefined ? lineDiff(known, item.body.document) : [],
    // What is published stays as it is: advice is for whoever may still write it otherwise.
    advice: kind === "unchanged" ? [] : (after?.advice ?? []),
  };
}

async function current(api: ApiClient, path: string): Promise<VersionedView | undefined> {
  try {
    return await api.json<VersionedView>({ path });
  } catch (error) {
    if (isPortolanError(error) && error.code.endsWith("not_found")) return undefined;
    throw error;
  }
}
