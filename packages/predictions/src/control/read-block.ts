import type { CallContext, UnitOfWork } from "@portolan/kernel";
import { followingMoves, type PartFiles } from "../archive/part-files.ts";
import type { BlockAddress, StoredPrediction } from "../contract.ts";
import { decodeEntry } from "../format/record-codec.ts";
import { findPart } from "./store.ts";

/**
 * The records of the caller's organisation in an accepted block; empty for a block that has none of it. It asks no authorizer: control looks through blocks
 * with it.
 */
export async function readBlock(
  { uow, files }: { readonly uow: UnitOfWork; readonly files: PartFiles },
  call: CallContext,
  address: BlockAddress,
): Promise<StoredPrediction[]> {
  const { organisationId } = call.actor;
  return followingMoves(async () => {
    const part = await uow.read(call, (sql) => findPart(sql, organisationId, address));
    return part ? (await files.read(part, organisationId)).entries.map(decodeEntry) : [];
  });
}
