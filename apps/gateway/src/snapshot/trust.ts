import { PortolanError } from "@portolan/kernel";
import { SnapshotTrust } from "@portolan/serving/contract";
import { Compile } from "@portolan/typebox";
import type { ControlClient } from "../control-client.ts";
import type { DiskCache } from "./disk-cache.ts";

export type Trust = SnapshotTrust;
const shape = Compile(SnapshotTrust);
const file = "trust.json";

/**
 * Whose snapshots this gateway believes. Pinned on disk; the very first start asks control for it (trust on first
 * use, see docs/adr/0060), later ones only learn new keys from snapshots that the old ones signed.
 *
 * @returns `undefined` when nothing is pinned and control is away
 */
export async function loadTrust(cache: DiskCache, control: ControlClient): Promise<Trust | undefined> {
  const pinned = cache.readJson(file);
  if (shape.Check(pinned)) return pinned;
  if (pinned !== undefined)
    throw new PortolanError("kernel.bad_configuration", {
      detail: "The gateway's trust.json is damaged.",
      mend: "Restore it, or delete the gateway's folder to pin control's keys again.",
    });
  const offered = await control.trust();
  if (!shape.Check(offered)) return undefined;
  cache.writeJson(file, offered);
  return offered;
}

/** Adds what an accepted snapshot says of its keys: new ones, and the end of old ones. */
export function learnKeys(cache: DiskCache, trust: Trust, keys: Trust["keys"]): Trust {
  const byId = new Map(trust.keys.map((key) => [key.id, key]));
  for (const key of keys) if (key.purpose === "snapshot") byId.set(key.id, key);
  const next = { ...trust, keys: [...byId.values()] };
  if (JSON.stringify(next) !== JSON.stringify(trust)) cache.writeJson(file, next);
  return next;
}
