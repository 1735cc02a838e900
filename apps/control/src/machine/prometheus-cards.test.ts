import { isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { busiestQuery, readBusiest } from "./prometheus-cards.ts";

const answer = (...values: unknown[]) => ({
  status: "success",
  data: {
    resultType: "vector",
    result: values.map((value) => ({ metric: {}, value: [1_795_000_000, value] })),
  },
});

test("the query takes engines' time where it is told, else the card's, of the labels that are named", () => {
  const of = 'Hostname="node-3",gpu=~"0|1"';
  expect(busiestQuery(of)).toBe(
    `max(100 * avg_over_time(DCGM_FI_PROF_GR_ENGINE_ACTIVE{${of}}[1m]) or avg_over_time(DCGM_FI_DEV_GPU_UTIL{${of}}[1m]))`,
  );
  expect(busiestQuery()).toContain("DCGM_FI_DEV_GPU_UTIL{}");
});

test.each(['Hostname="a"} or vector(0', "node-3", 'a="\\"', 'a="b" c="d"'])(
  "%s is no list of labels",
  (selector) => {
    const said = () => {
      try {
        return busiestQuery(selector);
      } catch (error) {
        return isPortolanError(error) ? error.code : error;
      }
    };
    expect(said()).toBe("kernel.bad_request");
  },
);

test("an answer is a percentage, or nothing is known: no series, no number, none that a card can have", () => {
  expect(readBusiest(answer("0"))).toBe(0);
  expect(readBusiest(answer("98.5"))).toBe(98.5);
  for (const one of [answer(), answer("NaN"), answer("101"), answer("-1"), answer(""), answer(3)])
    expect(readBusiest(one)).toBeUndefined();
  expect(readBusiest({ ...answer("3"), status: "error" })).toBeUndefined();
  fc.assert(
    fc.property(fc.anything(), (any) => {
      const percent = readBusiest(any) ?? 0;
      expect(percent >= 0 && percent <= 100).toBe(true);
    }),
  );
});
