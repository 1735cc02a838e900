import {
  type Authorizer,
  type CallContext,
  type Digest,
  PortolanError,
  type UnitOfWork,
} from "@portolan/kernel";
import type { DataErrorCode } from "../errors.ts";
import { insertPolicy, policiesInForce, type StoredPolicy, withdrawPolicyRow } from "./access-store.ts";
import { accessPolicyDigest, readAccessPolicy } from "./read-access-policy.ts";

export interface PolicyDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
}

/** Puts a policy in force, in the place of the one of its name. The same again changes nothing. */
export async function publishAccessPolicy(
  deps: PolicyDeps,
  call: CallContext,
  name: string,
  document: string,
): Promise<{ readonly name: string; readonly digest: Digest }> {
  const { organisationId } = call.actor;
  await deps.authorizer.require(call, "data:write_policy", { type: "PolicySet", organisationId });
  const body = readAccessPolicy(document, `${name}.yaml`);
  if (body.name !== name)
    throw new PortolanError<DataErrorCode>("data.access_policy_invalid", {
      detail: `the document's name is ${body.name}, its address ${name}`,
      mend: "Make them the same.",
    });
  const digest = accessPolicyDigest(body);
  await deps.uow.write(call, async (tx) => {
    const before = (await policiesInForce(tx.sql, organisationId)).find((one) => one.name === name);
    if (before?.digest === digest) return;
    await withdrawPolicyRow(tx, name);
    await insertPolicy(tx, { body, digest, document });
    await tx.record({
      event: "data.access_policy.published",
      subject: name,
      ...(before ? { before: before.digest as Digest } : {}),
      after: digest,
    });
  });
  return { name, digest };
}

/** @throws PortolanError `data.access_policy_not_found` */
export async function withdrawAccessPolicy(deps: PolicyDeps, call: CallContext, name: string): Promise<void> {
  const { organisationId } = call.actor;
  await deps.authorizer.require(call, "data:write_policy", { type: "PolicySet", organisationId });
  await deps.uow.write(call, async (tx) => {
    const gone = await withdrawPolicyRow(tx, name);
    if (!gone)
      throw new PortolanError<DataErrorCode>("data.access_policy_not_found", {
        detail: `no policy ${name} is in force`,
        mend: "portolan data policy list shows those that are.",
      });
    await tx.record({ event: "data.access_policy.withdrawn", subject: name, before: gone.digest as Digest });
  });
}

/** Those in force, by name. */
export async function listAccessPolicies(deps: PolicyDeps, call: CallContext): Promise<StoredPolicy[]> {
  const { organisationId } = call.actor;
  await deps.authorizer.require(call, "data:read_policy", { type: "PolicySet", organisationId });
  return deps.uow.read(call, (sql) => policiesInForce(sql, organisationId));
}
