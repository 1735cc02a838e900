import { Type } from "@portolan/typebox";
import { metricNames } from "./metrics.ts";
import { closed, OneOf } from "./schema-parts.ts";

export const Accuracy = Type.Object(
  {
    metric: OneOf(metricNames, "The metric that decides, measured on held-out later data."),
    floor: Type.Optional(
      Type.Number({ description: "Smallest value that may serve, for metrics where more is better." }),
    ),
    ceiling: Type.Optional(
      Type.Number({ description: "Largest value that may serve, for error metrics such as rmse." }),
    ),
    heldBy: Type.Optional(
      OneOf(
        ["value", "interval"],
        "What must keep the bound at a release: the measured value, or the worse end of its 95 % interval. Absent: the interval for roc_auc and pass_rate, the value for all others.",
      ),
    ),
    below: OneOf(["alert", "fallback", "stop"], "What happens in production when the bound is crossed."),
  },
  { ...closed, description: "How good the model must be; a release below it is refused." },
);
