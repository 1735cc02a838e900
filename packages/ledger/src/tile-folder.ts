import { readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  canonicalJson,
  digestJson,
  type FileToWrite,
  isMissingFile,
  type JsonObject,
  PortolanError,
  readIfThere,
  writeFilesDurably,
} from "@portolan/kernel";
import {
  type BundlePosition,
  bundlePath,
  CompactTree,
  decodeBundle,
  fillPlan,
  hashBytes,
  hashFromHex,
  type NodePosition,
  nodeInTile,
  type ProofPlan,
  splitHashes,
  subtreesOf,
  type TilePosition,
  tileOfNode,
  tilePath,
  tileWidth,
  toHex,
} from "@portolan/merkle";

/** How far the tile files go. Written last, so everything below `size` is complete and fsynced. */
export interface TileState {
  readonly epoch: number;
  readonly tree: CompactTree;
}

/** One organisation's log on disk, in the C2SP layout, plus `state/<epoch>.json` of the sequencer's own. */
export class TileFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * The state of the highest epoch: a sequencer that was replaced may still write under its own number, and is
   * not heard. `undefined` for a log without files.
   * @throws PortolanError `ledger.tiles_damaged` when it cannot be read.
   */
  async readState(): Promise<TileState | undefined> {
    const names = await listFolder(join(this.path, "state"));
    const newest = names
      .filter((name) => /^\d{12}\.json$/.test(name))
      .toSorted()
      .at(-1);
    if (newest === undefined) return undefined;
    const bytes = await readIfThere(join(this.path, "state", newest));
    const state = bytes === undefined ? undefined : parseState(bytes);
    if (state === undefined || state.epoch !== Number(newest.slice(0, 12))) {
      throw damaged(`state/${newest} is not readable`);
    }
    return state;
  }

  async writeState({ epoch, tree }: TileState): Promise<void> {
    const name = `${String(epoch).padStart(12, "0")}.json`;
    const state = { epoch, size: tree.size, peaks: tree.peaks.map(toHex) };
    const text = canonicalJson({ state, digest: digestJson(state) });
    await writeDurably([{ path: join(this.path, "state", name), bytes: Buffer.from(text) }]);
    const names = await listFolder(join(this.path, "state"));
    const older = names.filter((other) => other < name);
    await Promise.all(older.map((other) => rm(join(this.path, "state", other), { force: true })));
  }

  /**
   * Hashes of a tile. A wider file serves a narrower request: it starts with the same hashes.
   * @throws PortolanError `ledger.tiles_damaged` when the file is absent, short or torn.
   */
  async readTile(tile: TilePosition): Promise<Uint8Array> {
    const bytes = await this.#readAtLeast(
      tilePath(tile),
      tilePath({ ...tile, width: tileWidth }),
      tile.width,
    );
    const length = tile.width * hashBytes;
    if (bytes === undefined || bytes.length < length || bytes.length % hashBytes !== 0) {
      throw damaged(`${tilePath(tile)} is missing or torn`);
    }
    return bytes.subarray(0, length);
  }

  /** @throws PortolanError `ledger.tiles_damaged`. */
  async readBundle(bundle: BundlePosition): Promise<Uint8Array[]> {
    const full = bundlePath({ ...bundle, width: tileWidth });
    const bytes = await this.#readAtLeast(bundlePath(bundle), full, bundle.width);
    const entries = bytes === undefined ? undefined : decodeOrNothing(bytes);
    if (entries === undefined || entries.length < bundle.width) {
      throw damaged(`${bundlePath(bundle)} is missing or torn`);
    }
    return entries.slice(0, bundle.width);
  }

  /** Entries [start, end) of a tree of at least `end` leaves, one bundle at a time. */
  async *entries(start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end; ) {
      const index = Math.floor(at / tileWidth);
      const width = Math.min(tileWidth, end - index * tileWidth);
      const entries = await this.readBundle({ index, width });
      yield* entries.slice(at - index * tileWidth);
      at = index * tileWidth + width;
    }
  }

  /** Leaf hashes [start, end), one tile at a time. */
  async *leafHashes(start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end; ) {
      const index = Math.floor(at / tileWidth);
      const width = Math.min(tileWidth, end - index * tileWidth);
      yield* splitHashes(await this.readTile({ level: 0, index, width })).slice(at - index * tileWidth);
      at = index * tileWidth + width;
    }
  }

  async hashAt(node: NodePosition, size: number): Promise<Uint8Array> {
    const { tile, first, count } = tileOfNode(node, size);
    return nodeInTile(await this.readTile(tile), first, count);
  }

  /** The right edge of the tree of the first `size` leaves, from the files. */
  async treeAt(size: number): Promise<CompactTree> {
    const peaks: Uint8Array[] = [];
    for (const node of subtreesOf(0, size)) peaks.push(await this.hashAt(node, size));
    return CompactTree.resume(size, peaks);
  }

  proof(plan: ProofPlan, size: number): Promise<Uint8Array[]> {
    return fillPlan(plan, (node) => this.hashAt(node, size));
  }

  readCheckpoint(): Promise<string | undefined> {
    return readIfThere(join(this.path, "checkpoint")).then((bytes) =>
      bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8"),
    );
  }

  publishCheckpoint(note: string): Promise<void> {
    return writeDurably([{ path: join(this.path, "checkpoint"), bytes: Buffer.from(note) }]);
  }

  /** Drops narrower copies of what now exists wider. Losing one in a crash only leaves a file too many. */
  async prunePartials(
    positions: readonly { readonly path: string; readonly width: number }[],
  ): Promise<void> {
    for (const { path, width } of positions) {
      const folder = join(this.path, width === tileWidth ? `${path}.p` : dirname(path));
      if (width === tileWidth) await rm(folder, { recursive: true, force: true });
      else {
        const narrower = (await listFolder(folder)).filter((name) => Number(name) < width);
        await Promise.all(narrower.map((name) => rm(join(folder, name), { force: true })));
      }
    }
  }

  async #readAtLeast(path: string, fullPath: string, width: number): Promise<Uint8Array | undefined> {
    const exact = await readIfThere(join(this.path, path));
    if (exact !== undefined) return exact;
    const full = await readIfThere(join(this.path, fullPath));
    if (full !== undefined) return full;
    const folder = join(this.path, `${fullPath}.p`);
    const wider = (await listFolder(folder))
      .filter((name) => /^\d+$/.test(name) && Number(name) >= width)
      .toSorted((a, b) => Number(a) - Number(b));
    const [nearest] = wider;
    return nearest === undefined ? undefined : readIfThere(join(folder, nearest));
  }
}

