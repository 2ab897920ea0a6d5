// Every view has an address after the `#`, so the server knows one page only.

interface Route {
  path: string;
  parts: string[];
  query: URLSearchParams;
}

function read(): Route {
  const text = location.hash.replace(/^#/, "") || "/";
  const [path = "/", query = ""] = text.split("?", 2);
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  return { path, parts, query: new URLSearchParams(query) };
}

export const router = $state({ route: read() });

addEventListener("hashchange", () => {
  router.route = read();
});

/** The address of a view; its parts are escaped. */
export function to(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** Goes to a view. */
export function go(address: string): void {
  location.hash = address.replace(/^#/, "");
}

/** Changes the query of the present view without a step in the history. */
export function setQuery(changes: Record<string, string | null>): void {
  const query = new URLSearchParams(router.route.query);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  const address = `#${router.route.path}${text ? `?${text}` : ""}`;
  history.replaceState(null, "", address);
  router.route = read();
}

/** Where a node is shown. */
export function nodeAddress(id: string): string {
  const kind = id.split(".", 1)[0];
  if (kind === "sync") return to("syncs", id.split(".").at(-1) ?? id);
  if (kind === "feature_view") return to("features");
  if (kind === "dashboard") return to("dashboards", id.split(".").at(-1) ?? id);
  return to("tables", id);
}
