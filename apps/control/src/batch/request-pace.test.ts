import { expect, test } from "vitest";
import { RequestPace } from "./request-pace.ts";

test("requests at once grow one by one to their bound while the server keeps up, and halve when it does not", () => {
  const pace = new RequestPace(4);
  const answer = (count: number) => {
    for (let i = 0; i < count; i++) {
      void pace.enter();
      pace.leave("answered");
    }
    return pace.allowed;
  };
  expect(pace.allowed).toBe(1);
  expect([answer(1), answer(1), answer(1), answer(3), answer(50)]).toEqual([2, 2, 3, 4, 4]);
  const pressed = () => {
    void pace.enter();
    pace.leave("pressed");
    return pace.allowed;
  };
  expect([pressed(), pressed(), pressed()]).toEqual([2, 1, 1]);
  void pace.enter();
  pace.leave("none");
  expect(pace.allowed).toBe(1);
});

test("no more are under way than may be, and nobody waits for ever", async () => {
  const pace = new RequestPace(3);
  let inFlight = 0;
  let most = 0;
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 40 }, async (_, at) => {
      await pace.enter();
      order.push(at);
      most = Math.max(most, ++inFlight);
      expect(inFlight).toBeLessThanOrEqual(pace.allowed);
      await new Promise((resolve) => setImmediate(resolve));
      inFlight--;
      pace.leave(at === 20 ? "none" : "answered");
    }),
  );
  expect(most).toBe(3);
  expect(order).toEqual(Array.from({ length: 40 }, (_, at) => at));
});