/** The log is public to those who may read it, and no secret to whoever keeps its files. */
const fileModes = { file: 0o644, folder: 0o755 };

export function writeDurably(files: readonly FileToWrite[]): Promise<void> {
  return writeFilesDurably(files, fileModes);
}

/** Folders of all organisations that have files. */
export async function listLogs(root: string): Promise<readonly string[]> {
  return (await listFolder(root)).filter((name) => /^org_[0-9a-z]{26}$/.test(basename(name)));
}

/** Root of a state; of the empty tree when there is none. */
export function rootOf(state: TileState | undefined): Uint8Array {
  return (state?.tree ?? new CompactTree()).root();
}

function parseState(bytes: Uint8Array): TileState | undefined {
  try {
    const { state, digest } = JSON.parse(Buffer.from(bytes).toString("utf8")) as {
      state: JsonObject;
      digest: string;
    };
    if (digestJson(state) !== digest) return undefined;
    const { epoch, size, peaks } = state;
    if (typeof epoch !== "number" || typeof size !== "number" || !Array.isArray(peaks)) return undefined;
    const hashes = peaks.map((peak) => (typeof peak === "string" ? hashFromHex(peak) : undefined));
    if (!hashes.every((hash) => hash !== undefined)) return undefined;
    return { epoch, tree: CompactTree.resume(size, hashes) };
  } catch {
    return undefined; // The caller names the file; why it is not JSON does not matter.
  }
}

function decodeOrNothing(bytes: Uint8Array): Uint8Array[] | undefined {
  try {
    return decodeBundle(bytes);
  } catch {
    return undefined;
  }
}

async function listFolder(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isMissingFile(error)) return [];
    throw error;
  }
}

export function damaged(detail: string): PortolanError<"ledger.tiles_damaged"> {
  return new PortolanError("ledger.tiles_damaged", {
    detail,
    mend: "Put back the ledger folder from the backup that the database is of, or from a copy of the tiles.",
  });
}
