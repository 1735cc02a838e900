/** A person's browser: keeps cookies, follows what it is sent to, and fills in forms. */
export class Browser {
  readonly #name: string;
  readonly #cookies = new Map<string, string>();

  constructor(name: string) {
    this.#name = name;
  }

  /** Signs in and consents wherever it is asked, from this page on; resolves to the text of the last one. */
  async signIn(address: string, fields: Readonly<Record<string, string>> = {}): Promise<string> {
    let page = await this.#open(address);
    for (let pages = 0; pages < 8; pages++) {
      const action = /<form[^>]* action="([^"]+)"/.exec(page.text)?.[1]?.replaceAll("&amp;", "&");
      if (action === undefined) return page.text;
      const form = new URLSearchParams();
      for (const [input] of page.text.matchAll(/<input[^>]*>/g)) {
        const [name, value = ""] = ["name", "value"].map(
          (key) => new RegExp(`${key}="([^"]*)"`).exec(input)?.[1],
        );
        if (name !== undefined) form.set(name, fields[name] ?? this.#known(name) ?? value);
      }
      page = await this.#open(new URL(action, page.address).href, form);
    }
    throw new Error(`no end of forms: ${page.text}`);
  }

  #known(name: string): string | undefined {
    return { login: this.#name, password: "any" }[name];
  }

  async #open(
    address: string,
    form?: URLSearchParams,
  ): Promise<{ readonly address: string; readonly text: string }> {
    const response = await fetch(address, {
      ...(form ? { method: "POST", body: form } : {}),
      headers: { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
      redirect: "manual",
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "" || /expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    const location = response.headers.get("location");
    const text = await response.text();
    return location === null ? { address, text } : this.#open(new URL(location, address).href);
  }
}
