import { asEpochMicros, formatInstant, type JsonObject, type JsonValue } from "@portolan/kernel";
import type { Alert } from "./alert-schema.ts";

export const alertFormats = ["webhook", "alertmanager", "pagerduty", "slack"] as const;
export type AlertFormat = (typeof alertFormats)[number];

/** A body as its receiver wants it. */
export interface AlertMessage {
  readonly contentType: string;
  /** Added to the destination's address. */
  readonly path: string;
  readonly body: JsonValue;
}

/** What a message is made of besides its alert. */
export interface MessageOptions {
  /** When it is sent, epoch microseconds. */
  readonly now: number;
  /** PagerDuty's integration key. */
  readonly routingKey?: string;
}

/** Whether a receiver forgets what it is not told again. */
export function needsRepeats(format: AlertFormat): boolean {
  return format === "alertmanager";
}

/** The body of an alert in its present state, in the format of a receiver. Pure: the same alert makes the same body at every attempt. */
export function alertMessage(format: AlertFormat, alert: Alert, options: MessageOptions): AlertMessage {
  switch (format) {
    case "webhook":
      return {
        contentType: "application/cloudevents+json; charset=utf-8",
        path: "",
        body: cloudEvent(alert),
      };
    case "alertmanager":
      return {
        contentType: "application/json",
        path: "/api/v2/alerts",
        body: [alertmanagerAlert(alert, options.now)],
      };
    case "pagerduty":
      return {
        contentType: "application/json",
        path: "",
        body: pagerDutyEvent(alert, options.routingKey ?? ""),
      };
    case "slack":
      return { contentType: "application/json", path: "", body: slackMessage(alert) };
  }
}

/** The same at every attempt for one state of one alert: a receiver may drop what it has. */
export function messageId({ id, state }: Alert): string {
  return `${id}.${state}`;
}

/** CloudEvents 1.0, structured mode. */
function cloudEvent(alert: Alert): JsonObject {
  return {
    specversion: "1.0",
    id: messageId(alert),
    source: `/endpoints/${encodeURIComponent(alert.endpoint)}`,
    type: `portolan.monitoring.alert.${alert.state === "open" ? "opened" : "resolved"}`,
    subject: alert.id,
    time: instant(alert.resolvedAt ?? alert.openedAt),
    datacontenttype: "application/json",
    data: { ...alert },
  };
}

/**
 * An alert of Alertmanager's API v2. What is open says that it is over in four hours unless it is told again, which it is every hour: an
 * Alertmanager ends what has no end after five minutes.
 */
function alertmanagerAlert(alert: Alert, now: number): JsonObject {
  const { kind, environment, useCaseId, endpoint, variant, model, version, openedAt, resolvedAt } = alert;
  return {
    labels: {
      alertname: alertNames[kind],
      alert_key: alert.key,
      severity: severityOf(alert),
      environment,
      endpoint,
      // An empty label is none at all for Alertmanager.
      ...(variant === "" ? {} : { variant }),
      ...(useCaseId === null ? {} : { use_case: useCaseId }),
      ...(model === "" ? {} : { model, version }),
    },
    annotations: { summary: alert.summary, alert_id: alert.id },
    startsAt: instant(openedAt),
    endsAt: instant(resolvedAt ?? now + 4 * 3_600_000_000),
  };
}

/** PagerDuty Events API v2. */
function pagerDutyEvent(alert: Alert, routingKey: string): JsonObject {
  const base = { routing_key: routingKey, dedup_key: alert.id };
  if (alert.state === "resolved") return { ...base, event_action: "resolve" };
  return {
    ...base,
    event_action: "trigger",
    client: "Portolan",
    payload: {
      summary: alert.summary.slice(0, 1024),
      source: `${alert.environment}/${alert.endpoint}`,
      severity: severityOf(alert),
      timestamp: instant(alert.openedAt),
      component: alert.endpoint,
      group: alert.environment,
      class: alert.kind,
      custom_details: { ...alert.evidence, key: alert.key },
    },
  };
}

/** Of an incoming webhook of Slack: blocks for people, the text for notifications. */
function slackMessage(alert: Alert): JsonObject {
  const head = alert.state === "open" ? ":rotating_light: Open" : ":white_check_mark: Resolved";
  const said = alert.state === "open" ? alert.summary : (alert.resolvedBecause ?? alert.summary);
  // Slack refuses a section of more than 3,000 characters.
  const text = `*${head}: ${escaped(alert.kind)} of ${escaped(alert.environment)}/${escaped(alert.endpoint)}*\n${escaped(said).slice(0, 2500)}`;
  return {
    text: `${head}: ${escaped(said).slice(0, 2500)}`,
    blocks: [
      { type: "section", text: { type: "mrkdwn", text } },
      { type: "context", elements: [{ type: "mrkdwn", text: alert.id }] },
    ],
  };
}

const alertNames = {
  performance: "PortolanPerformance",
  drift: "PortolanDrift",
  concept: "PortolanConceptDrift",
  objective: "PortolanObjective",
  review: "PortolanReview",
  budget: "PortolanBudget",
  idle: "PortolanIdleWork",
} as const satisfies Record<Alert["kind"], string>;

/** What a charter wants more than a word about is critical, and so is a budget that burns fast. */
function severityOf({ kind, evidence }: Alert): "critical" | "warning" {
  if (kind === "objective") return evidence["severity"] === "page" ? "critical" : "warning";
  if (kind === "budget") return evidence["percent"] === 100 ? "critical" : "warning";
  return kind === "performance" && evidence["below"] !== "alert" ? "critical" : "warning";
}

/** As Slack asks for: it reads links and mentions between angle brackets. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function instant(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}
