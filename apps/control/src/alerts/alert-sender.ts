import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { type Clock, type Logger, messageOf, PortolanError, type Secret } from "@portolan/kernel";
import type { AlertSender, OutgoingAlert } from "@portolan/monitoring";
import { type AlertMessage, alertMessage, messageId, needsRepeats } from "@portolan/monitoring/policy";
import { webhookHeaders } from "../notices/webhook-signature.ts";
import { type AlertDestination, readDestination } from "./alert-destination.ts";

const timeoutMs = 5_000;

export interface AlertSenderOptions {
  /** The operator's files; absent: nothing can be sent. */
  readonly folder: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Posts alerts to the operator's destinations, to each one at a time, without redirects; of the answer only the status is read. The addresses
 * are the operator's own and may lie inside.
 */
export function createAlertSender({ folder, clock, log }: AlertSenderOptions): AlertSender {
  const underWay = new Set<string>();
  return {
    send: async (outgoing) => {
      const { organisationId, destination: name } = outgoing;
      const place = `${organisationId}/${name}`;
      if (underWay.has(place)) return "busy";
      underWay.add(place);
      try {
        await sendTo(await readDestination(folder, name, outgoing), outgoing, clock);
        return "taken";
      } catch (error) {
        // Why is the operator's to know; who routes alerts reads that it failed.
        const cause =
          error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : undefined;
        log.warn({ destination: name, error: messageOf(error), cause }, "monitoring.alert.undelivered");
        throw error;
      } finally {
        underWay.delete(place);
      }
    },
  };
}

async function sendTo(
  destination: AlertDestination,
  { alert, isRepeat, destination: name }: OutgoingAlert,
  clock: Clock,
): Promise<void> {
  const { format, routingKey } = destination;
  if (isRepeat && !needsRepeats(format)) return;
  const message = alertMessage(format, alert, {
    now: clock.now(),
    ...(routingKey ? { routingKey: routingKey.reveal() } : {}),
  });
  const body = JSON.stringify(message.body);
  const headers =
    format === "webhook" ? webhookHeaders(messageId(alert), body, clock, destination.secret) : {};
  const status = await post(destination, message, body, headers).catch((cause: unknown) => {
    throw undeliverable(name, "it did not answer", cause);
  });
  if (status < 200 || status > 299) throw undeliverable(name, `it answered ${status}`);
}

function post(
  { url, headers }: AlertDestination,
  { path, contentType }: AlertMessage,
  body: string,
  more: Readonly<Record<string, string>>,
): Promise<number> {
  const target = new URL(url.reveal().replace(/\/$/, "") + path);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const send = target.protocol === "https:" ? requestHttps : requestHttp;
  const request = send(target, {
    method: "POST",
    agent: false,
    signal: AbortSignal.timeout(timeoutMs),
    headers: {
      ...revealed(headers),
      ...more,
      "content-type": contentType,
      "content-length": Buffer.byteLength(body),
      "user-agent": "portolan",
    },
  });
  request.once("response", (response) => {
    response.destroy();
    resolve(response.statusCode ?? 0);
  });
  request.on("error", reject);
  request.end(body);
  return promise;
}

function revealed(headers: Readonly<Record<string, Secret>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()]));
}

/** Without the address: it may be a secret. */
function undeliverable(name: string, why: string, cause?: unknown): PortolanError {
  return new PortolanError("monitoring.alert_undeliverable", {
    detail: `the destination ${name} did not take an alert: ${why}`,
    mend: "It is tried again. See that the receiver answers, and the operator's file of that name.",
    ...(cause === undefined ? {} : { cause }),
  });
}
