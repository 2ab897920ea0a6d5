// A view's data: loaded when its address changes, again every few seconds while it is looked at.

import { ApiError, get } from "./api";

export class Loaded<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  busy = $state(false);
  #path = "";
  #abort: AbortController | null = null;

  async load(path: string): Promise<void> {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    if (path !== this.#path) {
      this.#path = path;
      this.error = null;
    }
    this.busy = true;
    try {
      const value = await get<T>(path, abort.signal);
      if (!abort.signal.aborted) {
        this.value = value;
        this.error = null;
      }
    } catch (error) {
      if (abort.signal.aborted) return;
      if (error instanceof ApiError) this.error = error;
      else throw error;
    } finally {
      if (this.#abort === abort) this.busy = false;
    }
  }

  stop(): void {
    this.#abort?.abort();
  }
}

/** Keeps what `path` says loaded; call it while a component is set up. */
export function live<T>(path: () => string | null, everySeconds = 0): Loaded<T> {
  const loaded = new Loaded<T>();
  $effect(() => {
    const wanted = path();
    if (wanted === null) return;
    void loaded.load(wanted);
    if (everySeconds === 0) return () => loaded.stop();
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") void loaded.load(wanted);
    }, everySeconds * 1000);
    return () => {
      clearInterval(timer);
      loaded.stop();
    };
  });
  return loaded;
}
