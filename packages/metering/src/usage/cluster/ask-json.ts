import { type AddressRules, guardedGet, judgeUrl, messageOf, PortolanError } from "@portolan/kernel";
import type { MeteringErrorCode } from "../../errors.ts";

const mostBytes = 64 * 2 ** 20;
const timeoutMs = 60_000;

/**
 * Asks for JSON at an address that the rules allow, judged again once its name is resolved; without redirects, 64 MiB and a minute at most.
 *
 * @throws PortolanError `metering.collection_failed`
 */
export async function askJson(url: URL, rules: AddressRules): Promise<unknown> {
  const verdict = judgeUrl(rules, url.href);
  if (verdict.kind === "refused")
    throw failed(
      url,
      verdict.why,
      "Write https, or allow a host inside with --allow, e.g. --allow http://prometheus.monitoring.svc.",
    );
  const { status, text } = await answerOf(url, rules);
  if (status !== 200)
    throw failed(
      url,
      `it answered ${status}: ${text.slice(0, 200)}`,
      "A redirect is not followed: name where it leads.",
    );
  try {
    return JSON.parse(text);
  } catch {
    throw failed(url, "it answered no JSON", "See that the address is the API's own.");
  }
}

async function answerOf(
  url: URL,
  rules: AddressRules,
): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const { status, body } = await guardedGet(url, { rules, timeoutMs, mostBytes });
    return { status, text: body.toString("utf8") };
  } catch (error) {
    throw failed(
      url,
      messageOf(error),
      "See that it runs and answers there, and ask for a shorter time where it answers too much.",
    );
  }
}

function failed(url: URL, why: string, mend: string): PortolanError<MeteringErrorCode> {
  return new PortolanError<MeteringErrorCode>("metering.collection_failed", {
    detail: `${url.origin}: ${why}`,
    mend,
  });
}
