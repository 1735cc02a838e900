import {
  type Logger,
  messageOf,
  PortolanError,
  requirePrivateTransport,
  type Secret,
} from "@portolan/kernel";
import type { CardsOfMachine } from "./cards-at-work.ts";

/** A Prometheus that scrapes NVIDIA's DCGM exporter. */
export interface CardSeries {
  readonly url: string;
  /** Labels of the series of this machine, as PromQL writes them: `Hostname="node-3"`. Absent: all. */
  readonly selector?: string;
  readonly token?: Secret;
}

const askEveryMs = 15_000;
/** An answer that is older says nothing of now. */
const oldMs = 45_000;
const timeoutMs = 5_000;
const mostBytes = 65_536;

/**
 * The busiest of the machine's cards, by what its exporter says of the last minute: the engines' time where it is told, as of MIG instances, else the
 * card's. Asked at most every 15 seconds, and only while somebody asks here.
 *
 * @param monotonicMs in milliseconds
 */
export function prometheusCards(
  series: CardSeries,
  log: Pick<Logger, "warn">,
  monotonicMs: () => number = () => performance.now(),
): CardsOfMachine {
  requireSafe(series);
  const address = new URL(`${series.url.replace(/\/$/, "")}/api/v1/query`);
  address.searchParams.set("query", busiestQuery(series.selector));
  let askedAt = Number.NEGATIVE_INFINITY;
  let known: { readonly at: number; readonly atWork: number } | undefined;
  const ask = async (): Promise<void> => {
    const at = monotonicMs();
    const atWork = readBusiest(await get(address, series.token));
    known = atWork === undefined ? undefined : { at, atWork };
  };
  return () => {
    const now = monotonicMs();
    if (now - askedAt >= askEveryMs) {
      askedAt = now;
      ask().catch((error: unknown) => log.warn({ error: messageOf(error) }, "monitoring.cards.unanswered"));
    }
    return known && now - known.at <= oldMs ? { atWork: known.atWork } : undefined;
  };
}

/** A password in an address would be in each line of the log that names it; a token is read by whoever is on the way of plain http. */
function requireSafe({ url, token }: CardSeries): void {
  const { username, password } = new URL(url);
  if (username !== "" || password !== "")
    throw new PortolanError("kernel.bad_request", {
      detail: "CARD_METRICS_URL holds a user or a password",
      mend: "Give the address alone, and a bearer token in CARD_METRICS_TOKEN.",
    });
  if (token !== undefined) requirePrivateTransport(url, "CARD_METRICS_URL");
}

/** @throws PortolanError `kernel.bad_request` where the selector is none. Pure. */
export function busiestQuery(selector = ""): string {
  const matcher = String.raw`[A-Za-z_]\w*(=|!=|=~|!~)"[^"\\\n]*"`;
  if (selector !== "" && !new RegExp(`^${matcher}(, ?${matcher})*$`).test(selector))
    throw new PortolanError("kernel.bad_request", {
      detail: `CARD_METRICS_SELECTOR is no list of labels: ${selector.slice(0, 80)}`,
      mend: 'Write labels as PromQL does, e.g. Hostname="node-3".',
    });
  const over = (name: string): string => `avg_over_time(${name}{${selector}}[1m])`;
  return `max(100 * ${over("DCGM_FI_PROF_GR_ENGINE_ACTIVE")} or ${over("DCGM_FI_DEV_GPU_UTIL")})`;
}

/** Percent, of the answer to an instant query; undefined where it has no such series, or says what no card can. Pure. */
export function readBusiest(answer: unknown): number | undefined {
  const { status, data } = (answer ?? {}) as { status?: unknown; data?: { result?: unknown } };
  const [first] = Array.isArray(data?.result) ? (data.result as { value?: unknown }[]) : [];
  const text = Array.isArray(first?.value) ? (first.value as unknown[])[1] : undefined;
  const percent = typeof text === "string" && text !== "" ? Number(text) : Number.NaN;
  return status === "success" && percent >= 0 && percent <= 100 ? percent : undefined;
}

async function get(address: URL, token: Secret | undefined): Promise<unknown> {
  const answer = await fetch(address, {
    redirect: "error",
    signal: AbortSignal.timeout(timeoutMs),
    headers: token ? { authorization: `Bearer ${token.reveal()}` } : {},
  });
  const text = await answer.text();
  if (!answer.ok || text.length > mostBytes) throw new Error(`the Prometheus answered ${answer.status}`);
  return JSON.parse(text);
}
