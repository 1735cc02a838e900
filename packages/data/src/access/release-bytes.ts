import { type BytesToRelease, type CallContext, PortolanError, type RowBytes } from "@portolan/kernel";
import type { DataErrorCode } from "../errors.ts";
import { type AccessDeps, accessTo, readsRows } from "./access-to-rows.ts";
import { isWhole } from "./decide-rows.ts";
import { type PolicedRows, withOthers } from "./policed-rows.ts";
import { contractRows } from "./rows-store.ts";

/** Bytes that hold rows are handed out whole or not at all: only who may read every row and column as it is gets them. */
export function createRowBytes(deps: AccessDeps): RowBytes {
  return {
    release: (call, bytes) => release(deps, call, bytes),
    areRows: async (call, digest, environment) =>
      (await rowsNamed(deps, call, digest)).some(({ at }) => at.environment === environment),
  };
}

async function release(deps: AccessDeps, call: CallContext, bytes: BytesToRelease): Promise<void> {
  const { digest, places, isRows, purpose } = bytes;
  const environments = new Set(places.map(({ environment }) => environment));
  const named = (await rowsNamed(deps, call, digest)).filter(({ at }) => environments.has(at.environment));
  if (named.length === 0 && !isRows) return;
  for (const { id, at } of named) {
    const { action, resource } = readsRows(call, { id, at });
    await deps.authorizer.require(call, action, resource);
  }
  const verdict = await judge(deps, call, named, purpose);
  await deps.uow.write(call, (tx) =>
    tx.record({
      event: verdict.refused === undefined ? "data.bytes.read" : "data.bytes.read_refused",
      subject: digest,
      after: digest,
      detail: {
        rows: named.map(({ id }) => id).slice(0, 20),
        ...(purpose === undefined ? {} : { purpose }),
        policies: verdict.policies,
      },
    }),
  );
  if (verdict.refused !== undefined)
    throw new PortolanError<DataErrorCode>("data.access_denied", {
      detail: verdict.refused,
      mend: "Name the purpose (?purpose=…). Who may read them in part reads them with portolan data read.",
    });
}

function rowsNamed(
  deps: AccessDeps,
  call: CallContext,
  digest: BytesToRelease["digest"],
): Promise<PolicedRows[]> {
  const { organisationId } = call.actor;
  return deps.uow.read(call, async (sql) => {
    const found = [...(await contractRows(sql, organisationId, digest))];
    for (const kind of deps.derived) found.push(...(await kind.named(sql, organisationId, digest)));
    return found;
  });
}

/** Equal bytes may be rows of several contracts: all of them have to allow it. */
async function judge(
  deps: AccessDeps,
  call: CallContext,
  named: readonly PolicedRows[],
  purpose: string | undefined,
): Promise<{ readonly refused?: string; readonly policies: string[] }> {
  if (purpose === undefined)
    return { refused: "the bytes hold rows of data, and no purpose is named", policies: [] };
  if (named.length === 0) return { refused: "nothing tells whose rows the bytes hold", policies: [] };
  const policies = new Set<string>();
  for (const rows of named) {
    const { decision } = await accessTo(deps, call, withOthers(rows, ["scores"]), purpose);
    if (decision.kind === "denied") return { refused: decision.reason, policies: [...policies] };
    for (const name of decision.policies) policies.add(name);
    if (!isWhole(decision))
      return {
        refused: `the policies allow a part of ${rows.id} only, and bytes are whole`,
        policies: [...policies],
      };
  }
  return { policies: [...policies] };
}
