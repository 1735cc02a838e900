import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, isMissingFile, newId, Secret } from "@portolan/kernel";
import { writeNew } from "./key-files.ts";
import type { OnDenied, RequestOrigin } from "./ports.ts";

export const localCredentialFile = "local-credential";

/**
 * The secret that proves access to this machine's state folder (mode 0600): it bootstraps the first organisation
 * and, in development installations, asks for tokens. Made on first use.
 */
export async function openLocalCredential(home: string): Promise<Secret> {
  const path = join(home, localCredentialFile);
  await mkdir(home, { recursive: true, mode: 0o700 });
  try {
    return new Secret((await readFile(path, "utf8")).trim());
  } catch (error) {
    if (!isMissingFile(error)) throw error;
  }
  try {
    await writeNew(path, `${randomBytes(32).toString("base64url")}\n`);
  } catch (error) {
    // Another process made it in between: theirs counts.
    if (!isExisting(error)) throw error;
  }
  return new Secret((await readFile(path, "utf8")).trim());
}

/** Compares in constant time; hashing first makes the lengths equal. */
export function matchesSecret(secret: Secret, presented: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(secret.reveal()), digest(presented));
}

/** A wrong secret is a try at the master key of the installation: it is counted like every other refusal. */
export async function reportWrongSecret(
  deps: { readonly onDenied: OnDenied; readonly clock: Clock },
  action: string,
  origin: RequestOrigin,
): Promise<void> {
  await deps.onDenied({
    kind: "unauthenticated",
    reason: "wrong_secret",
    requestId: origin.requestId ?? newId("request", deps.clock.now()),
    action,
    ...(origin.source === undefined ? {} : { source: origin.source }),
  });
}

function isExisting(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}
