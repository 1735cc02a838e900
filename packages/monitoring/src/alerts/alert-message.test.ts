import { Compile, Type } from "@portolan/typebox";
import { expect, test } from "vitest";
import { alertMessage, messageId } from "./alert-message.ts";
import type { Alert } from "./alert-schema.ts";

const closed = { additionalProperties: false } as const;
const Labels = Type.Record(
  Type.String({ pattern: "^[a-zA-Z_][a-zA-Z0-9_]*$" }),
  Type.String({ minLength: 1 }),
);
const Instant = Type.String({ pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z$" });

/** `postableAlerts` of Alertmanager's `api/v2/openapi.yaml`. */
const Alertmanager = Compile(
  Type.Array(
    Type.Object({ labels: Labels, annotations: Labels, startsAt: Instant, endsAt: Instant }, closed),
  ),
);
const PagerDutyPayload = Type.Object(
  {
    summary: Type.String({ minLength: 1, maxLength: 1024 }),
    source: Type.String({ minLength: 1 }),
    severity: Type.Enum(["critical", "error", "warning", "info"]),
    timestamp: Instant,
    component: Type.String(),
    group: Type.String(),
    class: Type.String(),
    custom_details: Type.Record(Type.String(), Type.Unknown()),
  },
  closed,
);
/** PagerDuty's Events API v2: a trigger has a payload, a resolution needs the key alone. */
const PagerDuty = Compile(
  Type.Union([
    Type.Object(
      {
        routing_key: Type.String({ minLength: 1 }),
        event_action: Type.Literal("trigger"),
        dedup_key: Type.String({ maxLength: 255 }),
        client: Type.String(),
        payload: PagerDutyPayload,
      },
      closed,
    ),
    Type.Object(
      {
        routing_key: Type.String({ minLength: 1 }),
        event_action: Type.Literal("resolve"),
        dedup_key: Type.String({ maxLength: 255 }),
      },
      closed,
    ),
  ]),
);
const Mrkdwn = Type.Object({ type: Type.Literal("mrkdwn"), text: Type.String({ maxLength: 3000 }) }, closed);
/** Slack's incoming webhooks with section and context blocks. */
const Slack = Compile(
  Type.Object(
    {
      text: Type.String(),
      blocks: Type.Array(
        Type.Union([
          Type.Object({ type: Type.Literal("section"), text: Mrkdwn }, closed),
          Type.Object(
            { type: Type.Literal("context"), elements: Type.Array(Mrkdwn, { maxItems: 10 }) },
            closed,
          ),
        ]),
        { maxItems: 50 },
      ),
    },
    closed,
  ),
);
/** CloudEvents 1.0, JSON format, structured mode. */
const CloudEvent = Compile(
  Type.Object({
    specversion: Type.Literal("1.0"),
    id: Type.String({ minLength: 1 }),
    source: Type.String({ minLength: 1 }),
    type: Type.String({ minLength: 1 }),
    subject: Type.String({ minLength: 1 }),
    time: Instant,
    datacontenttype: Type.Literal("application/json"),
    data: Type.Object({}),
  }),
);

const open: Alert = {
  id: "alr_1",
  key: "performance/production/uc_1/churn/champion/delays/7/accuracy",
  kind: "performance",
  environment: "production",
  useCaseId: "uc_1",
  endpoint: "churn",
  variant: "champion",
  model: "delays",
  version: "7",
  state: "open",
  summary: "accuracy 0.5 <!channel> & more",
  evidence: { metric: "accuracy", value: 0.5, below: "fallback" },
  openedAt: 1_772_000_000_000_000,
  resolvedAt: null,
  resolvedBecause: null,
};
const resolved: Alert = {
  ...open,
  state: "resolved",
  resolvedAt: open.openedAt + 60_000_000,
  resolvedBecause: "fine",
};
const bare: Alert = { ...open, useCaseId: null, model: "", version: "", summary: "x".repeat(5000) };
const options = { now: open.openedAt, routingKey: "key" };

test.each([open, resolved, bare])("each body has the published shape of its receiver (%#)", (alert) => {
  const shapes = { webhook: CloudEvent, alertmanager: Alertmanager, pagerduty: PagerDuty, slack: Slack };
  for (const [format, shape] of Object.entries(shapes)) {
    const { body } = alertMessage(format as keyof typeof shapes, alert, options);
    expect([format, shape.Check(body)]).toEqual([format, true]);
  }
});

test("opening and resolution go to one incident, and their webhooks are told apart", () => {
  const keyOf = (alert: Alert) => alertMessage("pagerduty", alert, options).body;
  expect(keyOf(open)).toMatchObject({
    event_action: "trigger",
    dedup_key: "alr_1",
    payload: { severity: "critical" },
  });
  expect(keyOf(resolved)).toMatchObject({ event_action: "resolve", dedup_key: "alr_1" });
  expect(messageId(open)).not.toBe(messageId(resolved));
  const [one, other] = [open, resolved].map((alert) => alertMessage("alertmanager", alert, options).body);
  expect(one).toMatchObject([{ startsAt: "2026-02-25T06:13:20Z", endsAt: "2026-02-25T10:13:20Z" }]);
  expect(other).toMatchObject([{ endsAt: "2026-02-25T06:14:20Z" }]);
});

test("words of strangers call nobody in Slack", () => {
  const { body } = alertMessage("slack", open, options);
  expect(JSON.stringify(body)).not.toContain("<!channel>");
  expect(JSON.stringify(body)).toContain("&lt;!channel&gt; &amp; more");
});
