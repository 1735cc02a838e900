import { contract, defineView, onDemand, value, when } from "@portolan/features/builder";

// Values of an account, texts among them: what its newest change states, and what is computed of it for each payment.

const changes = contract("changes", {
  account: "text",
  at: "instant",
  op: "text",
  cents: "int",
  segment: "text",
});

export const accounts = defineView({
  name: "accounts",
  source: changes,
  entity: ["account"],
  eventTime: "at",
  tombstone: ({ op }) => op.eq("D"),
  ttl: "90d",
  request: { asked_segment: "text" },
  features: ({ cents, segment }) => ({
    balance: value(cents),
    segment: value(segment),
    size: value(when(cents.gt(100_000), "large", "small")),
  }),
  onDemand: ({ asked_segment }, _, text) => ({
    is_same_segment: onDemand(text("segment").eq(asked_segment)),
  }),
});
