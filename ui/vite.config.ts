import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// Every address in the page is relative, so that it works behind any path prefix.
export default defineConfig({
  base: "./",
  plugins: [svelte()],
  build: {
    target: "es2023",
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    sourcemap: false,
    // An inlined picture would need `data:` in the content security policy.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
    manifest: true,
  },
  server: {
    proxy: { "/api": process.env.FIVEPLY_URL ?? "http://127.0.0.1:8080" },
  },
});
