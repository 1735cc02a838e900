import { access } from "node:fs/promises";
import { join } from "node:path";
import { type CallContext, keyPurposes, type UnitOfWork } from "@portolan/kernel";
import { findActivePlatformKey, retireSigningKey } from "./store.ts";

/**
 * Retires the active signing keys whose private files are not there, as after a restore from a backup without private
 * keys. What they signed still verifies; the next signature makes a new key. Resolves to the ids of the retired keys.
 */
export async function retireLostKeys(
  deps: { readonly directory: string; readonly unitOfWork: UnitOfWork },
  call: CallContext,
): Promise<string[]> {
  const active = await deps.unitOfWork.read(call, async (sql) => {
    const keys = await Promise.all(keyPurposes.map((purpose) => findActivePlatformKey(sql, purpose)));
    return keys.filter((key) => key !== undefined);
  });
  const retired: string[] = [];
  for (const { id, purpose } of active) {
    if (await isThere(join(deps.directory, `${id}.pem`))) continue;
    await deps.unitOfWork.write(call, async (tx) => {
      if (!(await retireSigningKey(tx.sql, id, tx.now))) return;
      await tx.record({
        event: "identity.signing_key.retired",
        subject: id,
        detail: { purpose, reason: "its private half is not in this state folder" },
      });
    });
    retired.push(id);
  }
  return retired;
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
