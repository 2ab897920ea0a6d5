// The one way to the server. Addresses are relative to the page, so a path prefix does not matter.

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    message: string,
    readonly help: string | null,
  ) {
    super(message);
  }
}

let onLogInNeeded: () => void = () => {};

/** What to do when the server wants to know who is asking. */
export function whenLogInIsNeeded(act: () => void): void {
  onLogInNeeded = act;
}

async function answer<T>(response: Response): Promise<T> {
  if (response.ok) {
    return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
  }
  let error: { kind?: string; message?: string; help?: string | null } = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    // A proxy in between answers with pages of its own.
  }
  if (response.status === 401) onLogInNeeded();
  const message = error.message ?? `the server answered ${response.status}`;
  throw new ApiError(response.status, error.kind ?? "internal", message, error.help ?? null);
}

async function send<T>(path: string, options: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`./api/v1/${path}`, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    const help = "Is `fiveply up` still running?";
    throw new ApiError(0, "network", "the server did not answer", help);
  }
  return answer<T>(response);
}

/** Reads. */
export function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return send<T>(path, signal ? { signal } : {});
}

/** Asks for something to be done. */
export function post<T>(path: string, body: unknown = {}, signal?: AbortSignal): Promise<T> {
  const headers = { "content-type": "application/json" };
  const options: RequestInit = { method: "POST", headers, body: JSON.stringify(body) };
  return send<T>(path, signal ? { ...options, signal } : options);
}

/** Takes something away. */
export function remove<T>(path: string): Promise<T> {
  return send<T>(path, { method: "DELETE" });
}
