// The keyboard: `/` searches, `g` and a letter goes somewhere, `?` shows all of this.

import { go } from "./router.svelte";
import { flipTheme } from "./theme.svelte";

export const places: [string, string, string][] = [
  ["h", "#/", "Home"],
  ["l", "#/lineage", "Lineage"],
  ["t", "#/tables", "Tables"],
  ["r", "#/runs", "Runs"],
  ["i", "#/incidents", "Incidents"],
  ["d", "#/dashboards", "Dashboards"],
  ["y", "#/syncs", "Syncs"],
  ["f", "#/features", "Features"],
  ["s", "#/sql", "SQL"],
];

const CHORD_MS_MAX = 1500;

interface Actions {
  search: () => void;
  help: () => void;
  leave: () => void;
}

function isTyping(event: KeyboardEvent): boolean {
  const [target] = event.composedPath();
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** Listens until the returned function is called. */
export function watchKeys(actions: Actions): () => void {
  let goPressedAt = -Infinity;
  const listen = (event: KeyboardEvent): void => {
    if (event.key === "Escape") actions.leave();
    if ((event.ctrlKey || event.metaKey) && event.key === "k") {
      event.preventDefault();
      actions.search();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    if (event.timeStamp - goPressedAt < CHORD_MS_MAX) {
      goPressedAt = -Infinity;
      const place = places.find(([key]) => key === event.key);
      if (place) {
        event.preventDefault();
        go(place[1]);
        return;
      }
    }
    if (event.key === "g") goPressedAt = event.timeStamp;
    else if (event.key === "/") {
      event.preventDefault();
      actions.search();
    } else if (event.key === "?") actions.help();
    else if (event.key === "T") flipTheme();
  };
  addEventListener("keydown", listen);
  return () => removeEventListener("keydown", listen);
}
