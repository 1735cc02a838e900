import {
  addMicros,
  type CallContext,
  type Environment,
  microsPerDay,
  newId,
  PortolanError,
  type Sql,
} from "@portolan/kernel";
import { actionNames } from "./actions.ts";
import { mintApiKey, type StoredApiKey } from "./api-key-text.ts";
import type { ApiKey } from "./contract.ts";
import type { DirectoryDeps } from "./directory.ts";
import { findPrincipal } from "./directory-store.ts";
import { actionInScope } from "./gateway-grants.ts";
import { type ApiKeyRow, addRevocation, identityTables } from "./store.ts";
import { apiKeyView } from "./views.ts";

/** A key that outlives a year is one that nobody remembers. */
export const maxApiKeyDays = 366;

export interface NewApiKey {
  /** Id or name; by default the caller. */
  readonly principal?: string;
  readonly name: string;
  readonly environment: Environment;
  /** Actions or whole domains (`registry:*`); absent: all that the principal may do. */
  readonly scopes?: readonly string[];
  /** Days from now, at most 366. */
  readonly expiresInDays: number;
}

/**
 * Issues an API key. `text` is shown this once; only its hash is kept. A key reaches no further than the credential
 * that asked for it: not into another environment, not beyond its scopes. A person's key is issued by that person alone.
 */
export async function createApiKey(
  deps: DirectoryDeps,
  call: CallContext,
  input: NewApiKey,
): Promise<{ apiKey: ApiKey; text: string }> {
  const organisationId = call.actor.organisationId;
  const principal = await deps.unitOfWork.read(call, (sql) =>
    findPrincipal(sql, organisationId, input.principal ?? call.actor.id),
  );
  await deps.authorizer.require(call, "identity:issue_key", {
    type: "ApiKey",
    organisationId,
    environment: input.environment,
    attributes: {
      holder: principal?.id ?? input.principal ?? call.actor.id,
      // Whoever does not exist is refused like a person, so that the answer tells nothing.
      holderKind: principal?.kind ?? "user",
    },
  });
  if (!principal || principal.disabledAt !== undefined) throw new PortolanError("kernel.not_found");
  const refusal = judgeScopes(call, input);
  if (refusal !== undefined) {
    throw new PortolanError("identity.bad_api_key_request", {
      detail: refusal,
      mend: "Name actions of docs/policies.md that your own credential covers.",
    });
  }
  return deps.unitOfWork.write(call, async (tx) => {
    const id = newId("apiKey", tx.now);
    const { text, sha256 } = mintApiKey(id, input.environment);
    const row: ApiKeyRow = {
      id,
      organisation_id: organisationId,
      principal_id: principal.id,
      principal_kind: principal.kind,
      name: input.name,
      environment: input.environment,
      scopes: input.scopes === undefined ? null : [...input.scopes],
      secret_sha256: sha256,
      created_at: tx.now,
      created_by: call.actor.id,
      expires_at: addMicros(tx.now, input.expiresInDays * microsPerDay),
      revoked_at: null,
      last_used_at: null,
    };
    await identityTables(tx.sql).insertInto("identity.api_keys").values(row).execute();
    await tx.record({
      event: "identity.api_key.created",
      subject: id,
      detail: {
        principal: principal.id,
        environment: input.environment,
        scopes: input.scopes ?? null,
        expiresAt: row.expires_at,
      },
    });
    return { apiKey: apiKeyView(row), text };
  });
}

function judgeScopes(call: CallContext, input: NewApiKey): string | undefined {
  const own = call.actor.scopes;
  if (input.scopes === undefined) {
    return own === undefined ? undefined : "a credential with scopes cannot issue a key without scopes";
  }
  for (const scope of input.scopes) {
    const covered = actionNames.filter((action) => actionInScope([scope], action));
    if (covered.length === 0) return `"${scope}" names no action`;
    const beyond = covered.find((action) => !actionInScope(own, action));
    if (beyond !== undefined) return `${scope} goes beyond the scopes of your own credential`;
  }
  return undefined;
}

export async function revokeApiKey(
  deps: DirectoryDeps,
  call: CallContext,
  keyId: string,
  reason: string,
): Promise<ApiKey> {
  const organisationId = call.actor.organisationId;
  const row = await deps.unitOfWork.read(call, (sql) => findApiKeyRow(sql, keyId));
  const found = row?.organisation_id === organisationId ? row : undefined;
  await deps.authorizer.require(call, "identity:revoke_key", {
    type: "ApiKey",
    id: keyId,
    organisationId,
    ...(found ? { environment: found.environment, attributes: { holder: found.principal_id } } : {}),
  });
  if (!found) throw new PortolanError("kernel.not_found");
  return deps.unitOfWork.write(call, async (tx) => {
    const result = await identityTables(tx.sql)
      .updateTable("identity.api_keys")
      .set({ revoked_at: tx.now })
      .where("id", "=", keyId)
      .where("revoked_at", "is", null)
      .executeTakeFirst();
    if (result.numUpdatedRows === 0n) return apiKeyView(found);
    await addRevocation(tx.sql, {
      organisationId,
      kind: "api_key",
      subject: keyId,
      at: tx.now,
      by: call.actor.id,
      reason,
    });
    await tx.record({ event: "identity.api_key.revoked", subject: keyId, detail: { reason } });
    return apiKeyView({ ...found, revoked_at: tx.now });
  });
}

export async function findApiKeyRow(sql: Sql, keyId: string): Promise<ApiKeyRow | undefined> {
  return identityTables(sql)
    .selectFrom("identity.api_keys")
    .selectAll()
    .where("id", "=", keyId)
    .executeTakeFirst();
}

/** The row in the form that verification takes. */
export function storedApiKey(row: ApiKeyRow): StoredApiKey {
  return {
    id: row.id,
    secretSha256: row.secret_sha256,
    principalId: row.principal_id,
    environment: row.environment,
    expiresAt: row.expires_at,
    ...(row.scopes === null ? {} : { scopes: row.scopes }),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
  };
}
