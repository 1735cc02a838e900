import { PortolanError } from "@portolan/kernel";
import type { TrackingErrorCode } from "../errors.ts";

/** A text in quotes, of which a doubled one is one. */
export function readText(reader: Reader): string {
  const quoted = reader.take(/'(?:[^']|'')*'|"(?:[^"]|"")*"/y, "a text in quotes");
  const quote = quoted.slice(0, 1);
  return quoted.slice(1, -1).replaceAll(quote + quote, quote);
}

/** Texts in parentheses. */
export function readList(reader: Reader): string[] {
  reader.take(/\(/y, "a list in parentheses");
  const values = [readText(reader)];
  while (reader.tryTake(/,/y) !== undefined) values.push(readText(reader));
  reader.take(/\)/y, "the end of the list");
  return values;
}

/** Goes along a text; white space between tokens says nothing. */
export class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#skip();
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  /** What is left, shortened for a message. */
  get rest(): string {
    return this.#text.slice(this.#at, this.#at + 40);
  }

  tryTake(form: RegExp): string | undefined {
    const sticky = new RegExp(form.source, form.flags);
    sticky.lastIndex = this.#at;
    const [found] = sticky.exec(this.#text) ?? [];
    if (found === undefined) return undefined;
    this.#at += found.length;
    this.#skip();
    return found;
  }

  take(form: RegExp, what: string): string {
    const found = this.tryTake(form);
    if (found === undefined) throw bad(`${what} was expected before "${this.rest}"`);
    return found;
  }

  /** A name, as it is or in double quotes or backticks. @param withDots what follows an entity may hold dots */
  word(withDots = false): string {
    const quoted = this.tryTake(/"[^"]+"|`[^`]+`/y);
    if (quoted !== undefined) return quoted.slice(1, -1);
    return this.take(withDots ? /[^\s"'`=!<>(),]+/y : /[^\s"'`=!<>(),.]+/y, "a name");
  }

  #skip(): void {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at++;
  }
}

/** How a filter or an order is answered that is none. */
export function bad(detail: string): PortolanError<TrackingErrorCode> {
  return new PortolanError("tracking.invalid_value", {
    detail,
    mend: "Write conditions as MLflow does: metrics.auc > 0.8 and params.depth = '6'.",
  });
}
