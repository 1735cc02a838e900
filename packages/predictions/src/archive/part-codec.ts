import { Compile } from "@portolan/typebox";
import type { OpenedBlock } from "../format/block.ts";
import { EntryPacker } from "../format/entry-packer.ts";
import { encodeFrame, frameAt, frameKinds, openFrame, unsealFrames } from "../format/frame.ts";
import { FrameSealer } from "../format/frame-sealer.ts";
import type { LogKeys } from "../format/log-keys.ts";
import { corrupt, parseJson } from "../format/payload-codec.ts";
import { WrappedKey } from "../format/sealing.ts";

const Key = Compile(WrappedKey);

/** An organisation's share of a block as a file; with keys, its frames of records are sealed under a data key of its own. */
export function encodePart(
  block: OpenedBlock,
  organisationId: string,
  erased: ReadonlySet<number>,
  keys: LogKeys | undefined,
): Buffer {
  const { epoch, block: number } = block.end;
  const at = { epoch, block: number };
  const packer = new EntryPacker();
  for (const entry of block.entries) {
    if (entry.organisationId !== organisationId) continue;
    packer.add(entry, erased.has(entry.index) ? "erased" : undefined);
  }
  const data = keys?.newDataKey();
  const sealer = data && new FrameSealer(data.key);
  const frames = packer
    .drain()
    .map(({ raw, count }) => encodeFrame({ kind: frameKinds.records, ...at, count }, raw, sealer));
  frames.push(encodeFrame({ kind: frameKinds.blockEnd, ...at, count: 0 }, block.endBytes));
  if (data) {
    const named = Buffer.from(JSON.stringify(data.wrapped));
    frames.unshift(encodeFrame({ kind: frameKinds.key, ...at, count: 0 }, named));
  }
  return Buffer.concat(frames);
}

/**
 * The block's frames in the clear.
 * @throws PortolanError `predictions.corrupt`, also when the key is gone
 */
export function unsealPart(bytes: Buffer, keys: LogKeys | undefined): Buffer {
  const first = frameAt(bytes, 0);
  if (first?.kind !== frameKinds.key) return bytes;
  const wrapped = parseJson(openFrame(first), "part's key");
  if (!Key.Check(wrapped)) throw corrupt("a part's key does not fit its schema");
  return unsealFrames(bytes.subarray(first.end), keys?.unwrap(wrapped));
}
