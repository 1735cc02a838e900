import type { NamedRows, RowsAccess } from "@portolan/data/contract";
import {
  asPlace,
  type CallContext,
  type Digest,
  type Environment,
  type JsonObject,
  systemActor,
  type WorkPlace,
} from "@portolan/kernel";
import type { StoredView } from "../store.ts";
import { viewReference } from "../view-model.ts";
import { featureSources } from "./view-sources.ts";

/** What values go online for when nobody says otherwise. */
export const servingPurpose = "serving";

/** Values that go online, where, and what for. */
export interface OnlineUse {
  readonly view: Pick<StoredView, "id" | "body">;
  readonly environment: Environment;
  readonly owner: WorkPlace;
  readonly purpose: string;
}

/** By which policies values went online, for the ledger. */
export type OnlineGrant = JsonObject & {
  readonly purpose: string;
  readonly policies: string[];
  readonly policyDigest: Digest;
};

const mend =
  "Name the purpose that your work was allowed for (`purpose`), have the view read other columns, or ask whoever writes the policies (portolan data policy list).";

/**
 * Decides whether a view's values may go online: as they are or not at all, the keys of its entities among them, for a filter or a mask would make
 * others of them than models learned from. A contract of which no policy speaks is taken as it is (docs/spec/features.md, F70).
 *
 * @throws PortolanError `data.access_denied`, and the refusal is on the ledger
 */
export async function requireOnline(
  { access }: { readonly access: RowsAccess },
  call: CallContext,
  use: OnlineUse,
): Promise<OnlineGrant> {
  const { why, grant } = await decideOnline(access, call, use);
  if (why === undefined) return grant;
  const { purpose, policyDigest } = grant;
  const reason = `${viewReference(use.view.body)} may not go online: ${why}`;
  return access.refuse(call, { subject: use.view.id, purpose, policyDigest, reason, mend });
}

/**
 * The same of what goes online by itself: of accepted events, and of each dataset that a log takes in. The platform asks as itself (`features`), which
 * holds no role. Nothing is recorded.
 *
 * @returns why not; undefined where it may
 */
export async function whyNotByItself(
  { access }: { readonly access: RowsAccess },
  call: CallContext,
  use: OnlineUse,
): Promise<string | undefined> {
  const actor = systemActor("features", call.actor.organisationId);
  return (await decideOnline(access, { ...call, actor }, use)).why;
}

async function decideOnline(
  access: RowsAccess,
  call: CallContext,
  { view, environment, owner, purpose }: OnlineUse,
): Promise<{ readonly why?: string; readonly grant: OnlineGrant }> {
  const at = { environment, ...asPlace(owner) };
  const { decisions, policyDigest } = await access.forWork(call, [onlineRows(view, at)], purpose, at);
  const [found] = decisions;
  const policies =
    found?.isGoverned && found.decision.kind === "allowed" ? [...found.decision.policies].toSorted() : [];
  const grant = { purpose, policies, policyDigest };
  return found?.isGoverned && found.whyNotWhole !== undefined ? { why: found.whyNotWhole, grant } : { grant };
}

/** What is in the store of a view: its values by the keys of its entities. */
export function onlineRows({ id, body }: OnlineUse["view"], at: NamedRows["at"]): NamedRows {
  const contracts = [body.source];
  const keys = body.entity.map(({ name, column }) => ({
    name: `key ${name}`,
    type: "string",
    from: [{ contract: body.source, column }],
    contracts,
  }));
  return { id, at, contracts, columns: [...keys, ...featureSources(body)] };
}
