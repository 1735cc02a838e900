import { hashBytes } from "./hashing.ts";

/** C2SP tlog-checkpoint: what a log signs. */
export interface Checkpoint {
  /** Names the log for ever, e.g. `portolan/org_…`. */
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Lines after the root; not empty, without newline. */
  readonly extensions: readonly string[];
}

/** The note text of a checkpoint. @throws RangeError when a line would break the format. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const { origin, size, root, extensions } = checkpoint;
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`${size} is not a tree size`);
  if (root.length !== hashBytes) throw new RangeError("a root has 32 bytes");
  const lines = [origin, String(size), Buffer.from(root).toString("base64"), ...extensions];
  if (lines.some((line) => line === "" || line.includes("\n"))) {
    throw new RangeError("a checkpoint's lines are not empty and hold no newline");
  }
  return `${lines.join("\n")}\n`;
}

/** Reads a checkpoint's text; `undefined` when it is malformed. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  if (!text.endsWith("\n")) return undefined;
  const [origin, sizeText, rootText, ...extensions] = text.slice(0, -1).split("\n");
  if (origin === undefined || origin === "" || sizeText === undefined || rootText === undefined)
    return undefined;
  if (!/^(0|[1-9]\d{0,15})$/.test(sizeText) || !Number.isSafeInteger(Number(sizeText))) return undefined;
  const root = Buffer.from(rootText, "base64");
  if (root.length !== hashBytes || root.toString("base64") !== rootText) return undefined;
  if (extensions.includes("")) return undefined;
  return { origin, size: Number(sizeText), root, extensions };
}
