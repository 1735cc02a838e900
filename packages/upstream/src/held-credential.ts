import type { Secret } from "@portolan/kernel";
import type { UpstreamAccess } from "./access.ts";
import { type CredentialUse, readCredential } from "./credentials.ts";

/** The credential that one upstream's requests carry; empty where its description names none. */
export class HeldCredential {
  readonly #access: UpstreamAccess;
  readonly #name: string | undefined;
  readonly #origin: string;
  readonly #use: CredentialUse | undefined;
  #headers: Readonly<Record<string, Secret>> = {};

  /** @param use for whom it is to be used; absent: for nobody */
  constructor(
    access: UpstreamAccess,
    name: string | undefined,
    origin: string,
    use: CredentialUse | undefined,
  ) {
    this.#access = access;
    this.#name = name;
    this.#origin = origin;
    this.#use = use;
  }

  /**
   * Reads it anew, as its file may have been exchanged.
   * @throws PortolanError `upstream.credential_unusable`
   */
  async renew(): Promise<void> {
    if (this.#name !== undefined)
      this.#headers = await readCredential(this.#access.credentials, this.#name, this.#origin, this.#use);
  }

  /** Headers in clear, by their lower-case names: to be put on a request, and nowhere else. */
  reveal(): Record<string, string> {
    const revealed: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.#headers)) revealed[name] = value.reveal();
    return revealed;
  }
}
