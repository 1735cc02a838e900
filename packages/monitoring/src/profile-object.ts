import { type ObjectStore, PortolanError, parseDigest } from "@portolan/kernel";
import type { ReferenceProfile } from "./profile-schema.ts";

/** @param text the profile's digest, as it is stored */
export async function readProfile(objects: ObjectStore, text: string): Promise<ReferenceProfile> {
  const digest = parseDigest(text);
  if (!digest) throw new PortolanError("kernel.internal", { detail: `${text} is no digest` });
  return JSON.parse(Buffer.from(await objects.get(digest)).toString("utf8")) as ReferenceProfile;
}
