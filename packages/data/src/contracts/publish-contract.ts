import {
  type Authorizer,
  asPlace,
  type CallContext,
  covers,
  type Digest,
  locate,
  newId,
  type ObjectStore,
  ownerOf,
  type PlaceDirectory,
  PortolanError,
  requireSeen,
  sameOwner,
  type Transaction,
  type UnitOfWork,
  type WorkPlace,
} from "@portolan/kernel";
import type { DataErrorCode } from "../errors.ts";
import type { ContractView } from "../resources.ts";
import type { DataContract, Relationship } from "./contract-model.ts";
import { findContract, insertContract, type StoredContract } from "./contract-store.ts";
import { contractDigest, readContract } from "./read-contract.ts";
import type { TargetContracts } from "./read-relationships.ts";
import { contractNotFound } from "./require-contract.ts";

export interface ContractDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
  readonly places: PlaceDirectory;
}

export interface NewContract {
  /** The ODCS document. */
  readonly document: string;
  /** Tables that the document names, e.g. `{ "airports.csv": "…" }`. */
  readonly references?: Readonly<Record<string, string>>;
  /** Use case or team that the contract belongs to, by id or name; without either it is the organisation's. */
  readonly useCaseId?: string;
  readonly teamId?: string;
}

/** Publishes a version, or finds it published already with the same meaning. */
export async function publishContract(
  deps: ContractDeps,
  call: CallContext,
  name: string,
  input: NewContract,
): Promise<ContractView> {
  const organisationId = call.actor.organisationId;
  await deps.authorizer.require(call, "data:publish_contract", {
    type: "Contract",
    id: name,
    organisationId,
    ...asPlace(input),
  });
  const at = await locate(deps.places, organisationId, input);
  const owner = ownerOf(at);
  const references: Record<string, Digest> = {};
  for (const [file, text] of Object.entries(input.references ?? {}))
    references[file] = await deps.objects.put(new TextEncoder().encode(text));
  const body = readContract(input.document, `${name}.odcs.yaml`, references);
  if (body.id !== name)
    throw new PortolanError<DataErrorCode>("data.contract_invalid", {
      detail: `the document's id is ${body.id}, its address ${name}`,
      mend: "Make them the same.",
    });
  const digest = contractDigest(body);
  return deps.uow.write(call, async (tx) => {
    if (body.relationships) {
      const targets = await targetsOf(tx, at, body.relationships);
      readContract(input.document, `${name}.odcs.yaml`, references, targets);
    }
    return addContract(tx, { owner, body, digest, document: input.document });
  });
}

/** The newest versions of the contracts that relationships name, as far as work at this place may use them. */
async function targetsOf(
  tx: Transaction,
  at: WorkPlace,
  relationships: readonly Relationship[],
): Promise<TargetContracts> {
  const targets = new Map<string, DataContract>();
  for (const { target } of relationships) {
    const found = await findContract(tx.sql, tx.call.actor.organisationId, target.contract);
    if (found && covers(found.owner, at)) targets.set(target.contract, found.body);
  }
  return targets;
}

interface Published {
  readonly owner: WorkPlace;
  readonly body: DataContract;
  readonly digest: Digest;
  readonly document: string;
}

async function addContract(tx: Transaction, contract: Published): Promise<ContractView> {
  const { owner, body, digest, document } = contract;
  const { id: name, version } = body;
  const { organisationId, id: publisher } = tx.call.actor;
  const newest = await findContract(tx.sql, organisationId, name);
  if (newest && !sameOwner(newest.owner, owner))
    throw new PortolanError<DataErrorCode>("data.contract_owned_elsewhere", {
      detail: `the name ${name} is taken by another part of the organisation`,
      mend: "Choose another name, or publish it where it belongs.",
    });
  const existing = await findContract(tx.sql, organisationId, name, version);
  if (existing?.digest === digest) return viewOf(existing);
  if (existing)
    throw new PortolanError<DataErrorCode>("data.contract_conflict", {
      detail: `${name} ${version} is published and says something else`,
      mend: "Raise the version in the document.",
    });
  const id = newId("contract", tx.now);
  const row = { id, name, version, digest, document };
  await insertContract(tx.sql, {
    ...row,
    organisation_id: organisationId,
    team_id: owner.teamId ?? null,
    use_case_id: owner.useCaseId ?? null,
    body,
    published_by: publisher,
    published_at: tx.now,
  });
  const detail = { name, version };
  await tx.record({ event: "data.contract.published", subject: id, after: digest, detail });
  return { ...row, ...owner, references: body.references, publishedBy: publisher, publishedAt: tx.now };
}

export async function readPublishedContract(
  deps: ContractDeps,
  call: CallContext,
  name: string,
  version?: string,
): Promise<ContractView> {
  const organisationId = call.actor.organisationId;
  const found = await deps.uow.read(call, (sql) => findContract(sql, organisationId, name, version));
  if (!found) throw contractNotFound(name, version);
  const resource = { type: "Contract", id: name, organisationId, ...found.owner };
  await requireSeen(deps.authorizer, call, { action: "data:read_contract", resource }, () =>
    contractNotFound(name, version),
  );
  return viewOf(found);
}

function viewOf(stored: StoredContract): ContractView {
  const { body, owner, ...view } = stored;
  return { ...view, ...owner, references: body.references };
}
