// Who is looking, and where they were going before they logged in.

import type { Clock, Me } from "./model";

export const session = $state<{
  me: Me | null;
  back: string;
  place: { project: string; environment: string; clock: Clock } | null;
}>({ me: null, back: "#/", place: null });

/** Whether the person may do something. */
export function may(permission: string): boolean {
  return session.me?.permissions.includes(permission) ?? false;
}
