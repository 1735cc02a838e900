import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { CallContext, Digest } from "@portolan/kernel";
import type { TrainingLog } from "./training-log-schema.ts";
import { readTrainingRun, type TrainingDeps } from "./training-runs.ts";

/** A trainer may write more than fits into memory. */
const mostBytes = 2 ** 20;

/**
 * A piece of the run's log: of the stored run, or of what the trainer has written so far.
 * @param after bytes that the caller has already
 */
export async function readTrainingLog(
  deps: TrainingDeps,
  call: CallContext,
  id: string,
  after = 0,
): Promise<TrainingLog> {
  const { state, result } = await readTrainingRun(deps, call, id);
  const path = result
    ? await deps.objects.localPath(result.log as Digest)
    : join(deps.workFolder, id, "trainer.log");
  const piece = await pieceOf(path, after);
  const log = new TextDecoder().decode(piece.bytes);
  const nextByte = after + piece.bytes.length;
  const isSettled = state !== "waiting" && state !== "running";
  return { log, nextByte, isOver: isSettled && nextByte >= piece.sizeBytes };
}

/** Of a file that is not there yet, nothing. */
async function pieceOf(
  path: string,
  after: number,
): Promise<{ readonly bytes: Uint8Array; readonly sizeBytes: number }> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch {
    return { bytes: new Uint8Array(), sizeBytes: 0 };
  }
  try {
    const { size: sizeBytes } = await file.stat();
    const wanted = Math.max(0, Math.min(mostBytes, sizeBytes - after));
    const { buffer, bytesRead } = await file.read(new Uint8Array(wanted), 0, wanted, after);
    const bytes = buffer.subarray(0, bytesRead);
    return { bytes: wholeCharacters(bytes), sizeBytes };
  } finally {
    await file.close();
  }
}

/** Without a last character of which only some bytes are there; bytes that are no UTF-8 stay. Pure. */
export function wholeCharacters(bytes: Uint8Array): Uint8Array {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    const isCut = length > back && back < bytes.length;
    return isCut ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}
