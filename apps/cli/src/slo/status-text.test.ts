import { expect, test } from "vitest";
import { statusText } from "./status-text.ts";

test("objectives over requests and over what happens to the model are told apart, with what is not due yet", () => {
  const text = statusText({
    environment: "production",
    endpoint: "churn",
    requests: 12,
    objectives: [
      {
        name: "latency",
        description: "",
        target: "0.95",
        wantedBy: "",
        badShare: 0.01,
        budgetUsed: 0.2,
        burns: [],
      },
    ],
    lifecycle: [
      {
        name: "retraining-completion",
        description: "",
        target: "0.9",
        wantedBy: "",
        events: 10,
        badShare: 0.2,
        budgetUsed: 2,
        isMet: false,
      },
      {
        name: "label-maturity",
        description: "",
        target: "0.8",
        wantedBy: "",
        events: 0,
        badShare: null,
        budgetUsed: null,
        isMet: null,
      },
    ],
  });
  expect(text).toMatch(/latency +0\.95 +1 % bad +20 % used/);
  expect(text).toMatch(/retraining-completion +0\.9 +20 % of 10 bad +200 % used +MISSED/);
  expect(text).toMatch(/label-maturity +0\.8 +nothing due yet/);
});
