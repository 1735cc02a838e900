import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import {
  addMicros,
  type CallContext,
  canonicalBytes,
  type Digest,
  type EpochMicros,
  type JsonValue,
  microsPerSecond,
  PortolanError,
} from "@portolan/kernel";
import type { TrackingErrorCode } from "../errors.ts";

/** How long a signed address counts, in seconds. */
const addressSeconds = { usual: 300, most: 3600 } as const;

/** What a signed address lets its holder read: one content of one artifact, as whoever asked for it. */
export interface ReadGrant {
  /** Who asked, with the limits of the credential that was shown. */
  readonly call: Pick<CallContext, "actor" | "purpose" | "onBehalfOf">;
  /** Of the artifact: `<experiment>/<run>/artifacts/<path>`, or that of a model's. */
  readonly artifact: string;
  readonly digest: Digest;
  readonly until: EpochMicros;
}

export interface AddressSigner {
  sign(grant: ReadGrant): string;
  /** @throws PortolanError `tracking.address_refused` for what was signed by nobody here, was changed, or has expired */
  open(text: string, now: EpochMicros): ReadGrant;
}

/**
 * Signs with a key that lives as long as the process: addresses count for minutes, and after a restart clients ask for new ones. Where
 * several processes answer, each opens its own alone.
 */
export function createAddressSigner(key: Uint8Array = randomBytes(32)): AddressSigner {
  const mac = (payload: string): Buffer => createHmac("sha256", key).update(payload).digest();
  return {
    sign: (grant) => {
      const payload = Buffer.from(canonicalBytes(grant as unknown as JsonValue)).toString("base64url");
      return `${payload}.${mac(payload).toString("base64url")}`;
    },
    open: (text, now) => {
      const [payload = "", signature = "", ...more] = text.split(".");
      const [given, own] = [Buffer.from(signature, "base64url"), mac(payload)];
      const isOurs = more.length === 0 && given.length === own.length && timingSafeEqual(given, own);
      if (!isOurs) throw refused("it was not signed here, or was changed");
      // Signed here, and so in the form that it was signed in.
      const grant = JSON.parse(Buffer.from(payload, "base64url").toString()) as ReadGrant;
      if (now >= grant.until) throw refused("its time is over");
      return grant;
    },
  };
}

/** Until when an address counts that is asked for now. @throws PortolanError `tracking.invalid_value` beyond an hour */
export function expiryOf(now: EpochMicros, seconds: number = addressSeconds.usual): EpochMicros {
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > addressSeconds.most)
    throw new PortolanError<TrackingErrorCode>("tracking.invalid_value", {
      detail: `an address counts for 1 to ${addressSeconds.most} seconds, not ${seconds}`,
      mend: `Leave expiration out for ${addressSeconds.usual} seconds, and ask again when the time is over.`,
    });
  return addMicros(now, seconds * microsPerSecond);
}

export function refused(why: string): PortolanError<TrackingErrorCode> {
  return new PortolanError("tracking.address_refused", {
    detail: `the signed address is not accepted: ${why}`,
    mend: "Ask for a new one, with your credential.",
  });
}
