import { asEpochMicros, type Clock, type Id, newId, systemActor, type UnitOfWork } from "@portolan/kernel";
import { identityTables } from "./store.ts";
import type { KeyMemory } from "./tokens/issuer-keys.ts";
import type { JsonWebKeySet } from "./tokens/trusted-issuer.ts";

/** The last good keys of outside issuers, in the database. They are public, and belong to no organisation. */
export function createIssuerKeyStore(unitOfWork: UnitOfWork, clock: Clock): KeyMemory {
  const call = () => ({
    actor: systemActor("issuer-keys", "" as Id<"organisation">),
    requestId: newId("request", clock.now()),
  });
  return {
    load: (uri) =>
      unitOfWork.read(call(), async (sql) => {
        const row = await identityTables(sql)
          .selectFrom("identity.issuer_keys")
          .selectAll()
          .where("jwks_uri", "=", uri)
          .executeTakeFirst();
        return row && { keys: row.keys as JsonWebKeySet, fetchedAt: asEpochMicros(row.fetched_at) };
      }),
    save: (uri, { keys, fetchedAt }) =>
      unitOfWork.write(call(), async (tx) => {
        const values = { jwks_uri: uri, keys: JSON.stringify(keys), fetched_at: fetchedAt };
        await identityTables(tx.sql)
          .insertInto("identity.issuer_keys")
          .values(values)
          .onConflict((conflict) => conflict.column("jwks_uri").doUpdateSet(values))
          .execute();
      }),
  };
}
