import {
  type Authorizer,
  type CallContext,
  type Digest,
  newId,
  type ObjectStore,
  PortolanError,
  type UnitOfWork,
} from "@portolan/kernel";
import type { DataErrorCode } from "./errors.ts";
import { contractDigest, readContract } from "./read-contract.ts";
import type { ContractView } from "./resources.ts";
import { findContract, insertContract, type StoredContract } from "./store.ts";

export interface ContractDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
}

export interface NewContract {
  /** The ODCS document. */
  readonly document: string;
  /** Tables that the document names, e.g. `{ "airports.csv": "…" }`. */
  readonly references?: Readonly<Record<string, string>>;
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
  });
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
    const existing = await findContract(tx.sql, organisationId, name, body.version);
    if (existing?.digest === digest) return viewOf(existing);
    if (existing)
      throw new PortolanError<DataErrorCode>("data.contract_conflict", {
        detail: `${name} ${body.version} is published and says something else`,
        mend: "Raise the version in the document.",
      });
    const row = {
      id: newId("contract", tx.now),
      organisation_id: organisationId,
      name,
      version: body.version,
      digest,
      document: input.document,
      body,
      published_by: call.actor.id,
      published_at: tx.now,
    };
    await insertContract(tx.sql, row);
    await tx.record({
      event: "data.contract.published",
      subject: row.id,
      after: digest,
      detail: { name, version: body.version },
    });
    const { id, version, document } = row;
    return {
      id,
      name,
      version,
      digest,
      document,
      publishedBy: row.published_by,
      publishedAt: row.published_at,
    };
  });
}

export async function readPublishedContract(
  deps: ContractDeps,
  call: CallContext,
  name: string,
  version?: string,
): Promise<ContractView> {
  const organisationId = call.actor.organisationId;
  await deps.authorizer.require(call, "data:read_contract", { type: "Contract", id: name, organisationId });
  const found = await deps.uow.read(call, (sql) => findContract(sql, organisationId, name, version));
  if (!found) throw contractNotFound(name, version);
  return viewOf(found);
}

export function contractNotFound(name: string, version?: string): PortolanError<DataErrorCode> {
  return new PortolanError("data.contract_not_found", {
    detail: `there is no contract ${name}${version ? ` ${version}` : ""}`,
    mend: "Publish it with PUT /v1/contracts/<name>.",
  });
}

function viewOf(stored: StoredContract): ContractView {
  const { body: _, ...view } = stored;
  return view;
}
