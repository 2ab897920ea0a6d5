// Light, dark, or as the system says.

export type Theme = "system" | "light" | "dark";
const KEY = "fiveply.theme";

function stored(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

export const theme = $state<{ chosen: Theme; systemDark: boolean }>({
  chosen: stored(),
  systemDark: systemIsDark.matches,
});

systemIsDark.addEventListener("change", () => (theme.systemDark = systemIsDark.matches));

export function applyTheme(chosen: Theme): void {
  theme.chosen = chosen;
  if (chosen === "system") {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset["theme"];
  } else {
    localStorage.setItem(KEY, chosen);
    document.documentElement.dataset["theme"] = chosen;
  }
}

/** The other one of light and dark, seen from what is shown now. */
export function flipTheme(): void {
  const dark = theme.chosen === "dark" || (theme.chosen === "system" && theme.systemDark);
  applyTheme(dark ? "light" : "dark");
}
