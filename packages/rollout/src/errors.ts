import type { ErrorSpec } from "@portolan/kernel";

export const rolloutErrors = {
  "rollout.release_running": { status: 409, title: "A release is running at this endpoint" },
  "rollout.endpoint_shared": { status: 409, title: "Endpoint shares its requests already" },
  "rollout.nothing_to_release": { status: 409, title: "Version is the champion already" },
  "rollout.version_ending": { status: 409, title: "The version's end is announced" },
  "rollout.bad_plan": { status: 422, title: "Plan of the release cannot be followed" },
  "rollout.event_unknown": { status: 422, title: "Event is no guard of the release" },
  "rollout.wrong_state": { status: 409, title: "Release is not in a state for this" },
  "rollout.not_approver": { status: 403, title: "Release needs somebody else's approval" },
  "rollout.bad_flag": { status: 422, title: "Flag cannot be evaluated" },
  "rollout.flag_decides_already": { status: 409, title: "Another flag decides who answers at this endpoint" },
  "rollout.too_many_flags": { status: 409, title: "Endpoint has as many flags as it may" },
  "rollout.flag_change_settled": { status: 409, title: "Change of the flag waits no more" },
} as const satisfies Record<string, ErrorSpec>;

export type RolloutErrorCode = keyof typeof rolloutErrors;
