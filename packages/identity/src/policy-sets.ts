import { type CallContext, type Digest, digestJson, PortolanError } from "@portolan/kernel";
import type { PolicyFile } from "./authorization/policy-files.ts";
import {
  builtInPolicyFiles,
  checkPolicies,
  type Policy,
  parsePolicies,
} from "./authorization/policy-files.ts";
import type { DirectoryDeps } from "./directory.ts";
import { findPolicySet } from "./directory-store.ts";
import { addRevocation, identityTables } from "./store.ts";

export interface PolicySetView {
  /** 0: none beside the built-in ones. */
  readonly version: number;
  readonly files: readonly PolicyFile[];
  readonly digest?: string;
}

/** The built-in policies; the same for every organisation and every version of their own. */
export function builtInPolicies(): Policy[] {
  return parsePolicies(builtInPolicyFiles());
}

export async function readPolicySet(deps: DirectoryDeps, call: CallContext): Promise<PolicySetView> {
  const organisationId = call.actor.organisationId;
  await deps.authorizer.require(call, "identity:read", { type: "PolicySet", organisationId });
  const set = await deps.unitOfWork.read(call, (sql) => findPolicySet(sql, organisationId));
  return set ?? { version: 0, files: [] };
}

/**
 * Replaces the organisation's own policies, all of them. Ids must be new beside the built-in ones, and the whole must fit
 * the schema. Writing what is there already changes nothing.
 */
export async function writePolicySet(
  deps: DirectoryDeps,
  call: CallContext,
  files: readonly PolicyFile[],
): Promise<PolicySetView> {
  const organisationId = call.actor.organisationId;
  await deps.authorizer.require(call, "identity:write_policies", { type: "PolicySet", organisationId });
  const builtIn = builtInPolicies().map(({ id }) => id);
  checkPolicies(files, builtIn);
  const sorted = files
    .map(({ name, text }) => ({ name, text }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const digest = digestJson(sorted);
  return deps.unitOfWork.write(call, async (tx) => {
    const current = await findPolicySet(tx.sql, organisationId);
    if (current?.digest === digest) return current;
    const version = (current?.version ?? 0) + 1;
    await identityTables(tx.sql)
      .insertInto("identity.policy_sets")
      .values({
        organisation_id: organisationId,
        version,
        digest,
        files: JSON.stringify(sorted),
        created_at: tx.now,
        created_by: call.actor.id,
      })
      .execute();
    await addRevocation(tx.sql, {
      organisationId,
      kind: "policy",
      subject: String(version),
      at: tx.now,
      by: call.actor.id,
    });
    await tx.record({
      event: "identity.policies.replaced",
      subject: organisationId,
      ...(current ? { before: current.digest as Digest } : {}),
      after: digest,
      detail: { version, files: sorted.map(({ name }) => name) },
    });
    return { version, files: sorted, digest };
  });
}

/** Refuses a name that is more than a file name. */
export function requirePolicyFileName(name: string): void {
  if (/^[a-z0-9][a-z0-9._-]*\.cedar$/.test(name) && !name.includes("..")) return;
  throw new PortolanError("identity.bad_policy", {
    detail: `"${name}" is not the name of a policy file`,
    mend: "Use lower-case letters, digits, hyphens and the ending .cedar.",
  });
}
