import { join } from "node:path";
import type { FileToWrite } from "@portolan/kernel";
import {
  bundlePath,
  CompactTree,
  encodeBundle,
  joinHashes,
  newBundles,
  newTiles,
  splitHashes,
  tilePath,
  tileWidth,
} from "@portolan/merkle";
import type { SequencerStep } from "./ports.ts";
import { damaged, type TileFolder, type TileState, writeDurably } from "./tile-folder.ts";

export interface NewLeaf {
  readonly entry: Uint8Array;
  readonly leafHash: Uint8Array;
}

/**
 * Extends a log's files by leaves: bundles, then hash tiles, then the state, each fsynced before the next.
 * Until the state is written the log has its old size and whatever lies beyond is no history.
 */
export async function extendTiles(
  folder: TileFolder,
  before: TileState | undefined,
  leaves: readonly NewLeaf[],
  epoch: number,
  observe: (step: SequencerStep) => void,
): Promise<TileState> {
  const from = before?.tree.size ?? 0;
  const tree = before?.tree.clone() ?? new CompactTree();
  const added: Uint8Array[][] = [];
  for (const leaf of leaves) {
    tree.append(leaf.leafHash, ({ level }, hash) => {
      if (level % 8 !== 0) return;
      const row = added[level / 8] ?? [];
      row.push(hash);
      added[level / 8] = row;
    });
  }
  const bundles = await bundleFiles(
    folder,
    from,
    leaves.map((leaf) => leaf.entry),
  );
  await writeDurably(bundles);
  observe("entries_written");
  await writeDurably(await tileFiles(folder, from, tree.size, added));
  observe("tiles_written");
  const state = { epoch, tree };
  await folder.writeState(state);
  observe("state_written");
  return state;
}

/** Removes partial files that the growth made superfluous. */
export function prunePartials(folder: TileFolder, from: number, to: number): Promise<void> {
  const tiles = newTiles(from, to).map((tile) => ({ path: tilePath(tile), width: tile.width }));
  const bundles = newBundles(from, to).map((bundle) => ({ path: bundlePath(bundle), width: bundle.width }));
  return folder.prunePartials([...tiles, ...bundles]);
}

async function bundleFiles(
  folder: TileFolder,
  from: number,
  entries: readonly Uint8Array[],
): Promise<FileToWrite[]> {
  const files: FileToWrite[] = [];
  for (const bundle of newBundles(from, from + entries.length)) {
    const start = bundle.index * tileWidth;
    const kept = from > start ? await folder.readBundle({ index: bundle.index, width: from - start }) : [];
    const fresh = entries.slice(Math.max(0, start - from), start + bundle.width - from);
    files.push({ path: join(folder.path, bundlePath(bundle)), bytes: encodeBundle([...kept, ...fresh]) });
  }
  return files;
}

async function tileFiles(
  folder: TileFolder,
  from: number,
  to: number,
  added: readonly (readonly Uint8Array[])[],
): Promise<FileToWrite[]> {
  const files: FileToWrite[] = [];
  for (const tile of newTiles(from, to)) {
    const had = Math.floor(from / tileWidth ** tile.level);
    const start = tile.index * tileWidth;
    const kept =
      had > start
        ? splitHashes(await folder.readTile({ ...tile, width: had - start }))
        : ([] as Uint8Array[]);
    const fresh = (added[tile.level] ?? []).slice(Math.max(0, start - had), start + tile.width - had);
    if (kept.length + fresh.length !== tile.width) throw damaged(`${tilePath(tile)} cannot be completed`);
    files.push({ path: join(folder.path, tilePath(tile)), bytes: joinHashes([...kept, ...fresh]) });
  }
  return files;
}
