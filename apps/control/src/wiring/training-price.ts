import { findInForce, termsOf } from "@portolan/charter";
import { isPortolanError } from "@portolan/kernel";
import { choosePlacement, coreHourPrice, planCurrency } from "@portolan/planner";
import type { TrainingDeps } from "@portolan/training";
import type { Foundation } from "./foundation.ts";

/** A core for an hour where the charter in force lets a use case be trained, in the currency of its ceiling; without a charter on this machine. */
export function trainingPriceOf({
  clock,
  prices,
}: Pick<Foundation, "clock" | "prices">): NonNullable<TrainingDeps["coreHour"]> {
  return async (sql, useCaseId) => {
    try {
      const charter = useCaseId === undefined ? undefined : (await findInForce(sql, { useCaseId }))?.charter;
      const placement = charter ? choosePlacement(charter, "training").chosen : "local";
      if (placement === undefined) return undefined;
      const ceiling = charter && termsOf(charter).costCeilingPerMonth.currency;
      const currency = planCurrency(prices, ceiling ?? "USD");
      return coreHourPrice(prices, { placement, currency, now: clock.now() });
    } catch (error) {
      // A run is told without money where none is stated, and under a charter that is not what was signed.
      if (isPortolanError(error) && /^(planner\.price_missing|charter\.)/.test(error.code)) return undefined;
      throw error;
    }
  };
}
